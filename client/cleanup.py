"""Starts, reads and cancels the clean-up after an execution."""

import asyncio
import time

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.portfolio.plan_execution import cancel_cleanups as cancel_plan_cleanups
from client.connection import explained_errors
from client.errors import RefusedError, UnreachableError
from contract.cleanup import StartCleanup, own_servers
from contract.identifiers import cleanup_workflow_id, plan_id_of, search_attributes
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.access.grants import DAY_SECONDS
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.state import ExecutionState
from recovery.text_format import count, listed
from security.signers import RequestSigner
from workflows.drill_cleanup import DrillCleanupWorkflow

# It waits for the end of the execution and of its jobs, for at most 9 days.
_VALID_SECONDS = 10 * DAY_SECONDS
_CLOSING_SECONDS = 30.0
_CLOSING_PAUSE_SECONDS = 0.5


class CleanupFailedError(RefusedError):
    """A clean-up ended without a result."""


def may_clean_up(state: ExecutionState) -> bool:
    """Whether a clean-up after an execution is possible and has not removed everything yet."""
    has_own = any(True for _ in own_servers(state.waves))
    # A clean-up that left instances may be repeated.
    is_due = state.cleanup is None or state.cleanup.status is CleanupStatus.PARTIAL
    return state.end_time is not None and has_own and is_due


def termination_lines(state: ExecutionState) -> list[str]:
    """Say how many instances a clean-up terminates, and how many it leaves."""
    up = state.servers_up
    own = {server.source_server_id for server in own_servers(state.waves)}
    launched = sum(server.source_server_id in own for server in up)
    instances = count(launched, "recovery instance")
    lines = [f"{instances} that {state.execution_id} launched will be TERMINATED."]
    if kept := len(up) - launched:
        lines.append(f"{count(kept, 'instance')} of earlier executions, which it took over, stay.")
    return lines


def kept_changes(state: ExecutionState) -> list[str]:
    """Say which steps changed what a clean-up leaves as it is; nothing if none did."""
    steps = state.steps_to_put_back
    if not steps:
        return []
    return [f"What steps changed stays until it is put back by itself: {listed(steps, shown=5)}."]


async def start_cleanup(
    client: Client, start: StartCleanup, *, signer: RequestSigner | None = None
) -> str:
    """Start the clean-up after an execution, a workflow of its own.

    One that has ended may still report and record that; it is waited for.

    Args:
        client: Temporal's.
        start: what to clean up.
        signer: signs it; default: it is not signed.

    Returns:
        Its workflow ID.

    Raises:
        RefusedError: it is already running.
        UnreachableError: Temporal did not answer.
    """
    deadline = time.monotonic() + _CLOSING_SECONDS
    while True:
        try:
            return await _start_once(client, start, signer)
        except RefusedError:
            if time.monotonic() > deadline or not await _has_ended(client, start.execution_id):
                raise
        await asyncio.sleep(_CLOSING_PAUSE_SECONDS)


async def _has_ended(client: Client, execution_id: str) -> bool:
    try:
        return (await cleanup_state(client, execution_id)).end_time is not None
    except (RefusedError, UnreachableError):
        return False


async def _start_once(client: Client, start: StartCleanup, signer: RequestSigner | None) -> str:
    workflow_id = cleanup_workflow_id(start.execution_id)
    try:
        async with explained_errors():
            if signer is not None:
                valid = _VALID_SECONDS + start.after_seconds
                start.signed = await signer.sign(
                    start.subject, actor=start.actor, valid_seconds=valid
                )
            await client.start_workflow(
                DrillCleanupWorkflow.run,
                start,
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                rpc_timeout=RPC_TIMEOUT,
                static_summary=f"Clean up after {start.execution_id}"[:190],
                search_attributes=search_attributes(start.plan_id, start.execution_id),
            )
    except WorkflowAlreadyStartedError as error:
        raise RefusedError(
            f"the clean-up after {start.execution_id} is already running",
            command=f"Its record: `drs-waves history {start.execution_id}`",
            request=f"GET /api/executions/{start.execution_id}/cleanup returns its state",
        ) from error
    return workflow_id


async def schedule_cleanup(
    client: Client,
    execution_id: str,
    *,
    actor: str,
    after_seconds: float,
    signer: RequestSigner | None = None,
) -> RefusedError | UnreachableError | None:
    """Schedule the clean-up of a drill for some time after its end.

    An error is returned and not raised, because the drill itself has started.

    Args:
        client: Temporal's.
        execution_id: the drill's execution.
        actor: who asks for it.
        after_seconds: seconds after the drill's end, already divided by a sandbox's speed.
        signer: signs it; default: it is not signed.

    Returns:
        Why it could not be scheduled; None if it was.
    """
    start = StartCleanup(
        execution_id=execution_id,
        plan_id=plan_id_of(execution_id),
        actor=actor,
        after_seconds=after_seconds,
    )
    try:
        await start_cleanup(client, start, signer=signer)
    except (RefusedError, UnreachableError) as error:
        return error
    return None


async def cleanup_state(client: Client, execution_id: str) -> CleanupState:
    """The state of the clean-up after an execution.

    Raises:
        RefusedError: Temporal has none.
        UnreachableError: Temporal or its workers did not respond.
    """
    workflow_id = cleanup_workflow_id(execution_id)
    async with explained_errors(f"Temporal has no clean-up after {execution_id!r}"):
        handle = client.get_workflow_handle_for(DrillCleanupWorkflow.run, workflow_id)
        return await handle.query(DrillCleanupWorkflow.status, rpc_timeout=RPC_TIMEOUT)


async def followed_cleanup(client: Client, execution_id: str) -> CleanupState:
    """The state of a clean-up that somebody waits for.

    Raises:
        CleanupFailedError: it failed.
        RefusedError: Temporal has none.
        UnreachableError: Temporal or its workers did not respond.
    """
    handle = client.get_workflow_handle(cleanup_workflow_id(execution_id))
    async with explained_errors(f"Temporal has no clean-up after {execution_id!r}"):
        # First, so that the state of a closed workflow is its last one.
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        state = await cleanup_state(client, execution_id)
        if state.end_time is None and described.status is not WorkflowExecutionStatus.RUNNING:
            try:
                await handle.result(rpc_timeout=RPC_TIMEOUT)
            except WorkflowFailureError as error:
                raise CleanupFailedError(f"the clean-up failed: {error.cause}") from error
    return state


async def cancel_cleanups(client: Client, plan_id: str) -> None:
    """Cancel the clean-ups of a plan's drills, whose jobs have servers that a recovery needs.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors():
        await cancel_plan_cleanups(client, plan_id)
