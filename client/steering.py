"""Sends operators' messages to exactly one execution."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any, NoReturn
from uuid import uuid4

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client.connection import BREAK_GLASS, explained_errors
from client.errors import RefusedError, RejectedError
from client.executions import RunningExecution, execution_state
from client.workers import has_worker
from contract.failures import FailureType
from contract.identifiers import plan_workflow_id
from contract.temporal import RPC_TIMEOUT, UPDATE_SECONDS
from recovery.access.grants import MESSAGE_SECONDS, MessageSubject
from recovery.execution.state import RefusalCode, continue_command
from recovery.operator.messages import OperatorMessage, cancel_reason
from recovery.operator.rules import waves_called
from recovery.operator.step_rules import step_meant
from security.signers import RequestSigner
from workflows.plan.workflow import RecoveryPlanWorkflow

CLIENT = "drs-waves"
CANCELLATION = "nothing new launches; jobs that run in DRS cannot be stopped and are still observed"
WITHOUT_WORKER = "queued until a worker is available"
_CONTINUED_LATER = (
    RefusalCode.EXECUTION_ENDED,
    RefusalCode.EXECUTION_CANCELLED,
    RefusalCode.ATTEMPTS_USED_UP,
)
# The task of the signal should be over.
_RETRY_SECONDS = 0.5


async def send(
    client: Client,
    running: RunningExecution,
    message: OperatorMessage,
    *,
    actor: str,
    signer: RequestSigner | None = None,
    key: str | None = None,
) -> str | None:
    """Send a message to exactly this execution.

    Args:
        client: Temporal's.
        running: the execution.
        message: the message.
        actor: who sends it.
        signer: signs it; default: it is not signed.
        key: a repetition with the same key has no second effect, and returns that of the first.

    Returns:
        Its effect; None if it is not known yet: no worker is running, and Temporal keeps the
        message until one is, or Temporal takes no more updates (2,000 an execution), and the
        message went as a signal.

    Raises:
        RejectedError: the execution rejected it.
        RefusedError: the execution has ended.
    """
    meant = replace(message, client=CLIENT, actor=actor, execution_id=running.execution_id or None)
    meant = await _with_subject(client, running, meant)
    inputs = await _inputs(running, meant, signer)
    handle = client.get_workflow_handle(plan_workflow_id(running.plan_id), run_id=running.run_id)
    try:
        if await has_worker(client):
            # The SDK repeats an update until it gets a response.
            async with asyncio.timeout(UPDATE_SECONDS):
                return await _effect_of(handle, meant.name, inputs, key or uuid4().hex)
    except WorkflowUpdateFailedError as error:
        raise _rejection(running, meant, error) from error
    except (RPCTimeoutOrCancelledError, TimeoutError):
        # Temporal lists a worker for minutes after its end. A second copy of a message that was
        # accepted is rejected and recorded, so sending it again is safe.
        pass
    except RPCError as error:
        # Temporal takes no more updates of this execution, or none now.
        if error.status is not RPCStatusCode.FAILED_PRECONDITION:
            _refuse_ended(running, error)
    try:
        await handle.signal(meant.name, args=inputs, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise RefusedError(
                f"Temporal takes no more messages of {running.execution_id} ({error.message})",
                command=f"Cancel it with `drs-waves cancel {running.plan_id}`, then continue it "
                f"with `{_continue_command(running)}`",
                request="Cancel it, then start the plan again with "
                f'"FromExecution": "{running.execution_id}"',
            ) from error
        _refuse_ended(running, error)
    return None


async def _with_subject(
    client: Client, running: RunningExecution, message: OperatorMessage
) -> OperatorMessage:
    """A message with the launch in doubt, or the step, that it means.

    A second copy of it must never answer for another launch, which would then be made twice, or for
    the next step.

    Raises:
        NoWorkerError: no worker says which it is.
    """
    needs_step = message.name.is_about_a_step and message.step is None
    if not needs_step and (not message.name.is_launch_answer or message.launch is not None):
        return message
    state = await execution_state(client, running.plan_id, running.execution_id or None)
    found = waves_called(state, message.wave or "")
    if needs_step:
        step = step_meant(found[0], message) if len(found) == 1 else None
        return replace(message, step=step.step_id) if step else message
    in_doubt = [launch for wave in found for launch in wave.launches_in_doubt]
    # The rules refuse it if there is none, or several.
    return replace(message, launch=in_doubt[0]) if len(in_doubt) == 1 else message


async def _inputs(
    running: RunningExecution, message: OperatorMessage, signer: RequestSigner | None
) -> list[Any]:
    """The message's input, and what was signed of it."""
    fields = message.as_input()
    if signer is None:
        return [fields]
    subject = MessageSubject(
        execution_id=running.execution_id, name=message.name.value, fields=fields
    )
    async with explained_errors():
        signed = await signer.sign(subject, actor=message.actor, valid_seconds=MESSAGE_SECONDS)
    return [fields, signed]


def _rejection(
    running: RunningExecution, message: OperatorMessage, error: WorkflowUpdateFailedError
) -> RefusedError:
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return RefusedError(f"{message.name.command} was not accepted: {cause}")
    code = cause.details[0] if cause.details else None
    known = RefusalCode(code) if code in list(RefusalCode) else None
    text = f"{message.name.command} was rejected: {cause.message}"
    if known is RefusalCode.NOT_AUTHORIZED:
        return RejectedError(text, known, command=BREAK_GLASS)
    if known not in _CONTINUED_LATER:
        return RejectedError(text, known)
    return RejectedError(
        text,
        known,
        command=f"Once it has ended, `{_continue_command(running)}` continues it",
        request=f'Once it has ended, a start with "FromExecution": "{running.execution_id}" '
        "continues it",
    )


def _continue_command(running: RunningExecution) -> str:
    return continue_command(running.execution_id, running.execution_type)


async def _effect_of(
    handle: WorkflowHandle[Any, Any], name: str, inputs: Sequence[Any], key: str
) -> str:
    """Send a message as an update, again if a worker has just loaded the execution.

    Each time after a signal, whose event makes later replays cut the history there too. Temporal
    answers for an ID that it knows as it did before, so each time has an ID of its own.
    """
    for attempt in count():
        try:
            effect: str = await handle.execute_update(
                name, args=inputs, id=f"{key}/{attempt}", result_type=str
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != FailureType.SEND_AGAIN:
                raise
            await handle.signal(RecoveryPlanWorkflow.wake, rpc_timeout=RPC_TIMEOUT)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return effect
    raise AssertionError("unreachable")


async def cancel(
    client: Client, running: RunningExecution, *, actor: str, reason: str
) -> str | None:
    """Cancel exactly this execution, with or without a worker.

    Returns:
        Its effect; None if no worker is running.

    Raises:
        RefusedError: it has ended.
    """
    handle = client.get_workflow_handle(plan_workflow_id(running.plan_id), run_id=running.run_id)
    try:
        await handle.cancel(reason=cancel_reason(actor, reason), rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        _refuse_ended(running, error)
    if not await has_worker(client):
        return None
    return CANCELLATION


def _refuse_ended(running: RunningExecution, error: RPCError) -> NoReturn:
    if error.status is RPCStatusCode.NOT_FOUND:
        raise RefusedError(f"{running.execution_id} has ended") from error
    raise error
