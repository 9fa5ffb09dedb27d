"""The plan's workflow when its surroundings fail it: DynamoDB, its waves, strangers."""

from collections import Counter
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from client.start import start_execution
from contract.execution import Takeover
from contract.failures import FailureType
from contract.launch import LaunchRequest, LaunchResult
from recovery.execution.server import LaunchStatus, OperatingSystem, ServerResult, Verified
from recovery.execution.state import PlanStatus, RefusalCode
from recovery.execution.wave import WaveStatus
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import EARLIEST_SERVER_SECONDS
from recovery.plan.limits import EVENTS_PER_ATTEMPT, EVENTS_PER_PLAN, REPORTS_PER_ATTEMPT
from recovery.plan.model import RecoveryPlan, Server
from tests.recovery.plans import server_id
from tests.workflows.conftest import (
    FakedEnvironment,
    Run,
    assert_no_task_failed,
    lifetime,
    reset,
    serving,
    wave,
)
from tests.workflows.fake_activities import HOUR, NEVER
from workflows.plan.workflow import RECORD_TIMEOUT_SECONDS

_LONG_REASON = "CONVERSION_FAIL: " + "An error occurred (UnauthorizedOperation). " * 20
_MOST_SERVERS = 500


async def test_a_dynamodb_that_is_unavailable_for_hours_delays_neither_a_launch_nor_the_plan(
    env: FakedEnvironment,
) -> None:
    env.fakes.recorded_after = 5 * HOUR
    run = await env.start(wave("Database"), wave("App", "Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert state.end_time is not None
    assert state.end_time - state.start_time < HOUR
    closed_after = await lifetime(run.handle) - (state.end_time - state.start_time)
    assert RECORD_TIMEOUT_SECONDS - 1 <= closed_after < 0.5 * HOUR
    assert env.fakes.records == []
    assert await run.ended(run.repair_handle) is None
    (repaired,) = env.fakes.repairs
    assert repaired.execution_id == run.execution_id
    assert repaired.workflow_id == run.handle.id
    assert repaired.run_id == (await run.handle.describe()).run_id


async def test_what_dynamodb_takes_in_time_is_written_by_the_plan_itself(
    env: FakedEnvironment,
) -> None:
    env.fakes.recorded_after = 0.2 * HOUR
    run = await env.start(wave("Database"), wave("App", "Database"))
    assert (await run.end()).status is PlanStatus.COMPLETED
    headers = [r.execution for r in env.fakes.records if r.execution]
    assert headers[-1].status is PlanStatus.COMPLETED
    for wave_id in ("database", "app"):
        recorded = env.fakes.recorded(wave_id)
        assert recorded.status is WaveStatus.COMPLETED
        assert len(recorded.servers) == 2
    assert any(r.plan == run.plan for r in env.fakes.records)
    assert env.fakes.repairs == []


async def test_writes_to_an_unavailable_dynamodb_are_retried_for_at_most_a_day(
    env: FakedEnvironment,
) -> None:
    env.fakes.recorded_after = NEVER
    run = await env.start(wave("Database"))
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert await run.ended(run.repair_handle) is not None
    assert 23 * HOUR <= await lifetime(run.repair_handle) <= 24 * HOUR + 700


async def test_a_history_that_cannot_be_repaired_names_the_items_and_the_command(
    env: FakedEnvironment,
) -> None:
    env.fakes.recorded_after, env.fakes.cannot_repair = HOUR, ["WAVE#database"]
    run = await env.start(wave("Database"))
    await run.end()
    failure = str(await run.ended(run.repair_handle))
    assert "WAVE#database" in failure
    assert f"drs-waves history verify {run.execution_id}" in failure


async def test_the_plan_can_be_started_again_while_its_history_is_still_being_written(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.recorded_after, env.fakes.launched_after = NEVER, 0
    run = await env.start(wave("Database"))
    await run.until(lambda s: s.status is PlanStatus.COMPLETED)
    # Which waits less long for its history.
    await run.handle.cancel()
    await run.end()
    second = await start_execution(run.client, run.plan)
    assert second != run.execution_id
    repair = await run.repair_handle.describe()
    assert repair.status is WorkflowExecutionStatus.RUNNING


async def test_the_workers_warnings_are_in_the_state_and_in_the_history(
    env: FakedEnvironment,
) -> None:
    shown = "The history is in us-east-1, a Region this plan recovers from"
    env.fakes.warnings = [shown]
    run = await env.start(wave("Database"))
    assert (await run.end()).warnings == [shown]
    headers = [r.execution for r in env.fakes.records if r.execution]
    assert headers[-1].warnings == [shown]


async def test_a_wave_that_completes_after_the_plans_end_reopens_nothing(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 3 * HOUR
    env.fakes.recorded_after = 10 * HOUR
    run = await env.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    assert state.status is PlanStatus.FAILED
    assert state.waves[1].status is WaveStatus.SKIPPED
    assert len(env.fakes.launches) == 1


async def test_cancelling_a_plan_that_only_records_changes_no_outcome(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.recorded_after, env.fakes.launched_after = NEVER, 0
    run = await env.start(wave("Database"))
    await run.until(lambda s: s.status is not PlanStatus.IN_PROGRESS)
    await run.handle.cancel()
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    repair = await run.repair_handle.describe()
    assert repair.status is WorkflowExecutionStatus.RUNNING


async def test_a_wave_whose_workflow_is_terminated_fails_with_the_reason(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = NEVER
    run = await env.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    await run.wave_handle("database").terminate(reason="by mistake")
    state = await run.end()
    database, app = state.waves
    assert database.status is WaveStatus.FAILED
    assert "ended without a result" in database.status_reason
    assert "check its jobs in DRS" in database.status_reason
    assert app.status is WaveStatus.SKIPPED
    assert app.status_reason == "Skipped because Database FAILED"
    assert state.status is PlanStatus.FAILED
    assert env.fakes.recorded("database").status is WaveStatus.FAILED


@pytest.mark.parametrize("confirmation", [None, "another-plan"])
async def test_an_unconfirmed_relaunch_launches_nothing(
    env: FakedEnvironment, confirmation: str | None
) -> None:
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave("Database")])
    servers = list(plan.waves[0].server_ids)
    execution_id = await start_execution(
        env.environment.client, plan, relaunch=servers, confirmation=confirmation
    )
    run = Run(env.environment, plan, execution_id)
    refused = await run.ended(run.handle)
    assert isinstance(refused, ApplicationError)
    assert refused.type == FailureType.PLAN_REFUSED
    assert env.fakes.launches == []


async def test_a_plan_that_attaches_to_a_terminated_wave_ends(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.launched_after = HOUR
    run = await env_on_real_server.start(wave("Database"))
    await run.wave_until("database", lambda w: w.start_time)
    await run.wave_handle("database").terminate()
    await run.ended(run.handle)
    await reset(run.handle)
    await run.ended(run.handle)
    assert (await run.state()).status is PlanStatus.FAILED
    assert len(env_on_real_server.fakes.launches) == 1


UNREADABLE: list[list[object]] = [[], [{"Nonsense": [1, None]}], ["nonsense"]]


async def test_malformed_signals_stop_neither_plan_nor_wave(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = NEVER
    run = await env.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    for handle, names in (
        (run.handle, ["wave_report", "no_such_signal"]),
        (run.wave_handle("database"), ["launch_waiting", "servers_changed", "no_such_signal"]),
    ):
        for name in names:
            for args in UNREADABLE:
                await handle.signal(name, args=args)
    with pytest.raises(WorkflowQueryFailedError):
        await run.handle.query("no_such_query")
    assert (await run.state()).status is PlanStatus.IN_PROGRESS
    await env.fakes.launch_all_now()
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert len(env.fakes.launches) == 1


@pytest.mark.parametrize(
    "signal", ["wave_report", "servers_changed", "stop", "launch_waiting", "pause"]
)
async def test_a_signal_with_too_many_inputs_fails_no_workflow_task(
    env_on_real_server: FakedEnvironment, signal: str
) -> None:
    env_on_real_server.fakes.launched_after = NEVER
    run = await env_on_real_server.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    handle = run.handle if signal == "wave_report" else run.wave_handle("database")
    await handle.signal(signal, args=[1, 2, 3])
    await run.state()
    await run.wave("database")


async def test_a_message_that_cannot_be_decoded_is_rejected_and_recorded(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.launched_after = NEVER
    run = await env_on_real_server.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    for encoding in (b"unknown", b"json/plain", b"json/protobuf"):
        payload = Payload(metadata={"encoding": encoding}, data=b"{" + encoding)
        await run.handle.signal("pause", RawValue(payload))
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await run.handle.execute_update("pause", RawValue(payload))
        assert "the input of pause must be an object" in str(rejected.value.cause)
    await run.handle.signal("no_such_message", RawValue(payload))
    state = await run.state()
    assert state.status is PlanStatus.IN_PROGRESS
    assert sum(1 + m.repeats for m in state.messages if m.name == "pause") >= 3
    assert {m.refusal for m in state.messages} == {
        RefusalCode.MALFORMED,
        RefusalCode.UNKNOWN_MESSAGE,
    }


async def test_a_report_of_another_execution_changes_nothing(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = NEVER
    run = await env.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    shown = await run.wave("database")
    forged = shown.model_copy(
        update={"status": WaveStatus.COMPLETED, "revision": shown.revision + 10**9}
    )
    await run.handle.signal("wave_report", {"ExecutionId": "another", "Wave": forged})
    state = await run.state()
    assert state.waves[0].status is not WaveStatus.COMPLETED
    assert state.waves[1].status is WaveStatus.WAITING


async def test_waves_of_windows_servers_are_expected_to_take_longer_and_say_why(
    env: FakedEnvironment,
) -> None:
    windows = wave("Database")
    env.fakes.systems = dict.fromkeys(windows.server_ids, OperatingSystem.WINDOWS)
    run = await env.start(windows, wave("App", "Database"))
    await run.end()
    database, app = env.fakes.recorded("database"), env.fakes.recorded("app")
    assert database.expected_seconds == 1200
    assert database.operating_systems == env.fakes.systems
    assert (app.expected_seconds, app.operating_systems) == (None, {})


async def test_only_a_servers_own_duration_makes_its_polls_rarer(
    env: FakedEnvironment,
) -> None:
    windows, known = wave("Database"), wave("App")
    env.fakes.systems = dict.fromkeys(windows.server_ids, OperatingSystem.WINDOWS)
    took = dict.fromkeys(known.server_ids, 900.0)
    run = await env.start(windows, known, learned=LearnedDurations(servers=took))
    await run.end()
    for each, soonest in ((windows, EARLIEST_SERVER_SECONDS), (known, 900.0)):
        start_time = env.fakes.recorded(each.wave_id).start_time
        assert start_time is not None
        quiet = env.fakes.slow_poll_until[each.server_ids[0]] - start_time
        assert quiet == pytest.approx(0.6 * soonest, abs=0.1)


@pytest.mark.slow
async def test_four_thousand_failed_servers_can_be_read(
    env_on_real_server: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = env_on_real_server.fakes
    accepted = fakes._accepted

    def failed(request: LaunchRequest, now: float, job_id: str) -> LaunchResult:
        result = accepted(request, now, job_id)
        fakes._arrivals[job_id] = now
        servers = [each.failed(_LONG_REASON, at=now) for each in result.servers]
        return result.model_copy(update={"servers": servers})

    monkeypatch.setattr(fakes, "_accepted", failed)
    waves = [wave(f"Wave{number}") for number in range(8)]
    for number, each in enumerate(waves):
        first = number * _MOST_SERVERS
        each.servers = [Server(source_server_id=server_id(first + n)) for n in range(_MOST_SERVERS)]
    run = await env_on_real_server.start(*waves)
    await run.ended(run.handle)
    state = await run.state()
    assert {each.status for each in state.waves} == {WaveStatus.FAILED}
    servers = [server for each in state.waves for server in each.servers]
    assert len(servers) == 8 * _MOST_SERVERS
    assert all("UnauthorizedOperation" in str(each.reason) for each in servers)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("skip_wave", {"wave": "no-such-wave", "actor": "ops"}),
        ("resume", {"actor": "ops"}),
        ("skip_wave", {"wave": 7}),
        ("no_such_message", {"actor": "ops"}),
    ],
)
async def test_an_update_that_is_rejected_is_none_of_the_two_thousand(
    temporal_env: WorkflowEnvironment, name: str, message: dict[str, Any]
) -> None:
    # Ours rejects none after a task without commands.
    async with serving(temporal_env, SandboxedWorkflowRunner()) as env:
        env.fakes.launched_after = HOUR
        run = await env.start(wave("Database"))
        await run.wave_until("database", lambda w: w.start_time)
        with pytest.raises(WorkflowUpdateFailedError):
            await run.handle.execute_update(name, message)
        kinds = [event.event_type async for event in run.handle.fetch_history_events()]
        assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED not in kinds
        assert (await run.state()).messages == []
        await run.handle.terminate()


async def test_a_chain_costs_no_more_events_and_reports_than_validate_counts(
    env: FakedEnvironment,
) -> None:
    waves = [wave("W0"), *(wave(f"W{n}", f"W{n - 1}") for n in range(1, 6))]
    run = await env.start(*waves)
    await run.end()
    kinds = Counter([e.event_type async for e in run.handle.fetch_history_events()])
    assert kinds.total() <= EVENTS_PER_PLAN + EVENTS_PER_ATTEMPT * len(waves)
    reports = kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED]
    assert reports <= REPORTS_PER_ATTEMPT * len(waves)
    # The formula is not far off either.
    assert kinds.total() > EVENTS_PER_ATTEMPT * len(waves) / 2


async def test_a_flood_that_came_while_no_worker_ran_is_handled_and_the_plan_goes_on(
    temporal_env: WorkflowEnvironment,
) -> None:
    waves = [wave(f"Application-{number:03}") for number in range(200)]
    for each in waves[1:]:
        each.approval_required = True
    plan = RecoveryPlan(plan_id="flooded", region="us-west-2", waves=waves)
    execution_id = await start_execution(temporal_env.client, plan)
    run = Run(temporal_env, plan, execution_id)
    for number in range(300):
        await run.handle.signal("skip_wave", {"wave": f"aplication-{number:03}x"})
    await run.handle.signal("pause", {"actor": "ops"})
    async with serving(temporal_env):
        state = await run.until(lambda s: s.status is PlanStatus.PAUSED)
        assert sum(1 + each.repeats for each in state.messages) == 301
        assert len(state.messages) < 210
        await assert_no_task_failed(run.handle)
        await run.handle.terminate()


async def test_an_execution_ends_by_itself_before_temporal_takes_no_more_signals(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recovery.plan.limits.MAX_SIGNALS", 30)
    env.fakes.launched_after = NEVER
    run = await env.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.start_time)
    for _ in range(24):
        await run.handle.signal("resume", {"actor": "a script"})
    assert "Stop what sends messages" in str((await run.state()).warnings)
    for _ in range(6):
        await run.handle.signal("resume", {"actor": "a script"})
    ended = await run.ended(run.handle)
    assert "CANCELLED" in str(ended)
    state = await run.state()
    assert state.status is PlanStatus.CANCELLED
    assert all("run --from" in each.status_reason for each in state.waves)
    await run.wave_handle("database").terminate()


async def taken_over(env: FakedEnvironment) -> Run:
    """A run that takes over an execution whose first server is up."""
    a_wave = wave("Database")
    up = ServerResult(
        source_server_id=a_wave.server_ids[0],
        launch_status=LaunchStatus.LAUNCHED,
        verified=Verified.YES,
        recovery_job_id="drsjob-1",
    )
    env.fakes.launched_before = [up]
    plan = RecoveryPlan(plan_id="taken-over", region="us-west-2", waves=[a_wave])
    takeover = Takeover(execution_id="taken-over-1", since=0.0)
    execution_id = await start_execution(env.environment.client, plan, takeover=takeover)
    return Run(env.environment, plan, execution_id)


async def test_the_servers_of_an_earlier_execution_are_read_from_the_history(
    env: FakedEnvironment,
) -> None:
    run = await taken_over(env)
    assert (await run.end()).status is PlanStatus.COMPLETED
    (launch,) = env.fakes.launches
    assert launch.server_ids == (run.plan.waves[0].server_ids[1],)


async def test_a_wave_whose_review_is_refused_says_why(env: FakedEnvironment) -> None:
    env.fakes.review_refused = "us-west-2 is not on the worker's allow-list"
    state = await (await taken_over(env)).end()
    assert state.status is PlanStatus.FAILED
    assert "could not be reviewed: us-west-2 is not on" in state.waves[0].status_reason
    assert env.fakes.launches == []
