"""The roles of the templates suffice for drills and their clean-up, and none of it is too much."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from temporalio.client import WorkflowFailureError

from client.cleanup import start_cleanup
from client.readiness.check import check_readiness
from contract.cleanup import StartCleanup
from contract.identifiers import cleanup_workflow_id
from contract.readiness import Readiness
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.readiness.verdict import ReadinessStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.target_accounts import TargetAccount, allow_list, operations_role
from tests.end_to_end.worker_processes import start_worker, stop_worker


async def with_worker(env: E2eEnvironment, *accounts: TargetAccount) -> None:
    """Start a worker that has the worker's role of the operations account, and no other keys."""
    variables = await asyncio.to_thread(operations_role, env, "WorkerRole")
    variables |= {"DRS_WAVES_ALLOW_LIST": allow_list(*accounts)}
    await start_worker(env, "worker", variables=variables)


async def clean_up(env: E2eEnvironment, state: ExecutionState) -> ExecutionState:
    start = StartCleanup(execution_id=state.execution_id, plan_id=state.plan_id)
    await start_cleanup(env.client, start)
    handle = env.client.get_workflow_handle(cleanup_workflow_id(state.execution_id))
    try:
        await handle.result()
    except WorkflowFailureError:
        pass
    return await env.recorded(state.execution_id)


async def test_the_roles_of_the_templates_suffice_for_a_drill_and_its_clean_up(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    account = await asyncio.to_thread(TargetAccount.deploy, env)
    await with_worker(env, account)
    plan = account.plan()
    readiness = await check_readiness(env.client, plan)
    print(readiness.model_dump_json(indent=1))
    state = await env.run(plan, started_by="alice@example.com")
    print(state.model_dump_json(indent=1))
    assert state.status is PlanStatus.COMPLETED
    state = await clean_up(env, state)
    print(state.cleanup)
    assert state.cleanup is not None
    assert state.cleanup.status is CleanupStatus.COMPLETED
    assert env.aws.instances_up(account.server_id) == []
