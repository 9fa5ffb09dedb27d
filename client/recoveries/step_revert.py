"""Looks at what a step replaced, and puts it back."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

from client.connection import explained_errors
from client.errors import RefusedError
from contract.identifiers import revert_workflow_id, search_attributes
from contract.steps import RevertResult, StartRevert
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.execution.state import ExecutionState
from security.signers import RequestSigner
from storage.history import HistoryError, HistoryTable
from workflows.wave.step_revert import RevertStepWorkflow

_VALID_SECONDS = 900.0
_HISTORY_SECONDS = 1.0
# Without a worker nothing happens, also not later, when nobody expects it.
_TIMEOUT = timedelta(minutes=12)


async def revert_step(
    client: Client, start: StartRevert, *, signer: RequestSigner | None = None
) -> RevertResult:
    """Look at what a step replaced or, if that was confirmed, put it back; await the result.

    Args:
        client: Temporal's.
        start: what was asked for.
        signer: signs what was confirmed; default: it is not signed.

    Raises:
        RefusedError: it is refused, or is being done already.
        UnreachableError: Temporal did not answer.
    """
    workflow_id = revert_workflow_id(start.execution_id, start.step)
    what = "Put back" if start.view is not None else "Look at"
    try:
        async with explained_errors():
            if signer is not None and start.view is not None:
                start.signed = await signer.sign(
                    start.subject, actor=start.actor, valid_seconds=_VALID_SECONDS
                )
            handle = await client.start_workflow(
                RevertStepWorkflow.run,
                start,
                id=workflow_id if start.view is not None else f"{workflow_id}/look",
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL
                if start.view is not None
                else WorkflowIDConflictPolicy.TERMINATE_EXISTING,
                execution_timeout=_TIMEOUT,
                rpc_timeout=RPC_TIMEOUT,
                static_summary=f"{what} {start.step} of {start.execution_id}"[:190],
                search_attributes=search_attributes(start.plan_id, start.execution_id),
            )
            return await handle.result()
    except WorkflowAlreadyStartedError as error:
        raise RefusedError(f"{start.step} is being put back already") from error
    except WorkflowFailureError as error:
        raise RefusedError(_reason(error.cause)) from error


async def with_reverts(table: HistoryTable, state: ExecutionState) -> ExecutionState:
    """A state from Temporal, with what was put back of what its steps replaced.

    Only the history has that. Where it does not answer at once, the state is as it was.
    """
    if not state.steps_to_put_back:
        return state
    with suppress(HistoryError, TimeoutError):
        async with asyncio.timeout(_HISTORY_SECONDS):
            return state.with_reverts(await table.reverts(state.execution_id))
    return state


def _reason(error: BaseException | None) -> str:
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError):
        return cause.message
    return f"no worker answered in time: {cause or error}"
