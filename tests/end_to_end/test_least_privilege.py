"""The roles of the templates suffice for drills and their clean-up, and none of it is too much."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

import pytest
from temporalio.client import WorkflowExecutionStatus

from client.cleanup import start_cleanup
from client.readiness.check import check_readiness
from contract.cleanup import StartCleanup
from contract.identifiers import cleanup_workflow_id
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.server import Verified
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.readiness.verdict import ReadinessStatus
from sandbox.ec2.network_ids import DRILL
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.target_accounts import (
    TargetRoles,
    allow_list,
    operations_role,
    target_account,
)
from tests.end_to_end.test_doctor import OK, doctor
from tests.end_to_end.worker_processes import start_worker

# A role of the template, and an action.
Permission = tuple[str, str]
# What a drill that goes well does not need, and what does.
NOT_OF_A_DRILL = {
    "drs:DescribeJobLogItems": "why a launch failed",
    "drs:ListLaunchActions": "what DRS runs after launches, where that is enabled",
    "drs:ListTagsForResource": "whose a job is that is listed without its tags",
    "iam:SimulatePrincipalPolicy": "`drs-waves doctor`",
    "servicequotas:ListServiceQuotas": "a plan that needs more than the default quotas",
}
_OF_ISOLATION = (
    "drs:UpdateLaunchConfiguration",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DeleteLaunchTemplateVersions",
    "ec2:ModifyLaunchTemplate",
)


async def with_worker(env: E2eEnvironment, targets: Sequence[TargetRoles]) -> None:
    """Start a worker that has the worker's role of the operations account, and no other keys."""
    variables = await asyncio.to_thread(operations_role, env, "WorkerRole")
    await start_worker(
        env, "worker", variables={**variables, "DRS_WAVES_ALLOW_LIST": allow_list(targets)}
    )


async def clean_up(
    env: E2eEnvironment, state: ExecutionState, refused: Callable[[str], Awaitable[None]]
) -> CleanupState:
    """Clean up after a drill; `refused` gets why an activity failed, which goes on."""
    start = StartCleanup(execution_id=state.execution_id, plan_id=state.plan_id)
    await start_cleanup(env.client, start)
    handle = env.client.get_workflow_handle(cleanup_workflow_id(state.execution_id))

    async def has_ended() -> bool:
        found = await handle.describe()
        for pending in found.raw_description.pending_activities:
            if pending.last_failure.message:
                await refused(pending.last_failure.message)
        return found.status is not WorkflowExecutionStatus.RUNNING

    await env.eventually(has_ended, within=300)
    cleanup = (await env.recorded(state.execution_id)).cleanup
    assert cleanup is not None
    return cleanup


async def test_the_roles_of_the_templates_suffice_for_a_drill_and_its_clean_up(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    account_id = await asyncio.to_thread(target_account, env)
    target = await asyncio.to_thread(TargetRoles.deploy, env, account_id)
    await with_worker(env, [target])
    plan = env.plan(target.launch(), target.checks())
    assert (await check_readiness(env.client, plan)).status is ReadinessStatus.READY
    state = await env.run(plan, started_by="alice@example.com")
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    server = state.waves[0].servers[0]
    assert server.verified is Verified.YES
    assert server.network is not None
    assert server.network.subnet_id == DRILL.subnet_ids[0]

    async def unexpected(refusal: str) -> None:
        raise AssertionError(refusal)

    cleanup = await clean_up(env, state, unexpected)
    assert cleanup.status is CleanupStatus.COMPLETED, cleanup.status_reason
    assert cleanup.differences == []
    assert env.aws.instances_up(target.server_id) == []


async def shown(env: E2eEnvironment, taken: Sequence[Permission]) -> dict[Permission, str]:
    """What shows the lack of each permission, which is taken away from roles of its own.

    Its readiness is UNKNOWN, or its wave fails in the drill, or its server is left by the clean-up;
    with an empty text nothing shows it.
    """
    shared_account = await asyncio.to_thread(target_account, env)
    targets: dict[Permission, TargetRoles] = {}
    for number, (role, action) in enumerate(taken):
        # What is read of an account, such as its quotas, is read with one of its roles for all.
        is_alone = role == "look"
        account_id = await asyncio.to_thread(target_account, env) if is_alone else shared_account
        prefix = f"drs-waves-{number}"
        targets[role, action] = target = await asyncio.to_thread(
            TargetRoles.deploy, env, account_id, prefix
        )
        await asyncio.to_thread(target.take_away, role, action)
    await with_worker(env, list(targets.values()))
    waves = {
        permission: [
            target.launch(isolated=permission[0] == "look" or permission[1] in _OF_ISOLATION),
            *([await asyncio.to_thread(target.checks)] if permission[0] == "look" else []),
        ]
        for permission, target in targets.items()
    }
    found = dict.fromkeys(taken, "")

    readiness = await check_readiness(env.client, env.plan(*chain(*waves.values())))
    for finding in readiness.findings:
        text = finding.model_dump_json()
        for permission, target in targets.items():
            is_of_wave = finding.wave_id in [wave.wave_id for wave in waves[permission]]
            is_of_account = finding.account_id == target.account_id != shared_account
            if permission[1] in text and (is_of_wave or is_of_account):
                found[permission] += text

    rest = [permission for permission in taken if not found[permission]]
    state = await env.run(env.plan(*chain(*(waves[each] for each in rest))))

    async def give_back(refusal: str) -> None:
        """The clean-up goes on once it has the permission."""
        for permission, target in targets.items():
            role, action = permission
            is_named = action in refusal and f"{target.prefix}-{role} " in refusal
            if is_named and not found[permission]:
                found[permission] = refusal
                await asyncio.to_thread(target.give_back, role)

    cleanup = await clean_up(env, state, give_back)
    for permission in rest:
        ids = [wave.wave_id for wave in waves[permission]]
        for wave in state.waves:
            if wave.wave_id in ids and wave.status is not WaveStatus.COMPLETED:
                found[permission] += wave.model_dump_json()
        server_id = targets[permission].server_id
        left = [each for each in cleanup.leftovers if each.source_server_id == server_id]
        found[permission] += "".join(str(each.reason) for each in left)
        found[permission] += "".join(each for each in cleanup.differences if server_id in each)
    return found


def unnamed(found: dict[Permission, str]) -> set[Permission]:
    """The permissions whose lack nothing shows, or without their name."""
    return {each for each, text in found.items() if each[1] not in text}


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_lack_of_any_permission_shows_and_is_named(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    account_id = await asyncio.to_thread(target_account, env)
    target = await asyncio.to_thread(TargetRoles.deploy, env, account_id)
    permissions = await asyncio.to_thread(lambda: list(target.permissions()))
    found = await shown(env, permissions)
    assert unnamed(found) == {("look", action) for action in NOT_OF_A_DRILL}


@pytest.mark.slow
async def test_doctor_names_what_a_drill_that_goes_well_does_not_need(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    account_id = await asyncio.to_thread(target_account, env)
    target = await asyncio.to_thread(TargetRoles.deploy, env, account_id)
    await with_worker(env, [target])
    # Without it, doctor sees no others that it does not try.
    simulation = "iam:SimulatePrincipalPolicy"
    for actions in ([each for each in NOT_OF_A_DRILL if each != simulation], [simulation]):
        await asyncio.to_thread(target.take_away, "look", *actions)
        report = await doctor()
        problems = [each for each in report.checks if each.status is not OK]
        text = " ".join(each.model_dump_json() for each in problems)
        assert [each for each in actions if each not in text] == []


async def test_the_lack_of_a_permission_of_each_role_shows_and_is_named(
    env_without_worker: E2eEnvironment,
) -> None:
    taken = [
        ("look", "drs:GetReplicationConfiguration"),
        ("launch", "ec2:RunInstances"),
        ("terminate", "ec2:TerminateInstances"),
    ]
    found = await shown(env_without_worker, taken)
    assert unnamed(found) == set()
