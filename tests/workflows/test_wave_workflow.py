"""Waves over hours and days: what counts from when, and when it ends."""

import pytest

from recovery.execution.server import LaunchStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Server
from tests.recovery.plans import server_id
from tests.workflows.conftest import House, lifetime, wave
from tests.workflows.stand_ins import HOUR, NEVER


async def test_the_timeout_counts_from_the_acceptance_of_the_launch(house: House) -> None:
    house.world.accepts_after = 5 * HOUR
    house.world.arrives_after = 0.9 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR))
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.COMPLETED
    assert database.start_time is not None
    assert database.start_time - state.start_time >= 5 * HOUR
    assert database.completion_duration == pytest.approx(0.9 * HOUR, abs=1)


async def test_a_wave_that_is_not_up_in_time_is_timed_out_to_the_second(house: House) -> None:
    house.world.accepts_after = 2 * HOUR
    house.world.arrives_after = 1.1 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    database, app = state.waves
    assert database.status is WaveStatus.TIMED_OUT
    assert database.completion_duration == pytest.approx(HOUR, abs=1)
    for server in run.plan.waves[0].server_ids:
        assert server in database.status_reason
    assert app.status is WaveStatus.SKIPPED
    assert state.status is PlanStatus.FAILED


async def test_the_timeout_counts_from_the_acceptance_even_if_we_learn_of_it_later(
    house: House,
) -> None:
    house.world.answers_after = 0.5 * HOUR
    house.world.arrives_after = 1.1 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR))
    database = (await run.end()).waves[0]
    assert database.status is WaveStatus.TIMED_OUT
    assert database.completion_duration == pytest.approx(HOUR, abs=1)


async def test_a_late_arrival_is_recorded_after_the_plans_end(house: House) -> None:
    house.world.arrives_after = 9 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    assert state.waves[0].status is WaveStatus.TIMED_OUT
    assert await run.ended(run.wave_handle("database")) is None
    recorded = house.world.recorded("database")
    assert (recorded.status, recorded.late) == (WaveStatus.COMPLETED, True)
    assert recorded.completion_duration == pytest.approx(9 * HOUR, abs=1)
    assert all(s.launch_status is LaunchStatus.LAUNCHED for s in recorded.servers)
    assert len(house.world.launches) == 1


async def test_a_look_that_answers_late_takes_nothing_back(house: House) -> None:
    house.world.arrives_after = HOUR + 10
    house.world.last_look_lags = 20.0
    run = await house.start(wave("Database", timeout_seconds=HOUR))
    state = await run.end()
    for told in (state.waves[0], house.world.recorded("database")):
        assert told.status is WaveStatus.COMPLETED
        assert all(s.launch_status is LaunchStatus.LAUNCHED for s in told.servers)


async def test_a_job_that_never_ends_is_observed_for_24_hours(house: House) -> None:
    house.world.arrives_after = NEVER
    run = await house.start(wave("Database"))
    state = await run.end()
    assert state.waves[0].status is WaveStatus.TIMED_OUT
    failure = await run.ended(run.wave_handle("database"))
    assert "Database TIMED_OUT" in str(failure)
    assert 24 * HOUR <= await lifetime(run.wave_handle("database")) <= 24 * HOUR + 120
    assert house.world.recorded("database").status is WaveStatus.TIMED_OUT


async def test_a_watch_that_never_works_is_given_up_after_a_day(house: House) -> None:
    house.world.watch_breaks_for = 30 * HOUR
    run = await house.start(wave("Database"))
    assert (await run.end()).waves[0].status is WaveStatus.TIMED_OUT
    await run.ended(run.wave_handle("database"))
    assert await lifetime(run.wave_handle("database")) <= 25 * HOUR + 700


async def test_a_launch_that_is_never_accepted_is_given_up_at_the_plans_deadline(
    house: House,
) -> None:
    house.world.accepts_after = NEVER
    run = await house.start(wave("Database"), wave("App", "Database"), deadline_seconds=2 * HOUR)
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.FAILED
    assert database.start_time is None
    assert database.end_time is not None
    assert database.end_time - state.start_time == pytest.approx(2 * HOUR, abs=900)
    assert house.world.looked_for > 0
    assert house.world.launches == []


async def test_a_launch_given_up_at_the_deadline_says_that_it_was_the_deadline(
    house: House,
) -> None:
    house.world.accepts_after = NEVER
    run = await house.start(wave("Database"), deadline_seconds=2 * HOUR)
    assert "deadline" in (await run.end()).waves[0].status_reason


async def test_servers_of_an_accepted_job_are_watched_while_the_waves_next_job_waits(
    house: House,
) -> None:
    house.world.next_job_after, house.world.next_job_from = 5 * HOUR, 10
    fleet = wave("Fleet")
    fleet.servers.extend(Server(source_server_id=server_id(50_000 + n)) for n in range(120))
    run = await house.start(fleet)
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert len(house.world.launches) == 13
    told = sorted((w for r in house.world.records for w in r.waves), key=lambda w: w.revision)
    first = next(w for w in told if w.launched_count)
    assert first.launched_count == 100
    # A revision is the time of its change, in milliseconds.
    assert first.revision / 1000 - state.start_time < HOUR


async def test_a_launch_given_up_at_the_deadline_is_watched_if_it_got_a_job_all_the_same(
    house: House,
) -> None:
    house.world.accepts_after = NEVER
    house.world.found = True
    run = await house.start(wave("Database"), deadline_seconds=2 * HOUR)
    state = await run.end()
    database = state.waves[0]
    assert database.status is WaveStatus.COMPLETED
    assert all(s.recovery_job_id for s in database.servers)


async def test_the_default_deadline_is_a_day(house: House) -> None:
    house.world.accepts_after = NEVER
    run = await house.start(wave("Database"))
    state = await run.end()
    assert state.status is PlanStatus.FAILED
    assert state.end_time is not None
    assert state.end_time - state.start_time == pytest.approx(24 * HOUR, abs=900)


async def test_a_wave_that_could_start_only_after_the_deadline_launches_nothing(
    house: House,
) -> None:
    house.world.arrives_after = HOUR - 60
    run = await house.start(wave("Database"), wave("App", "Database"), deadline_seconds=0.5 * HOUR)
    state = await run.end()
    assert state.waves[0].status is WaveStatus.COMPLETED
    assert state.waves[1].status is WaveStatus.FAILED
    assert "the plan's deadline had passed" in state.waves[1].status_reason
    assert len(house.world.launches) == 1


async def test_a_history_that_is_never_writable_holds_no_wave_back(real_house: House) -> None:
    house = real_house
    house.world.records_after, house.world.arrives_after = NEVER, 1
    run = await house.start(wave("Database"), wave("App", "Database"), wave("Web", "App"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert house.world.records == []
    database, app, web = state.waves
    assert database.end_time is not None
    assert app.start_time == pytest.approx(database.end_time, abs=60)
    assert web.completion_duration == pytest.approx(1, abs=1)
    assert await run.ended(run.wave_handle("database")) is None


async def test_what_keeps_us_from_seeing_more_is_shown_in_the_wave(house: House) -> None:
    house.world.arrives_after = NEVER
    house.world.look_error = "DRS cannot be asked at present: Rate exceeded"
    run = await house.start(wave("Database"))
    shown = await run.wave_until("database", lambda w: "Rate exceeded" in w.status_reason)
    assert shown.status is WaveStatus.IN_PROGRESS
    assert shown.status_reason.startswith("DRS cannot be asked")
    await run.handle.terminate()
    await run.wave_handle("database").terminate()


async def test_what_a_launch_waits_for_is_shown_in_the_wave(house: House) -> None:
    house.world.accepts_after = NEVER
    run = await house.start(wave("Database"))
    shown = await run.wave_until("database", lambda w: w.status_reason == "Waiting for quota")
    assert shown.status is WaveStatus.WAITING
    assert shown.start_time is None
    await run.handle.terminate()
    await run.wave_handle("database").terminate()
