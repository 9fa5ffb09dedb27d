"""Heartbeats during an activity's work, so that a slow call is not taken for a lost worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio import activity

from recovery.base_model import Model
from settings import get_settings

HEARTBEATS_PER_TIMEOUT = 5
SLOW_HEARTBEATS_PER_TIMEOUT = 2.5


def heartbeat_timeout() -> timedelta:
    """The time without a heartbeat after which Temporal starts another attempt.

    Workflow code may call this: replay does not compare the timeouts of activities.
    """
    return timedelta(seconds=get_settings().heartbeat_timeout_seconds)


def heartbeat_interval() -> timedelta:
    """The interval of heartbeats, and so of the delivery of a cancellation."""
    return heartbeat_timeout() / HEARTBEATS_PER_TIMEOUT


def slow_heartbeat_interval() -> float:
    """Seconds between heartbeats of hundreds of activities that wait for hours."""
    return heartbeat_timeout().total_seconds() / SLOW_HEARTBEATS_PER_TIMEOUT


@asynccontextmanager
async def heartbeating(
    details: Callable[[], Model | None] | None = None, *, interval: float | None = None
) -> AsyncIterator[None]:
    """Send a heartbeat with the current `details` every few seconds until the block ends.

    Args:
        details: what the next attempt reads; if given, the first heartbeat is sent at once.
        interval: seconds between heartbeats; default: those of `heartbeat_interval`.
    """
    pause = heartbeat_interval().total_seconds() if interval is None else interval

    async def send() -> None:
        if details is None:
            # Most blocks end before, without the cost of one.
            await asyncio.sleep(pause)
        while True:
            send_heartbeat(details() if details else None)
            await asyncio.sleep(pause)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


def send_heartbeat(details: Model | None) -> None:
    """Send one heartbeat; the next attempt reads its details."""
    if details is None:
        activity.heartbeat()
    else:
        activity.heartbeat(heartbeat_details(details))


def heartbeat_details(details: Model) -> dict[str, Any]:
    """A model as heartbeat details."""
    return details.model_dump(mode="json", exclude_none=True)
