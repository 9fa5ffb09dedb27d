"""Temporal, the network, AWS and the clock fail workers in mid-plan: nothing is launched twice."""

import asyncio
import signal

import pytest

from client.executions import execution_state
from client.start import start_execution
from recovery.execution.wave import WaveStatus
from sandbox.http.tcp_proxy import NetworkFault, TcpProxy
from tests.end_to_end.conftest import SPEED, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.worker_processes import (
    SLOW_SECONDS,
    assert_launched_once,
    delay_start_recovery,
    process_of,
    start_worker,
    wait_for_delayed_call,
    wait_for_watch,
    wait_until_in_progress,
)

AN_HOUR = 3600.0


async def test_temporal_restarts_during_a_wave(env_with_own_temporal: E2eEnvironment) -> None:
    env = env_with_own_temporal
    slow = env.aws.servers(2, LaunchSeconds=SLOW_SECONDS)
    plan = env.plan(env.wave("Database", servers=slow), env.wave("App", "Database"))
    await start_worker(env, "one")
    execution_id = await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    env.stack.stop_part("temporal", kill=True)
    env.stack.start_temporal()
    assert_launched_once(env, await env.end(plan, execution_id), [plan])


@pytest.mark.slow
async def test_a_disconnected_worker_is_replaced_and_launches_nothing_twice(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    watched = env.plan(
        env.wave("Database", servers=env.aws.servers(1, LaunchSeconds=30 * SPEED)),
        env.wave("App", "Database"),
    )
    asked = env.plan(env.wave("Cache"), env.wave("Web", "Cache"))
    proxy = await TcpProxy(env.stack.temporal_port).start()
    try:
        own = {"TEMPORAL_ADDRESS": f"127.0.0.1:{proxy.port}"}
        await start_worker(env, "cut-off", variables=own)
        first = await start_execution(env.client, watched)
        await wait_until_in_progress(env, watched, "Database")
        delay_start_recovery(env, 2)
        second = await start_execution(env.client, asked)
        await wait_for_delayed_call(env)
        # StartRecovery is answered, but whoever asked cannot tell.
        proxy.interrupt(NetworkFault.BLACKHOLE)
        env.aws.clear_faults()
        await start_worker(env, "other")
        await wait_for_watch(env, first, "database", by="other")
        # Two workers have the same work now, and the first hears of it only when it beats.
        proxy.restore()
        assert_launched_once(env, await env.end(asked, second), [asked])
        assert_launched_once(env, await env.end(watched, first), [watched])
    finally:
        await proxy.stop()


@pytest.mark.slow
async def test_an_hour_of_throttling_delays_a_recovery_and_fails_nothing(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database", servers=2), env.wave("Cache"), env.wave("App", "Database"))
    async with RunningWorkers(env):
        execution_id = await start_execution(env.client, plan)
        await wait_until_in_progress(env, plan, "Database")
        env.aws.apply(Faults=[{"Operation": "*", "Error": "ThrottlingException"}])
        late = env.plan(env.wave("Web"))
        late_id = await start_execution(env.client, late)
        await asyncio.sleep(AN_HOUR / SPEED)
        state = await execution_state(env.client, plan.plan_id)
        assert "DRS cannot be polled now" in wave_of(state, "Database").status_reason
        waiting = await execution_state(env.client, late.plan_id)
        assert "ThrottlingException" in wave_of(waiting, "Web").status_reason
        env.aws.clear_faults()
        assert_launched_once(env, await env.end(plan, execution_id), [plan])
        assert_launched_once(env, await env.end(late, late_id), [late])


@pytest.mark.slow
async def test_a_worker_whose_clock_jumps_launches_once_and_reports_the_correct_status(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    await start_worker(env, "drifting", module="drifting_worker")
    for jump in (signal.SIGUSR1, signal.SIGUSR2):
        env.aws.clear_faults()
        slow = env.aws.servers(1, LaunchSeconds=SLOW_SECONDS)
        good = env.plan(env.wave("Database", servers=slow), env.wave("App", "Database"))
        bad = env.plan(
            env.wave("Cache", servers=env.aws.servers(1, Outcome="failed-late")),
            env.wave("Web", "Cache"),
        )
        first = await start_execution(env.client, good)
        await wait_until_in_progress(env, good, "Database")
        delay_start_recovery(env, 2)
        second = await start_execution(env.client, bad)
        await wait_for_delayed_call(env)
        process_of(env, "drifting").send_signal(jump)
        assert_launched_once(env, await env.end(good, first), [good])
        failed = await env.end(bad, second)
        assert wave_of(failed, "Cache").status is WaveStatus.FAILED
        assert wave_of(failed, "Web").status is WaveStatus.SKIPPED
        assert len(env.aws.accepted_launches(bad.waves[0].server_ids[0])) == 1


@pytest.mark.parametrize(
    "when", ["in-mid-launch", pytest.param("in-mid-watch", marks=pytest.mark.slow)]
)
async def test_a_wave_or_plan_that_an_operator_resets_is_launched_once(
    env_without_worker: E2eEnvironment, when: str
) -> None:
    env = env_without_worker
    wave_reset, plan_reset = (
        env.plan(env.wave("Database"), env.wave("App", "Database")) for _ in range(2)
    )
    async with RunningWorkers(env):
        if when == "in-mid-launch":
            delay_start_recovery(env, 3)
        first = await start_execution(env.client, wave_reset)
        second = await start_execution(env.client, plan_reset)
        if when == "in-mid-launch":
            await wait_for_delayed_call(env)
            await asyncio.sleep(0.5)
        else:
            await wait_until_in_progress(env, wave_reset, "Database")
            await wait_until_in_progress(env, plan_reset, "Database")
        for workflow_id in (f"drs-wave/{first}/database/1", f"drs-plan/{plan_reset.plan_id}"):
            await temporal(
                env, "workflow", "reset", "--workflow-id", workflow_id,
                "--type", "FirstWorkflowTask", "--reason", "test",
            )  # fmt: skip
        assert_launched_once(env, await env.end(wave_reset, first), [wave_reset])
        assert_launched_once(env, await env.end(plan_reset, second), [plan_reset])
