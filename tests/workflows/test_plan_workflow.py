"""The plan's workflow when its surroundings fail it: DynamoDB, its waves, strangers."""

import asyncio

import pytest
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
)

from recovery.execution import PlanStatus, WaveStatus
from recovery.plan import RecoveryPlan
from settings import TASK_QUEUE
from tests.workflows.conftest import House, lifetime, wave
from tests.workflows.stand_ins import HOUR, NEVER
from workflows.client import RecoveryClient
from workflows.messages import StartExecution, plan_workflow_id, wave_workflow_id
from workflows.recovery_plan import RecoveryPlanWorkflow


async def test_a_dynamodb_that_is_away_for_hours_keeps_the_plan_open_until_all_is_recorded(
    house: House,
) -> None:
    house.world.records_after = 5 * HOUR
    run = await house.start(wave("Database"), wave("App", "Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert state.end_time is not None
    assert state.end_time - state.start_time < HOUR
    assert 5 * HOUR <= await lifetime(run.handle) <= 6 * HOUR
    headers = [r.execution for r in house.world.records if r.execution]
    assert headers[-1].status is PlanStatus.COMPLETED
    for wave_id in ("database", "app"):
        recorded = house.world.recorded(wave_id)
        assert recorded.status is WaveStatus.COMPLETED
        assert len(recorded.servers) == 2
    assert any(r.plan == run.plan for r in house.world.records)


async def test_a_dynamodb_that_stays_away_keeps_the_plan_open_for_at_most_a_day(
    house: House,
) -> None:
    house.world.records_after = NEVER
    run = await house.start(wave("Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert 23 * HOUR <= await lifetime(run.handle) <= 24 * HOUR + 700


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
    assert (await RecoveryClient(client).state("crm")).status is PlanStatus.FAILED
    assert real_house.world.launches == []


UNREADABLE: list[list[object]] = [[], [{"Nonsense": [1, None]}], ["nonsense"]]


async def test_signals_that_nobody_can_read_stop_neither_plan_nor_wave(real_house: House) -> None:
    house = real_house
    house.world.arrives_after = 3
    run = await house.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    for handle, names in (
        (run.handle, ["wave_report", "no_such_signal"]),
        (run.wave_handle("database"), ["launch_waits", "watch_news", "no_such_signal"]),
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
    "signal", ["wave_report", "watch_news", "stop_waiting", "launch_waits", "hold"]
)
async def test_a_signal_with_too_many_inputs_wedges_nothing(real_house: House, signal: str) -> None:
    real_house.world.arrives_after = NEVER
    run = await real_house.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    handle = run.handle if signal == "wave_report" else run.wave_handle("database")
    await handle.signal(signal, args=[1, 2, 3])
    async with asyncio.timeout(10):
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
