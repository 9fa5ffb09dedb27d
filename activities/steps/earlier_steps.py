"""The steps of an execution that is taken over: what its waves began, and may still have begun.

Its waves' workflows outlive its plan's, and the history may be behind them.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.execution_state import StateUnavailableError
from contract.identifiers import step_attempt_id, wave_workflow_id
from contract.temporal import RPC_TIMEOUT
from recovery.execution.state import ExecutionState
from recovery.execution.wave import Cause, WaveState
from recovery.steps.state import StepState, StepStatus

_AT_ONCE = 16
_QUERY_TIMEOUT = timedelta(seconds=20)
_MAY_HAVE_BEGUN = (
    StepStatus.PENDING,
    StepStatus.NOT_RUN,
    StepStatus.FAILED,
    StepStatus.TIMED_OUT,
)

Recorded = Callable[[str], Awaitable[ExecutionState | None]]
"""Reads an execution from the history; None if it does not have it."""


async def begun_steps(
    client: Client, recorded: ExecutionState, read: Recorded, *, must_answer: bool
) -> dict[str, list[StepState]]:
    """What an execution that is taken over has begun of its steps, by WaveId.

    It may have taken over another one itself. What that one ran, and this one did not come to,
    only the history of that one has.

    Args:
        client: Temporal's.
        recorded: the execution, by the history.
        read: reads the executions that it took over.
        must_answer: whether to fail if the workflow of a wave does not say how it is.

    Raises:
        StateUnavailableError: one does not say; a retry may succeed.
        HistoryError: the history cannot be read.
    """
    chain = [recorded]
    while (earlier_id := chain[-1].from_execution) is not None:
        earlier = await read(earlier_id)
        if earlier is None:
            break
        wanted = _waves_of_earlier_steps(chain[-1])
        waves = [wave for wave in earlier.waves if wave.wave_id in wanted]
        if not waves or earlier.execution_id in {each.execution_id for each in chain}:
            break
        chain.append(earlier.model_copy(update={"waves": waves}))
    known: dict[str, list[StepState]] = {}
    for each in reversed(chain):
        waves = [_with_earlier(wave, known.get(wave.wave_id, [])) for wave in each.waves]
        execution = each.model_copy(update={"waves": waves})
        known = await close_waves(client, execution, must_answer=must_answer)
    return known


def _waves_of_earlier_steps(state: ExecutionState) -> set[str]:
    """The waves with steps of which an earlier execution may know more."""
    return {
        wave.wave_id
        for wave in state.waves
        if any(step.taken_over or not step.is_known for step in wave.steps)
    }


def _with_earlier(wave: WaveState, earlier: Sequence[StepState]) -> WaveState:
    """A wave whose steps that did not begin in its execution are as an earlier one has them."""
    known = {step.step_id: step for step in earlier}
    steps = [_continued(step, known) for step in wave.steps]
    return wave.model_copy(update={"steps": steps})


def _continued(step: StepState, known: Mapping[str, StepState]) -> StepState:
    before = known.get(step.step_id)
    if before is None or not before.is_known:
        return step
    if not step.is_known:
        return before
    if step.taken_over:
        reverts = sorted([*before.reverts, *step.reverts], key=lambda each: each.time)
        return step.model_copy(update={"reverts": reverts})
    return step


async def close_waves(
    client: Client, recorded: ExecutionState, *, must_answer: bool
) -> dict[str, list[StepState]]:
    """Stop an earlier execution's waves from beginning steps; then, by WaveId, what these are.

    What may have begun without a record of it is OUTCOME_UNKNOWN, under the attempt that it would
    have.

    Args:
        client: Temporal's.
        recorded: the execution, by the history.
        must_answer: whether to fail if the workflow of a wave does not say how it is.

    Raises:
        StateUnavailableError: one does not say; a retry may succeed.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def close(wave: WaveState) -> list[StepState]:
        async with slots:
            return await _close(client, recorded.execution_id, wave, must_answer=must_answer)

    waves = [wave for wave in recorded.waves if wave.steps]
    steps = await asyncio.gather(*(close(wave) for wave in waves))
    return {wave.wave_id: each for wave, each in zip(waves, steps, strict=True)}


async def _close(
    client: Client, execution_id: str, recorded: WaveState, *, must_answer: bool
) -> list[StepState]:
    known = recorded
    is_lost = recorded.cause is Cause.WORKFLOW_LOST or recorded.is_running
    for attempt in itertools.count(max(1, recorded.attempt)):
        workflow_id = wave_workflow_id(execution_id, recorded.wave_id, attempt)
        try:
            wave = await _closed_wave(client.get_workflow_handle(workflow_id))
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            if must_answer:
                raise StateUnavailableError(
                    f"The steps of {workflow_id} cannot be read: {error}"
                ) from error
            is_lost = True
            break
        if wave is None:
            break
        is_lost = False
        known = _newest(known, wave)
    # Only the history has what was put back.
    reverts = {step.step_id: step.reverts for step in recorded.steps}
    steps = [s.model_copy(update={"reverts": reverts.get(s.step_id, [])}) for s in known.steps]
    if not is_lost:
        return steps
    return [_in_doubt(step, execution_id, recorded.wave_id) for step in steps]


async def _closed_wave(handle: WorkflowHandle[object, object]) -> WaveState | None:
    """The state of a wave after it knows that its plan has ended; None if Temporal has no such.

    Raises:
        RPCError: Temporal or its workers do not answer.
        WorkflowQueryFailedError: the wave's workflow does not.
    """
    try:
        await handle.signal("plan_closed", rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        # Also of one that is closed.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    try:
        wave: WaveState = await handle.query(
            "status", result_type=WaveState, rpc_timeout=_QUERY_TIMEOUT
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return wave


def _newest(one: WaveState, other: WaveState) -> WaveState:
    """The newer state, with what only the older one knows that a step began."""
    older, newer = sorted((one, other), key=lambda wave: wave.revision)
    began = {step.step_id: step for step in older.steps}
    steps = [
        before if (before := began.get(step.step_id, step)).attempt > step.attempt else step
        for step in newer.steps
    ]
    return newer.model_copy(update={"steps": steps})


def _in_doubt(step: StepState, execution_id: str, wave_id: str) -> StepState:
    """A step of a wave that was lost, which may have begun it without a record."""
    if not step.acts_outside or step.status not in _MAY_HAVE_BEGUN:
        return step
    attempt = step.attempt + 1
    return step.model_copy(
        update={
            "status": StepStatus.OUTCOME_UNKNOWN,
            "attempt": attempt,
            "attempt_id": step_attempt_id(execution_id, wave_id, step.step_id, attempt),
        }
    )
