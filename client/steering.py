"""Sends operators' messages to the execution that is meant, and to no other."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn

from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client.errors import RefusedError
from client.recovery_client import RecoveryClient
from contract.failures import FailureType
from contract.identifiers import EXECUTION_ID_KEY, EXECUTION_TYPE_KEY, plan_workflow_id
from recovery.execution.state import ExecutionType
from recovery.operator.messages import OperatorMessage, cancel_reason

CLIENT = "drs-waves"
WITHOUT_WORKER = "taken; it has its effect when a worker comes"
_RPC = timedelta(seconds=10)
_ANSWER_SECONDS = 10.0
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class RunningExecution:
    """A plan's running execution, as Temporal knows it without a worker.

    Attributes:
        run_id: Temporal's run, which tells it from a later execution of the plan.
    """

    plan_id: str
    execution_id: str
    execution_type: ExecutionType | None
    run_id: str | None


async def find_running(client: RecoveryClient, plan_id: str) -> RunningExecution | None:
    """The running execution of a plan, or None; it needs no worker.

    Raises:
        RPCError: Temporal did not answer.
    """
    handle = client.temporal.get_workflow_handle(plan_workflow_id(plan_id))
    try:
        described = await handle.describe(rpc_timeout=_RPC)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return None
    known = described.typed_search_attributes
    kind = known.get(EXECUTION_TYPE_KEY)
    return RunningExecution(
        plan_id,
        known.get(EXECUTION_ID_KEY, ""),
        ExecutionType(kind) if kind in list(ExecutionType) else None,
        described.run_id,
    )


async def the_running(client: RecoveryClient, plan_id: str) -> RunningExecution:
    """The running execution of a plan.

    Raises:
        RefusedError: nothing of it runs.
    """
    found = await find_running(client, plan_id)
    if found is None:
        raise RefusedError(
            f"no execution of plan {plan_id!r} is running; `drs-waves plans` lists them"
        )
    return found


async def send(
    client: RecoveryClient, running: RunningExecution, message: OperatorMessage, *, actor: str
) -> str | None:
    """Send a message to exactly this execution.

    Returns:
        Its effect; None when no worker is up, and it is kept until one comes.

    Raises:
        RefusedError: the execution rejected it, or has ended.
    """
    meant = replace(message, client=CLIENT, actor=actor, execution_id=running.execution_id or None)
    handle = client.temporal.get_workflow_handle(
        plan_workflow_id(running.plan_id), run_id=running.run_id
    )
    try:
        if await client.has_worker():
            # Without an answer an update is asked for again and again, for ever.
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await _effect_of(handle, meant)
    except WorkflowUpdateFailedError as error:
        why = str(error.cause).removeprefix(f"{FailureType.MESSAGE_REJECTED}: ")
        raise RefusedError(f"{meant.name} was rejected: {why}") from error
    except (RPCTimeoutOrCancelledError, TimeoutError):
        # Temporal lists a worker for minutes after its death. A second copy of a message that
        # was taken after all is rejected and recorded, so sending it again does no harm.
        pass
    except RPCError as error:
        _refuse_ended(running, error)
    try:
        await handle.signal(meant.name, meant.as_input(), rpc_timeout=_RPC)
    except RPCError as error:
        _refuse_ended(running, error)
    return None


async def _effect_of(handle: WorkflowHandle[Any, Any], message: OperatorMessage) -> str:
    """Send a message as an update, again where the worker that got it cannot take it yet."""
    while True:
        try:
            effect: str = await handle.execute_update(
                message.name, message.as_input(), result_type=str
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != FailureType.SEND_AGAIN:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return effect


async def cancel(
    client: RecoveryClient, running: RunningExecution, *, actor: str, reason: str
) -> str | None:
    """Cancel exactly this execution, with or without a worker.

    Returns:
        Its effect; None when no worker is up.

    Raises:
        RefusedError: it has ended meanwhile.
    """
    handle = client.temporal.get_workflow_handle(
        plan_workflow_id(running.plan_id), run_id=running.run_id
    )
    try:
        await handle.cancel(reason=cancel_reason(actor, reason), rpc_timeout=_RPC)
    except RPCError as error:
        _refuse_ended(running, error)
    if not await client.has_worker():
        return None
    return "nothing new is launched; what DRS launches already goes on and is observed"


def _refuse_ended(running: RunningExecution, error: RPCError) -> NoReturn:
    if error.status is RPCStatusCode.NOT_FOUND:
        raise RefusedError(f"{running.execution_id} has ended meanwhile") from error
    raise error
