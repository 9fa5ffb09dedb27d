"""Launch settings of a plan: compared with DRS and EC2, applied, followed."""

from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from client.connection import explained, explained_errors
from client.errors import RefusedError
from client.workers import read_on_worker, require_worker
from contract.identifiers import (
    EXECUTION_ID_KEY,
    launch_settings_workflow_id,
    new_execution_id,
    search_attributes,
)
from contract.launch_settings.apply import SettingsRequest, StartApply
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.launch_settings.report import ApplyState, ServerSettings, servers_of
from recovery.plan.membership import unresolved_problem
from recovery.plan.model import RecoveryPlan
from security.signers import RequestSigner
from workflows.launch_settings.apply import LaunchSettingsWorkflow
from workflows.reads import ReadLaunchSettingsWorkflow

# Temporal takes 2 MB a result.
_SERVERS_A_READ = 200
_READ_SECONDS = 900.0
_VALID_SECONDS = 3 * 3600.0
_TIMEOUT = timedelta(hours=12)


async def read_settings(client: Client, plan: RecoveryPlan) -> AsyncIterator[list[ServerSettings]]:
    """What DRS and EC2 have for a plan's servers, some at a time, as a worker sees it.

    Raises:
        RefusedError: the plan names servers by tags.
        UnreachableError: no worker responded.
    """
    _require_servers(plan)
    for target, servers in servers_of(plan).items():
        for first in range(0, len(servers), _SERVERS_A_READ):
            some = servers[first : first + _SERVERS_A_READ]
            yield await read_on_worker(
                client,
                ReadLaunchSettingsWorkflow.run,
                SettingsRequest(target=target, servers=some),
                workflow_id=f"drs-read-launch-settings/{plan.plan_id}",
                what=f"Launch settings of {plan.plan_name}",
                timeout_seconds=_READ_SECONDS,
            )


async def start_apply(
    client: Client,
    plan: RecoveryPlan,
    *,
    actor: str,
    confirmation: str | None,
    signer: RequestSigner | None = None,
    apply_id: str | None = None,
) -> StartApply:
    """Start applying a plan's launch settings, a workflow of its own.

    Args:
        client: Temporal's.
        plan: the plan.
        actor: who asks for it.
        confirmation: the PlanId, typed.
        signer: signs it; default: it is not signed.
        apply_id: the same for each repetition of one request; default: a new one.

    Raises:
        RefusedError: they are being applied already, or the plan names servers by tags.
        UnreachableError: Temporal or its workers did not answer.
    """
    _require_servers(plan)
    start = StartApply(
        apply_id=apply_id or new_execution_id(plan.plan_id),
        plan=plan,
        actor=actor,
        confirmation=confirmation,
    )
    if apply_id is not None and await _is_last(client, start):
        return start
    await require_worker(client)
    try:
        async with explained_errors():
            if signer is not None:
                start.signed = await signer.sign(
                    start.subject, actor=actor, valid_seconds=_VALID_SECONDS
                )
            await client.start_workflow(
                LaunchSettingsWorkflow.run,
                start,
                id=launch_settings_workflow_id(plan.plan_id),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                execution_timeout=_TIMEOUT,
                rpc_timeout=RPC_TIMEOUT,
                static_summary=f"Apply the launch settings of {plan.plan_name}"[:190],
                search_attributes=search_attributes(plan.plan_id, start.apply_id),
            )
    except WorkflowAlreadyStartedError as error:
        if await _is_last(client, start):
            return start
        raise RefusedError(
            f"the launch settings of {plan.plan_id} are being applied already",
            command=f"See workflow {launch_settings_workflow_id(plan.plan_id)} in Temporal",
        ) from error
    return start


def _require_servers(plan: RecoveryPlan) -> None:
    """Refuse a plan of which some servers are not known, rather than leave them out unseen."""
    if problem := unresolved_problem(plan):
        raise RefusedError(
            f"nothing was read or changed: {problem}; list them under ServerIds in a copy of the "
            "plan"
        )


async def _is_last(client: Client, start: StartApply) -> bool:
    """Whether this request was the last one of its plan, which runs or has ended."""
    handle = client.get_workflow_handle(launch_settings_workflow_id(start.plan.plan_id))
    try:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise explained(error) from error
    return described.typed_search_attributes.get(EXECUTION_ID_KEY) == start.apply_id


async def apply_state(client: Client, plan_id: str) -> ApplyState:
    """How far the launch settings of a plan are applied.

    Raises:
        RefusedError: nothing was applied, or it ended without a result.
        UnreachableError: Temporal or its workers did not answer.
    """
    handle = client.get_workflow_handle_for(
        LaunchSettingsWorkflow.run, launch_settings_workflow_id(plan_id)
    )
    async with explained_errors(f"Temporal has no launch settings of {plan_id!r}"):
        # First, so that the state of a closed workflow is its last one.
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        state = await handle.query(LaunchSettingsWorkflow.status, rpc_timeout=RPC_TIMEOUT)
        if state.end_time is None and described.status is not WorkflowExecutionStatus.RUNNING:
            try:
                await handle.result(rpc_timeout=RPC_TIMEOUT)
            except WorkflowFailureError as error:
                raise RefusedError(f"the settings were not applied: {error.cause}") from error
    return state
