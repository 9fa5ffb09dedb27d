import asyncio
import pytest
from temporalio.exceptions import ApplicationError
from temporalio import activity, workflow
from datetime import timedelta
from recovery.execution import *
from tests.workflows.conftest import *
from tests.workflows.conftest import wave
from tests.workflows.stand_ins import *


@pytest.mark.parametrize(
    "name,n", [("wave_report", 3), ("no_such_signal", 3), ("pause", 3), ("cancel_wave", 3)]
)
async def test_plan_three_args(real_house, name, n):
    real_house.world.arrives_after = NEVER
    run = await real_house.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    await run.handle.signal(name, args=[1, 2, 3][:n])
    async with asyncio.timeout(5):
        await run.state()


@pytest.mark.parametrize(
    "name,args",
    [
        ("watch_news", [1, 2, 3]),
        ("hold", ["x"]),
        ("go_on", [{}]),
        ("plan_ended", [1]),
        ("superseded", ["x"]),
        ("stop_waiting", [1, 2]),
    ],
)
async def test_wave_args(real_house, name, args):
    real_house.world.arrives_after = NEVER
    run = await real_house.start(wave("Database"))
    await run.wave_until("database", lambda w: w.status is WaveStatus.IN_PROGRESS)
    await run.wave_handle("database").signal(name, args=args)
    async with asyncio.timeout(5):
        await run.wave("database")


async def test_watch_that_always_breaks_ends_after_a_day(house):
    house.world.watch_breaks = True
    run = await house.start(wave("Database"))
    await run.end()
    env = house.environment
    await env.sleep(40 * 3600)
    d = await run.wave_handle("database").describe()
    assert d.status.name != "RUNNING"


async def test_late_after_close_while_recording(house):
    house.world.arrives_after = 3 * HOUR
    house.world.records_after = 10 * HOUR
    run = await house.start(wave("Database", timeout_seconds=HOUR), wave("App", "Database"))
    state = await run.end()
    print(state.status, [(w.wave_name, w.status, w.status_reason) for w in state.waves])
    rec = house.world.recorded("app")
    print("recorded", rec.status, rec.status_reason)
    assert state.waves[1].status is WaveStatus.SKIPPED


async def test_deadline_reason(house):
    house.world.accepts_after = NEVER
    run = await house.start(wave("Database"), deadline_seconds=2 * HOUR)
    state = await run.end()
    assert "deadline" in state.waves[0].status_reason


async def test_attach_to_wave_that_was_terminated(real_house):
    from workflows.client import RecoveryClient
    from workflows.messages import StartExecution

    house = real_house
    w = wave("Database")
    plan = RecoveryPlan(plan_id="p1", region="us-west-2", waves=[w])
    # a terminated workflow under the wave's ID, as a reset would find it
    h = await house.environment.client.start_workflow(
        "WaveWorkflow", {}, id="drs-wave/p1-x/database/1", task_queue="nobody"
    )
    await h.terminate()

    async def look(workflow_id):
        return WaveState(
            wave_id="database",
            wave_name="Database",
            status=WaveStatus.WAITING,
            attempt=1,
            revision=5,
            servers=[],
        )

    house.world.LOOK = look
    await house.environment.client.start_workflow(
        RecoveryPlanWorkflow.run,
        StartExecution(execution_id="p1-x", plan=plan),
        id="drs-plan/p1",
        task_queue=TASK_QUEUE,
    )
    h = house.environment.client.get_workflow_handle("drs-plan/p1")
    async with asyncio.timeout(8):
        try:
            await h.result()
        except WorkflowFailureError as e:
            print("FAILED WITH", e.cause)
    st = await RecoveryClient(house.environment.client).state("p1")
    print([(w.status, w.status_reason) for w in st.waves], st.status)
    assert st.status is PlanStatus.FAILED


async def test_cancel_while_recording(house):
    house.world.records_after = NEVER
    house.world.arrives_after = 0
    run = await house.start(wave("Database"))
    async with asyncio.timeout(20):
        while (await run.state()).status is PlanStatus.IN_PROGRESS:
            await asyncio.sleep(0.1)
    await run.handle.cancel()
    st = await run.end()
    d = await run.handle.describe()
    print(d.status, st.status)
    assert d.status.name == "COMPLETED"
