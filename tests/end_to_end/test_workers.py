"""Workers are stopped, deployed again and versioned during a plan: nothing is lost."""

import signal

import pytest

from client.start import start_execution
from client.workers import idle_reason
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.worker_processes import (
    SLOW_SECONDS,
    assert_launched_once,
    delay_start_recovery,
    process_of,
    start_worker,
    stop_worker,
    wait_for_delayed_call,
    wait_for_watch,
    wait_until_in_progress,
)


async def test_a_worker_that_gets_sigterm_during_a_launch_keeps_its_job(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database"))
    await start_worker(env, "one")
    delay_start_recovery(env, 4)
    execution_id = await start_execution(env.client, plan)
    await wait_for_delayed_call(env)
    env.stack.start_worker("two")
    assert await stop_worker(env, "one") == 0
    assert_launched_once(env, await env.end(plan, execution_id), [plan])


async def test_a_worker_without_temporal_ends_at_the_second_stop_signal(
    env_with_own_temporal: E2eEnvironment,
) -> None:
    env = env_with_own_temporal
    plan = env.plan(env.wave("Database", servers=env.aws.servers(1, LaunchSeconds=50_000)))
    await start_worker(env, "one")
    await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    process_of(env, "temporal").suspend()
    one = process_of(env, "one")
    one.send_signal(signal.SIGTERM)
    log = env.stack.folder / "one.log"

    async def is_shutting_down() -> bool:
        return "worker shuts down" in log.read_text()

    await env.eventually(is_shutting_down)
    assert await stop_worker(env, "one", signal.SIGINT) == 0
    assert "Traceback" not in log.read_text()
    process_of(env, "temporal").resume()


@pytest.mark.slow
async def test_a_rolling_deploy_and_its_rollback_during_a_plan_change_nothing(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    first = env.aws.servers(2, LaunchSeconds=2 * SLOW_SECONDS)
    second = env.aws.servers(1, LaunchSeconds=SLOW_SECONDS)
    plan = env.plan(
        env.wave("Database", servers=first),
        env.wave("App", "Database", servers=second),
        env.wave("Web", "App"),
    )
    await start_worker(env, "old")
    execution_id = await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    await start_worker(env, "new", module="newer_worker")
    assert await stop_worker(env, "old") == 0
    # After a missed heartbeat instead, the wave would be up before another worker watched it.
    assert await wait_for_watch(env, execution_id, "database", by="new") == 2
    await wait_until_in_progress(env, plan, "App")
    await start_worker(env, "rolled-back")
    assert await stop_worker(env, "new") == 0
    assert_launched_once(env, await env.end(plan, execution_id), [plan])
    assert "Traceback" not in (env.stack.folder / "old.log").read_text()


@pytest.mark.slow
async def test_versioned_workers_log_what_is_missing_and_keep_their_executions(
    env_with_own_temporal: E2eEnvironment,
) -> None:
    env = env_with_own_temporal

    def started(build_id: str) -> None:
        own = {"DRS_WAVES_DEPLOYMENT_NAME": "drs", "DRS_WAVES_BUILD_ID": build_id}
        env.stack.start_worker(build_id, variables=own)

    async def logged(build_id: str, what: str) -> str:
        log = env.stack.folder / f"{build_id}.log"

        async def is_logged() -> bool:
            return any(what in line for line in log.read_text().splitlines())

        await env.eventually(is_logged)
        return next(line for line in log.read_text().splitlines() if what in line)

    async def make_current(build_id: str) -> None:
        line = await logged(build_id, "temporal worker deployment set-current-version")
        await temporal(env, *line[line.index("temporal worker") :].split()[1:])

    async def version_of(plan: RecoveryPlan) -> str:
        handle = env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
        info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
        return str(info.deployment_version.build_id)

    started("1.0")
    first = env.plan(
        env.wave("Database", servers=env.aws.servers(1, LaunchSeconds=SLOW_SECONDS)),
        env.wave("App", "Database"),
    )
    first_id = await start_execution(env.client, first)
    await logged("1.0", "Nothing will start: deployment drs has no current version")

    async def is_explained() -> bool:
        return "--build-id 1.0 --yes" in str(await idle_reason(env.client))

    await env.eventually(is_explained)
    await make_current("1.0")
    await logged("1.0", "Build 1.0 of deployment drs is current")
    await wait_until_in_progress(env, first, "Database")
    assert await idle_reason(env.client) is None
    started("2.0")
    await make_current("2.0")
    await logged("1.0", "Build 2.0 of deployment drs is current")
    second = env.plan(env.wave("Database"))
    second_id = await start_execution(env.client, second)
    assert_launched_once(env, await env.end(second, second_id), [second])
    assert_launched_once(env, await env.end(first, first_id), [first])
    assert (await version_of(first), await version_of(second)) == ("1.0", "2.0")
