"""The fence of calls that a replaced or cancelled attempt must not send."""

import asyncio
import time
from datetime import timedelta

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

from activities.heartbeat import heartbeat_details
from aws.errors import AwsError, AwsErrorKind
from recovery.base_model import Model

# A call is sent within this time after Temporal confirmed that the attempt is the current one, or
# not at all. With the time to connect and the call's read timeout, this is less than the time until
# a next attempt has started and searched for the job of a launch.
FENCE_SECONDS = 10.0


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
