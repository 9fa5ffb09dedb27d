"""The plan's workflow when its surroundings fail it: DynamoDB, its waves, strangers."""

import asyncio

import pytest
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError

from client.executions import execution_state
from client.start import start_execution
from contract.execution import StartExecution
from contract.failures import FailureType
from contract.identifiers import plan_workflow_id, wave_workflow_id
from contract.task_queues import TASK_QUEUE
from recovery.execution.server import OperatingSystem
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import EARLIEST_SERVER_SECONDS
from recovery.plan.model import RecoveryPlan
from tests.workflows.conftest import House, Run, lifetime, wave
from tests.workflows.stand_ins import HOUR, NEVER
from workflows.plan.workflow import RECORD_PATIENCE_SECONDS, RecoveryPlanWorkflow


async def test_a_dynamodb_that_is_away_for_hours_holds_neither_a_launch_nor_the_plan(
    house: House,
) -> None:
    house.world.records_after = 5 * HOUR
    run = await house.start(wave("Database"), wave("App", "Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert state.end_time is not None
    assert state.end_time - state.start_time < HOUR
    closed_after = await lifetime(run.handle) - (state.end_time - state.start_time)
    assert RECORD_PATIENCE_SECONDS - 1 <= closed_after < 0.5 * HOUR
    assert house.world.records == []
    assert await run.ended(run.repair_handle) is None
    (repaired,) = house.world.repairs
    assert repaired.execution_id == run.execution_id
    assert repaired.workflow_id == run.handle.id
    assert repaired.run_id == (await run.handle.describe()).run_id


async def test_what_dynamodb_takes_in_time_is_written_by_the_plan_itself(house: House) -> None:
    house.world.records_after = 0.2 * HOUR
    run = await house.start(wave("Database"), wave("App", "Database"))
    assert (await run.end()).status is PlanStatus.COMPLETED
    headers = [r.execution for r in house.world.records if r.execution]
    assert headers[-1].status is PlanStatus.COMPLETED
    for wave_id in ("database", "app"):
        recorded = house.world.recorded(wave_id)
        assert recorded.status is WaveStatus.COMPLETED
        assert len(recorded.servers) == 2
    assert any(r.plan == run.plan for r in house.world.records)
    assert house.world.repairs == []


async def test_a_dynamodb_that_stays_away_is_written_to_for_at_most_a_day(house: House) -> None:
    house.world.records_after = NEVER
    run = await house.start(wave("Database"))
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert await run.ended(run.repair_handle) is not None
    assert 23 * HOUR <= await lifetime(run.repair_handle) <= 24 * HOUR + 700


async def test_a_history_that_cannot_be_repaired_names_the_items_and_where_to_look(
    house: House,
) -> None:
    house.world.records_after, house.world.cannot_repair = HOUR, ["WAVE#database"]
    run = await house.start(wave("Database"))
    await run.end()
    failure = str(await run.ended(run.repair_handle))
    assert "WAVE#database" in failure
    assert f"drs-waves history verify {run.execution_id}" in failure


async def test_the_plan_can_be_started_anew_while_its_history_is_still_being_written(
    real_house: House,
) -> None:
    house = real_house
    house.world.records_after, house.world.arrives_after = NEVER, 0
    run = await house.start(wave("Database"))
    await run.end()
    second = await start_execution(run.client, run.plan)
    assert second != run.execution_id
    repair = await run.repair_handle.describe()
    assert repair.status is WorkflowExecutionStatus.RUNNING


async def test_what_the_worker_warns_of_is_in_the_state_and_in_the_history(house: House) -> None:
    told = "The history is in us-east-1, a Region this plan recovers from"
    house.world.warnings = [told]
    run = await house.start(wave("Database"))
    assert (await run.end()).warnings == [told]
    headers = [r.execution for r in house.world.records if r.execution]
    assert headers[-1].warnings == [told]


async def test_a_wave_that_arrives_once_the_plan_is_over_opens_nothing_again(
    house: House,
) -> None:
    house.world.arrives_after = 3 * HOUR
    house.world.records_after = 10 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    assert state.status is PlanStatus.FAILED
    assert state.waves[1].status is WaveStatus.SKIPPED
    assert len(house.world.launches) == 1


async def test_cancelling_a_plan_that_is_over_but_for_its_recording_changes_no_outcome(
    real_house: House,
) -> None:
    house = real_house
    house.world.records_after, house.world.arrives_after = NEVER, 0
    run = await house.start(wave("Database"))
    async with asyncio.timeout(20):
        while (await run.state()).status is PlanStatus.IN_PROGRESS:
            await asyncio.sleep(0.05)
    await run.handle.cancel()
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    repair = await run.repair_handle.describe()
    assert repair.status is WorkflowExecutionStatus.RUNNING


async def test_a_wave_whose_workflow_is_terminated_fails_with_the_reason(
    real_house: House,
) -> None:
    house = real_house
    house.world.arrives_after = NEVER
    run = await house.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    await run.wave_handle("database").terminate(reason="by mistake")
    state = await run.end()
    database, app = state.waves
    assert database.status is WaveStatus.FAILED
    assert "ended abnormally" in database.status_reason
    assert "look at its jobs in DRS" in database.status_reason
    assert app.status is WaveStatus.SKIPPED
    assert app.status_reason == "Skipped because Database FAILED"
    assert state.status is PlanStatus.FAILED
    assert house.world.recorded("database").status is WaveStatus.FAILED


@pytest.mark.parametrize("confirmation", [None, "another-plan"])
async def test_a_relaunch_that_nobody_confirmed_launches_nothing(
    house: House, confirmation: str | None
) -> None:
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave("Database")])
    servers = list(plan.waves[0].server_ids)
    execution_id = await start_execution(
        house.environment.client, plan, relaunch=servers, confirmation=confirmation
    )
    run = Run(house.environment, plan, execution_id)
    refused = await run.ended(run.handle)
    assert isinstance(refused, ApplicationError)
    assert refused.type == FailureType.PLAN_REFUSED
    assert house.world.launches == []


async def test_a_plan_that_attaches_to_a_terminated_wave_ends(real_house: House) -> None:
    """As after a reset: the wave's workflow ID is used up by a workflow that was terminated."""
    client = real_house.environment.client
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave("Database")])
    taken = await client.start_workflow(
        "WaveWorkflow", {}, id=wave_workflow_id("crm-1", "database", 1), task_queue="nobody"
    )
    await taken.terminate()
    handle = await client.start_workflow(
        RecoveryPlanWorkflow.run,
        StartExecution(execution_id="crm-1", plan=plan),
        id=plan_workflow_id("crm"),
        task_queue=TASK_QUEUE,
    )
    async with asyncio.timeout(20):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (await execution_state(client, "crm")).status is PlanStatus.FAILED
    assert real_house.world.launches == []


UNREADABLE: list[list[object]] = [[], [{"Nonsense": [1, None]}], ["nonsense"]]


async def test_signals_that_nobody_can_read_stop_neither_plan_nor_wave(real_house: House) -> None:
    house = real_house
    house.world.arrives_after = 3
    run = await house.start(wave("Database"))
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
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert len(house.world.launches) == 1


@pytest.mark.parametrize(
    "signal", ["wave_report", "servers_changed", "stop", "launch_waiting", "pause"]
)
async def test_a_signal_with_too_many_inputs_wedges_nothing(real_house: House, signal: str) -> None:
    real_house.world.arrives_after = NEVER
    run = await real_house.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    handle = run.handle if signal == "wave_report" else run.wave_handle("database")
    await handle.signal(signal, args=[1, 2, 3])
    async with asyncio.timeout(60):
        await run.state()
        await run.wave("database")


async def test_a_report_in_another_executions_name_changes_nothing(real_house: House) -> None:
    house = real_house
    house.world.arrives_after = NEVER
    run = await house.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    told = await run.wave("database")
    lie = told.model_copy(
        update={"status": WaveStatus.COMPLETED, "revision": told.revision + 10**9}
    )
    await run.handle.signal("wave_report", {"ExecutionId": "another", "Wave": lie})
    state = await run.state()
    assert state.waves[0].status is not WaveStatus.COMPLETED
    assert state.waves[1].status is WaveStatus.WAITING


async def test_waves_of_windows_servers_are_expected_to_take_longer_and_say_why(
    house: House,
) -> None:
    windows = wave("Database")
    house.world.systems = dict.fromkeys(windows.server_ids, OperatingSystem.WINDOWS)
    run = await house.start(windows, wave("App", "Database"))
    await run.end()
    database, app = house.world.recorded("database"), house.world.recorded("app")
    assert database.expected_seconds == 1200
    assert database.operating_systems == house.world.systems
    assert (app.expected_seconds, app.operating_systems) == (None, {})


async def test_only_what_a_server_itself_took_makes_looks_at_it_rarer_for_longer(
    house: House,
) -> None:
    windows, known = wave("Database"), wave("App")
    house.world.systems = dict.fromkeys(windows.server_ids, OperatingSystem.WINDOWS)
    took = dict.fromkeys(known.server_ids, 900.0)
    run = await house.start(windows, known, learned=LearnedDurations(servers=took))
    await run.end()
    for each, soonest in ((windows, EARLIEST_SERVER_SECONDS), (known, 900.0)):
        start_time = house.world.recorded(each.wave_id).start_time
        assert start_time is not None
        quiet = house.world.quiet_until[each.server_ids[0]] - start_time
        assert quiet == pytest.approx(0.6 * soonest)
