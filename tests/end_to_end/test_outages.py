"""Temporal, the network, AWS and the clock fail workers in mid-plan: nothing is launched twice."""

import asyncio
import signal

import pytest

from client.executions import execution_state
from client.start import start_execution
from recovery.execution.wave import WaveStatus
from sandbox.http.tcp_proxy import NetworkFault, TcpProxy
from tests.end_to_end.conftest import SPEED, House, serving, wave_of
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.worker_processes import (
    SLOW_SECONDS,
    assert_up_once,
    in_progress,
    is_asked,
    process_of,
    slow_answers,
    until_watched,
    worker,
)

AN_HOUR = 3600.0


async def test_temporal_restarts_in_mid_wave(house_apart: House) -> None:
    house = house_apart
    slow = house.aws.servers(2, LaunchSeconds=SLOW_SECONDS)
    plan = house.plan(house.wave("Database", servers=slow), house.wave("App", "Database"))
    house.stack.start_worker("one")
    execution_id = await start_execution(house.client, plan)
    await in_progress(house, plan, "Database")
    house.stack.stop_part("temporal", kill=True)
    house.stack.start_temporal()
    assert_up_once(house, await house.end(plan, execution_id), [plan])


async def test_a_worker_that_is_cut_off_is_replaced_and_launches_nothing_twice(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    watched = house.plan(
        house.wave("Database", servers=house.aws.servers(1, LaunchSeconds=30 * SPEED)),
        house.wave("App", "Database"),
    )
    asked = house.plan(house.wave("Cache"), house.wave("Web", "Cache"))
    proxy = await TcpProxy(house.stack.temporal_port).start()
    try:
        own = {"TEMPORAL_ADDRESS": f"127.0.0.1:{proxy.port}"}
        house.stack.start_worker("cut-off", variables=own)
        first = await start_execution(house.client, watched)
        await in_progress(house, watched, "Database")
        slow_answers(house, 2)
        second = await start_execution(house.client, asked)
        await is_asked(house)
        # StartRecovery is answered, but whoever asked cannot tell.
        proxy.interrupt(NetworkFault.BLACKHOLE)
        house.aws.clear_faults()
        house.stack.start_worker("other")
        await until_watched(house, first, "database", by="other")
        # Two workers have the same work now, and the first hears of it only when it beats.
        proxy.restore()
        assert_up_once(house, await house.end(asked, second), [asked])
        assert_up_once(house, await house.end(watched, first), [watched])
    finally:
        await proxy.stop()


async def test_an_hour_of_throttling_holds_a_recovery_back_and_fails_nothing(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    plan = house.plan(
        house.wave("Database", servers=2), house.wave("Cache"), house.wave("App", "Database")
    )
    async with serving(house):
        execution_id = await start_execution(house.client, plan)
        await in_progress(house, plan, "Database")
        house.aws.apply(Faults=[{"Operation": "*", "Error": "ThrottlingException"}])
        late = house.plan(house.wave("Web"))
        late_id = await start_execution(house.client, late)
        await asyncio.sleep(AN_HOUR / SPEED)
        state = await execution_state(house.client, plan.plan_id)
        assert "DRS cannot be asked at present" in wave_of(state, "Database").status_reason
        waiting = await execution_state(house.client, late.plan_id)
        assert "ThrottlingException" in wave_of(waiting, "Web").status_reason
        house.aws.clear_faults()
        assert_up_once(house, await house.end(plan, execution_id), [plan])
        assert_up_once(house, await house.end(late, late_id), [late])


async def test_a_worker_whose_clock_jumps_launches_once_and_judges_right(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    worker(house.stack, "drifting_worker").start_worker("drifting")
    for jump in (signal.SIGUSR1, signal.SIGUSR2):
        house.aws.clear_faults()
        slow = house.aws.servers(1, LaunchSeconds=SLOW_SECONDS)
        good = house.plan(house.wave("Database", servers=slow), house.wave("App", "Database"))
        bad = house.plan(
            house.wave("Cache", servers=house.aws.servers(1, Outcome="failed-late")),
            house.wave("Web", "Cache"),
        )
        first = await start_execution(house.client, good)
        await in_progress(house, good, "Database")
        slow_answers(house, 2)
        second = await start_execution(house.client, bad)
        await is_asked(house)
        process_of(house, "drifting").send_signal(jump)
        assert_up_once(house, await house.end(good, first), [good])
        failed = await house.end(bad, second)
        assert wave_of(failed, "Cache").status is WaveStatus.FAILED
        assert wave_of(failed, "Web").status is WaveStatus.SKIPPED
        assert len(house.aws.accepted_launches(bad.waves[0].server_ids[0])) == 1


@pytest.mark.parametrize("when", ["in-mid-launch", "in-mid-watch"])
async def test_a_wave_or_plan_that_an_operator_resets_is_launched_once(
    house_without_worker: House, when: str
) -> None:
    house = house_without_worker
    wave_reset, plan_reset = (
        house.plan(house.wave("Database"), house.wave("App", "Database")) for _ in range(2)
    )
    async with serving(house):
        if when == "in-mid-launch":
            slow_answers(house, 3)
        first = await start_execution(house.client, wave_reset)
        second = await start_execution(house.client, plan_reset)
        if when == "in-mid-launch":
            await is_asked(house)
            await asyncio.sleep(0.5)
        else:
            await in_progress(house, wave_reset, "Database")
            await in_progress(house, plan_reset, "Database")
        for workflow_id in (f"drs-wave/{first}/database/1", f"drs-plan/{plan_reset.plan_id}"):
            await temporal(
                house, "workflow", "reset", "--workflow-id", workflow_id,
                "--type", "FirstWorkflowTask", "--reason", "test",
            )  # fmt: skip
        assert_up_once(house, await house.end(wave_reset, first), [wave_reset])
        assert_up_once(house, await house.end(plan_reset, second), [plan_reset])
