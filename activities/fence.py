"""The fence of calls that a replaced attempt, or an execution that has ended, must not send."""

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import heartbeat_details
from aws.drs.gathered_reads import GatheredReads
from aws.errors import AwsError, AwsErrorKind
from contract.identifiers import EXECUTION_ID_KEY, STATUS_KEY, plan_id_of, plan_workflow_id
from recovery.base_model import Model
from recovery.execution.state import PlanStatus

# A call is sent within this time after Temporal confirmed that the attempt is the current one, or
# not at all. With the time to connect and the call's read timeout, this is less than the time until
# a next attempt has started and searched for the job of a launch.
FENCE_SECONDS = 10.0
_FINAL = [each for each in PlanStatus if each not in (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)]


async def confirm_attempt(details: Model | None = None) -> float:
    """Have Temporal confirm that this attempt is the current one.

    A worker without a connection may have been replaced without noticing.

    Args:
        details: the heartbeat details.

    Returns:
        The time (`time.monotonic`) after which the call must not be sent.

    Raises:
        AwsError: it was not confirmed, or was cancelled, so nothing may be sent.
    """
    not_after = time.monotonic() + FENCE_SECONDS
    token = activity.info().task_token
    handle = activity.client().get_async_activity_handle(task_token=token)
    try:
        await handle.heartbeat(
            *([heartbeat_details(details)] if details else []),
            rpc_timeout=timedelta(seconds=FENCE_SECONDS),
        )
    except AsyncActivityCancelledError as cancelled:
        # The cancellation (or a pause or reset by an operator in Temporal) has not reached
        # this attempt yet; until then, a CancelledError of our own would count as a failure.
        raise AwsError(
            AwsErrorKind.THROTTLED, "the activity was cancelled, so nothing was sent"
        ) from cancelled
    except RPCError as error:
        raise AwsError(
            AwsErrorKind.THROTTLED,
            f"Temporal did not confirm the attempt, so nothing was sent: {error.message}",
        ) from error
    return not_after


class Fence:
    """Confirms the attempt again and again, for many calls one after another."""

    def __init__(self) -> None:
        self._not_after = 0.0
        self._confirming = asyncio.Lock()

    async def not_after(self) -> float:
        """The time (`time.monotonic`) after which the next call must not be sent.

        Raises:
            AwsError: the attempt was not confirmed.
        """
        async with self._confirming:
            if time.monotonic() > self._not_after - FENCE_SECONDS / 2:
                self._not_after = await confirm_attempt()
            return self._not_after


async def ended_executions(execution_ids: Iterable[str]) -> set[str]:
    """Which of these executions are no longer open; see `is_plan_open`.

    Raises:
        AwsError: Temporal does not say, so nothing may be sent.
    """
    ids = list(dict.fromkeys(execution_ids))
    is_open = await asyncio.gather(*(is_plan_open(plan_id_of(each), each) for each in ids))
    return {each for each, still in zip(ids, is_open, strict=True) if not still}


async def is_plan_open(plan_id: str, execution_id: str) -> bool:
    """Whether the plan's workflow runs this execution, also as a run that a reset began.

    It is not open any more once its status is final.

    A wave's workflow outlives its plan's, which an operator may have terminated in Temporal.

    Raises:
        AwsError: Temporal does not say, so nothing may be sent.
    """
    return await _looks(plan_id, execution_id).get()


@lru_cache(1000)
def _looks(plan_id: str, execution_id: str) -> GatheredReads[str, bool]:
    """Hundreds of a plan's waves end at once, and Temporal is busy with what they report to it."""
    return GatheredReads(lambda _: _look(plan_id, execution_id))


async def _look(plan_id: str, execution_id: str) -> bool:
    handle = activity.client().get_workflow_handle(plan_workflow_id(plan_id))
    try:
        described = await handle.describe(rpc_timeout=timedelta(seconds=FENCE_SECONDS))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise AwsError(
            AwsErrorKind.THROTTLED,
            f"Temporal does not say whether plan {plan_id} is open, so nothing was sent: "
            f"{error.message}",
        ) from error
    known = described.typed_search_attributes
    runs = described.status is WorkflowExecutionStatus.RUNNING
    # Its workflow records its end before it closes, which takes long while DynamoDB is away.
    has_ended = known.get(STATUS_KEY) in _FINAL
    return runs and not has_ended and known.get(EXECUTION_ID_KEY) == execution_id
