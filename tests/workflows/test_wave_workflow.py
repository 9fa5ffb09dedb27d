"""Waves over hours and days: what counts from when, and when it ends."""

import pytest

from contract.launch import LaunchRequest, LaunchResult
from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.notify.event_kind import EventKind
from recovery.plan.model import Server
from tests.recovery.plans import server_id
from tests.workflows.conftest import FakedEnvironment, lifetime, wave
from tests.workflows.fake_activities import HOUR, NEVER


async def test_the_timeout_counts_from_the_acceptance_of_the_launch(env: FakedEnvironment) -> None:
    env.fakes.accepted_after = 5 * HOUR
    env.fakes.launched_after = 0.9 * HOUR
    run = await env.start(wave("Database", timeout_seconds=HOUR))
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.COMPLETED
    assert database.start_time is not None
    assert database.start_time - state.start_time >= 5 * HOUR
    assert database.completion_duration == pytest.approx(0.9 * HOUR, abs=1)


async def test_a_wave_that_is_not_up_in_time_is_timed_out_to_the_second(
    env: FakedEnvironment,
) -> None:
    env.fakes.accepted_after = 2 * HOUR
    env.fakes.launched_after = 1.1 * HOUR
    run = await env.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    database, app = state.waves
    assert database.status is WaveStatus.TIMED_OUT
    assert database.completion_duration == pytest.approx(HOUR, abs=1)
    for server in run.plan.waves[0].server_ids:
        assert server in database.status_reason
    assert app.status is WaveStatus.SKIPPED
    assert state.status is PlanStatus.FAILED


async def test_the_timeout_counts_from_the_acceptance_even_if_the_result_is_late(
    env: FakedEnvironment,
) -> None:
    env.fakes.responds_after = 0.5 * HOUR
    env.fakes.launched_after = 1.1 * HOUR
    run = await env.start(wave("Database", timeout_seconds=HOUR))
    database = (await run.end()).waves[0]
    assert database.status is WaveStatus.TIMED_OUT
    assert database.completion_duration == pytest.approx(HOUR, abs=1)


async def test_a_late_wave_is_recorded_after_the_plans_end(env: FakedEnvironment) -> None:
    env.fakes.launched_after = 9 * HOUR
    run = await env.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    assert state.waves[0].status is WaveStatus.TIMED_OUT
    assert await run.ended(run.wave_handle("database")) is None
    recorded = env.fakes.recorded("database")
    assert (recorded.status, recorded.late) == (WaveStatus.COMPLETED, True)
    last = env.fakes.reports[-1]
    assert ([e.kind for e in last.events], last.is_after_end) == ([EventKind.LATE_ARRIVAL], True)
    assert last.execution.execution_id == run.execution_id
    assert recorded.completion_duration == pytest.approx(9 * HOUR, abs=1)
    assert all(s.launch_status is LaunchStatus.LAUNCHED for s in recorded.servers)
    assert len(env.fakes.launches) == 1


async def test_a_late_poll_result_overwrites_nothing_newer(env: FakedEnvironment) -> None:
    env.fakes.launched_after = HOUR + 10
    env.fakes.last_poll_lag = 20.0
    run = await env.start(wave("Database", timeout_seconds=HOUR))
    state = await run.end()
    for states in (state.waves[0], env.fakes.recorded("database")):
        assert states.status is WaveStatus.COMPLETED
        assert all(s.launch_status is LaunchStatus.LAUNCHED for s in states.servers)


async def test_a_job_that_never_ends_is_observed_for_24_hours(env: FakedEnvironment) -> None:
    env.fakes.launched_after = NEVER
    run = await env.start(wave("Database"))
    state = await run.end()
    assert state.waves[0].status is WaveStatus.TIMED_OUT
    failure = await run.ended(run.wave_handle("database"))
    assert "Database TIMED_OUT" in str(failure)
    assert 24 * HOUR <= await lifetime(run.wave_handle("database")) <= 24 * HOUR + 120
    assert env.fakes.recorded("database").status is WaveStatus.TIMED_OUT


async def test_a_watch_that_always_fails_ends_after_a_day(env: FakedEnvironment) -> None:
    env.fakes.watch_fails_for = 30 * HOUR
    run = await env.start(wave("Database"))
    assert (await run.end()).waves[0].status is WaveStatus.TIMED_OUT
    await run.ended(run.wave_handle("database"))
    assert await lifetime(run.wave_handle("database")) <= 25 * HOUR + 700


async def test_a_launch_that_is_never_accepted_fails_at_the_plans_deadline(
    env: FakedEnvironment,
) -> None:
    env.fakes.accepted_after = NEVER
    run = await env.start(wave("Database"), wave("App", "Database"), deadline_seconds=2 * HOUR)
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.FAILED
    assert database.start_time is None
    assert database.end_time is not None
    assert database.end_time - state.start_time == pytest.approx(2 * HOUR, abs=900)
    assert env.fakes.find_calls > 0
    assert env.fakes.launches == []


async def test_a_launch_that_fails_at_the_deadline_names_the_deadline(
    env: FakedEnvironment,
) -> None:
    env.fakes.accepted_after = NEVER
    run = await env.start(wave("Database"), deadline_seconds=2 * HOUR)
    assert "deadline" in (await run.end()).waves[0].status_reason


async def test_servers_of_an_accepted_job_are_watched_while_the_waves_next_job_waits(
    env: FakedEnvironment,
) -> None:
    env.fakes.next_job_delay, env.fakes.next_job_from = 5 * HOUR, 10
    fleet = wave("Fleet")
    fleet.servers.extend(Server(source_server_id=server_id(50_000 + n)) for n in range(120))
    run = await env.start(fleet)
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert len(env.fakes.launches) == 13
    states = sorted((w for r in env.fakes.records for w in r.waves), key=lambda w: w.revision)
    first = next(w for w in states if w.launched_count)
    assert first.launched_count == 100
    # A revision is the time of its change, in milliseconds.
    assert first.revision / 1000 - state.start_time < HOUR


async def test_a_launch_that_fails_at_the_deadline_is_watched_if_it_has_a_job(
    env: FakedEnvironment,
) -> None:
    env.fakes.accepted_after = NEVER
    env.fakes.found = True
    run = await env.start(wave("Database"), deadline_seconds=2 * HOUR)
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.COMPLETED
    assert all(s.recovery_job_id for s in database.servers)


@pytest.mark.slow
async def test_the_default_deadline_is_a_day(env: FakedEnvironment) -> None:
    env.fakes.accepted_after = NEVER
    run = await env.start(wave("Database"))
    state = await run.end()
    assert state.status is PlanStatus.FAILED
    assert state.end_time is not None
    assert state.end_time - state.start_time == pytest.approx(24 * HOUR, abs=900)


async def test_a_wave_that_could_start_only_after_the_deadline_launches_nothing(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = HOUR - 60
    run = await env.start(wave("Database"), wave("App", "Database"), deadline_seconds=0.5 * HOUR)
    state = await run.end()
    assert state.waves[0].status is WaveStatus.COMPLETED
    assert state.waves[1].status is WaveStatus.FAILED
    assert "the plan's deadline had passed" in state.waves[1].status_reason
    assert len(env.fakes.launches) == 1


async def test_a_history_that_is_never_writable_delays_no_wave(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.recorded_after, env.fakes.launched_after = NEVER, 1
    run = await env.start(wave("Database"), wave("App", "Database"), wave("Web", "App"))
    state = await run.until(lambda s: s.status is not PlanStatus.IN_PROGRESS)
    assert state.status is PlanStatus.COMPLETED
    assert env.fakes.records == []
    database, app, web = state.waves
    assert database.end_time is not None
    assert app.start_time == pytest.approx(database.end_time, abs=60)
    assert web.completion_duration == pytest.approx(1, abs=1)
    assert await run.ended(run.wave_handle("database")) is None


async def test_the_error_of_a_poll_is_shown_in_the_wave(env: FakedEnvironment) -> None:
    env.fakes.launched_after = NEVER
    env.fakes.poll_error = "DRS cannot be polled now: Rate exceeded"
    run = await env.start(wave("Database"))
    shown = await run.wave_until("database", lambda w: "Rate exceeded" in w.status_reason)
    assert shown.status is WaveStatus.IN_PROGRESS
    assert shown.status_reason.startswith("DRS cannot be polled")
    await run.handle.terminate()
    await run.wave_handle("database").terminate()


async def test_what_a_launch_waits_for_is_shown_in_the_wave(env: FakedEnvironment) -> None:
    env.fakes.accepted_after = NEVER
    run = await env.start(wave("Database"))
    shown = await run.wave_until("database", lambda w: w.status_reason == "Waiting for quota")
    assert shown.status is WaveStatus.WAITING
    assert shown.start_time is None
    await run.handle.terminate()
    await run.wave_handle("database").terminate()


async def test_a_wave_is_not_timed_out_because_the_clock_of_aws_is_hours_behind(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = env.fakes._accepted

    def hours_behind(request: LaunchRequest, now: float, job_id: str) -> LaunchResult:
        result = accepted(request, now, job_id)
        return result.model_copy(update={"accepted_time": now - 2 * HOUR})

    monkeypatch.setattr(env.fakes, "_accepted", hours_behind)
    run = await env.start(wave("Database", timeout_seconds=HOUR))
    (database,) = (await run.end()).waves
    assert database.status is WaveStatus.COMPLETED


async def test_a_small_wave_costs_few_events_as_its_plan_records_it(env: FakedEnvironment) -> None:
    run = await env.start(wave("Database"))
    await run.end()
    events = [event async for event in run.wave_handle("database").fetch_history_events()]
    named = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    assert [name for name in named if name] == ["watch_servers"]
    assert len(events) < 32
    states = [w.status for record in env.fakes.records for w in record.waves]
    assert states == [WaveStatus.IN_PROGRESS, WaveStatus.COMPLETED]
    assert [s.verified for s in env.fakes.recorded("database").servers] == [Verified.YES] * 2


@pytest.mark.parametrize("servers", [2, 11])
async def test_a_wave_whose_plan_was_terminated_records_its_end(
    env_on_real_server: FakedEnvironment, servers: int
) -> None:
    env = env_on_real_server
    env.fakes.launched_after, env.fakes.watch_fails_for = 0.0, HOUR
    ids = [Server(source_server_id=server_id(9000 + number)) for number in range(servers)]
    run = await env.start(wave("Database", servers=ids))
    await run.wave_until("database", lambda w: w.start_time)
    await run.handle.terminate()
    env.fakes.sees_plan_ended, env.fakes.watch_fails_for = True, 0.0
    await run.ended(run.wave_handle("database"))
    recorded = env.fakes.recorded("database")
    assert recorded.status is WaveStatus.COMPLETED
    assert [s.verified for s in recorded.servers] == [Verified.YES] * servers
