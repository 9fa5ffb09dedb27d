"""Isolated drills on a real Temporal: never in production, everything restored, recoveries never
in the drill's network, whatever becomes of workers and workflows."""

import asyncio
import signal
from typing import Any

import boto3
import pytest

from client.cleanup import start_cleanup
from client.launch_settings.settings import apply_state, start_apply
from client.start import start_execution
from contract.cleanup import StartCleanup
from contract.identifiers import launcher_workflow_id
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.server import Verified
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.launch_settings.isolation import isolation_lines
from recovery.launch_settings.model import LaunchSettings
from recovery.launch_settings.report import ApplyStatus
from recovery.plan.model import RecoveryPlan
from sandbox.ec2.network_ids import DRILL as DRILL_NETWORK
from sandbox.ec2.network_ids import PRODUCTION
from tests.end_to_end.conftest import RECOVERY as REAL
from tests.end_to_end.conftest import REGION, SPEED, E2eEnvironment, wave_of
from tests.end_to_end.test_signed_requests import (
    Keys,
    keys,
    sent_to_temporal,
    signed_start,
    strict,
)
from tests.end_to_end.worker_processes import (
    delay_start_recovery,
    start_worker,
    stop_worker,
    wait_for_delayed_call,
    wait_until_in_progress,
)

__all__ = ["keys", "strict"]

DRILL_SUBNET, PRODUCTION_SUBNET = DRILL_NETWORK.subnet_ids[0], PRODUCTION.subnet_ids[0]
# Time enough for something to happen in the lease.
SLOW = {"LaunchSeconds": 12 * SPEED}


def isolated(env: E2eEnvironment, *waves: Any, **settings: Any) -> RecoveryPlan:
    """A plan whose drills isolate all servers."""
    wanted = LaunchSettings(
        subnet_id=DRILL_SUBNET,
        security_group_ids=[DRILL_NETWORK.security_group_id],
        post_launch_enabled=False,
        **settings,
    )
    return env.plan(*waves, drill_launch_settings=wanted)


def launches(env: E2eEnvironment, server_id: str) -> list[tuple[bool, str]]:
    """Of each launch of a server, whether it was a drill's, and its subnet, by the ledger."""
    return [
        (each["IsDrill"], each["SubnetId"])
        for backend in env.aws._ask("GET", f"ledger?account={env.aws.account_id}")["Backends"]
        for each in backend["Launches"]
        if each["SourceServerId"] == server_id
    ]


def versions(server_id: str) -> dict[int, bool]:
    """The versions of a server's template, and whether each is the default."""
    drs = boto3.client("drs", region_name=REGION)
    ec2 = boto3.client("ec2", region_name=REGION)
    template = drs.get_launch_configuration(sourceServerID=server_id)["ec2LaunchTemplateID"]
    found = ec2.describe_launch_template_versions(LaunchTemplateId=template)
    return {
        each["VersionNumber"]: each["DefaultVersion"] for each in found["LaunchTemplateVersions"]
    }


async def restored(env: E2eEnvironment, plan: RecoveryPlan, *, within: float = 60.0) -> None:
    """Await that nothing of a drill is left in the templates of a plan's servers."""
    ids = [i for wave in plan.waves for i in wave.server_ids]

    async def is_restored() -> bool:
        found = await asyncio.gather(*(asyncio.to_thread(versions, i) for i in ids))
        return all(each == {1: True} for each in found)

    await env.eventually(is_restored, within=within)


async def switched(env: E2eEnvironment, server_id: str) -> None:
    """Await that a drill's version is the default."""

    async def is_switched() -> bool:
        return not (await asyncio.to_thread(versions, server_id))[1]

    await env.eventually(is_switched)


def assert_isolated(env: E2eEnvironment, plan: RecoveryPlan, state: ExecutionState) -> None:
    assert state.status is PlanStatus.COMPLETED
    for server in [s for wave in state.waves for s in wave.servers]:
        assert server.verified is Verified.YES
        assert server.network is not None
        assert server.network.subnet_id == DRILL_SUBNET
        assert set(launches(env, server.source_server_id)) == {(True, DRILL_SUBNET)}


async def test_a_drill_runs_in_its_own_network_and_leaves_everything_as_it_was(
    env: E2eEnvironment,
) -> None:
    ids = env.aws.servers(2, LaunchDisposition="STOPPED")
    plan = isolated(
        env,
        env.wave("Database", servers=ids),
        env.wave("App", "Database"),
        launch_disposition="STARTED",
    )
    state = await env.run(plan)
    assert_isolated(env, plan, state)
    first = wave_of(state, "Database").servers[0].network
    assert first is not None
    assert (first.version_before, first.version_during) == (1, 2)
    await restored(env, plan)
    drs = boto3.client("drs", region_name=REGION)
    found = drs.get_launch_configuration(sourceServerID=ids[0])
    assert found["launchDisposition"] == "STOPPED"
    assert await env.count_workflows("WorkflowType = 'LeaseWorkflow'") == 2


async def test_a_recovery_that_breaks_into_a_drill_launches_in_production(
    env: E2eEnvironment,
) -> None:
    (server_id,) = env.aws.servers(1, **SLOW)
    plan = isolated(env, env.wave("Database", servers=[server_id]))
    await start_execution(env.client, plan)
    await switched(env, server_id)
    # Somebody who cancels the lease does not keep the template switched.
    async for lease in env.client.list_workflows("WorkflowType = 'LeaseWorkflow'"):
        await env.client.get_workflow_handle(lease.id).cancel()
    recovery = isolated(env, env.wave("Database", servers=[server_id]))
    state = await env.run(recovery, execution_type=REAL, confirmation=recovery.plan_id)
    assert state.status is PlanStatus.COMPLETED
    assert launches(env, server_id) == [(True, DRILL_SUBNET), (False, PRODUCTION_SUBNET)]
    await restored(env, plan)


async def test_a_worker_that_is_killed_after_the_switch_launches_once_and_isolated(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = isolated(env, env.wave("Database"))
    await start_worker(env, "one")
    delay_start_recovery(env, 4)
    execution_id = await start_execution(env.client, plan)
    await wait_for_delayed_call(env)
    env.stack.start_worker("two")
    await stop_worker(env, "one", signal.SIGKILL)
    assert_isolated(env, plan, await env.end(plan, execution_id))
    await restored(env, plan)


@pytest.mark.slow
async def test_a_template_is_restored_by_the_next_worker_when_none_was_there_for_the_lease(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    (server_id,) = env.aws.servers(1, **SLOW)
    plan = isolated(env, env.wave("Database", servers=[server_id]))
    await start_worker(env, "one")
    execution_id = await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    await stop_worker(env, "one", signal.SIGKILL)

    async def is_launched() -> bool:
        return bool(launches(env, server_id))

    await env.eventually(is_launched)
    await asyncio.sleep(3)
    assert versions(server_id) == {1: False, 2: True}
    await start_worker(env, "two")
    assert_isolated(env, plan, await env.end(plan, execution_id))
    await restored(env, plan)


async def test_a_drill_is_isolated_as_its_signed_plan_says(
    strict: E2eEnvironment, keys: Keys
) -> None:
    plan = isolated(strict, strict.wave("Database"))
    start = await signed_start(plan, keys.api)
    state = await sent_to_temporal(strict, start)
    assert_isolated(strict, plan, state)
    await restored(strict, plan)


async def cleaned_up(env: E2eEnvironment, state: ExecutionState) -> CleanupState:
    start = StartCleanup(execution_id=state.execution_id, plan_id=state.plan_id)
    await start_cleanup(env.client, start)

    async def has_ended() -> bool:
        recorded = (await env.recorded(state.execution_id)).cleanup
        return recorded is not None and recorded.end_time is not None

    await env.eventually(has_ended)
    found = (await env.recorded(state.execution_id)).cleanup
    assert found is not None
    return found


async def test_a_clean_up_reports_a_template_that_is_not_as_before_the_drill(
    env: E2eEnvironment,
) -> None:
    plan = isolated(env, env.wave("Database", servers=2))
    state = await env.run(plan)
    await restored(env, plan)
    clean, edited = plan.waves[0].server_ids
    env.aws.apply(
        SourceServers=[{"SourceServerId": edited, "LaunchTemplate": {"InstanceType": "m5.large"}}]
    )
    found = await cleaned_up(env, state)
    assert found.status is CleanupStatus.PARTIAL
    (difference,) = found.differences
    assert edited in difference
    assert "is version 3; before the drill it was 1" in difference
    assert len(found.terminated) == 2
    assert clean not in found.status_reason


@pytest.mark.slow
async def test_the_next_drill_has_a_template_restored_whose_lease_was_terminated(
    env: E2eEnvironment,
) -> None:
    (server_id,) = env.aws.servers(1, LaunchDisposition="STOPPED", **SLOW)
    settings = {"launch_disposition": "STARTED"}
    plan = isolated(env, env.wave("Database", servers=[server_id]), **settings)
    execution_id = await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    async for lease in env.client.list_workflows("WorkflowType = 'LeaseWorkflow'"):
        await env.client.get_workflow_handle(lease.id).terminate()
    await env.end(plan, execution_id)
    assert not versions(server_id)[1]
    again = isolated(env, env.wave("Database", servers=[server_id]), **settings)
    execution_id = await start_execution(env.client, again)
    await env.until(
        again, lambda s: "has the launch template" in wave_of(s, "Database").status_reason
    )
    assert_isolated(env, again, await env.end(again, execution_id))
    await restored(env, again)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["launcher", "plan", "wave"])
async def test_a_template_is_restored_although_a_workflow_was_terminated(
    env: E2eEnvironment, kind: str
) -> None:
    plan = isolated(env, env.wave("Database"))
    delay_start_recovery(env, 3)
    execution_id = await start_execution(env.client, plan)
    await wait_for_delayed_call(env)
    workflow_id = {
        "launcher": launcher_workflow_id(env.aws.account_id, REGION),
        "plan": f"drs-plan/{plan.plan_id}",
        "wave": f"drs-wave/{execution_id}/database/1",
    }[kind]
    await env.client.get_workflow_handle(workflow_id).terminate()
    await restored(env, plan)
    (server_id,) = plan.waves[0].server_ids
    assert set(launches(env, server_id)) <= {(True, DRILL_SUBNET)}


async def test_what_apply_changes_after_a_drill_is_no_difference_for_its_clean_up(
    env: E2eEnvironment,
) -> None:
    plan = isolated(env, env.wave("Database"))
    state = await env.run(plan)
    assert isolation_lines(state)[0] == f"drill isolated in {DRILL_SUBNET}"
    await restored(env, plan)
    other = LaunchSettings(subnet_id=PRODUCTION.subnet_ids[1])
    applied = plan.model_copy(update={"launch_settings": other})
    await start_apply(env.client, applied, actor="ana", confirmation=plan.plan_id)

    async def is_applied() -> bool:
        return (await apply_state(env.client, plan.plan_id)).status is ApplyStatus.COMPLETED

    await env.eventually(is_applied)
    cleanup = await cleaned_up(env, state)
    assert (cleanup.status, cleanup.differences) == (CleanupStatus.COMPLETED, [])
    (text,) = cleanup.applied
    assert text.endswith(f"LaunchSettings of {plan.plan_id}, applied by ana")
