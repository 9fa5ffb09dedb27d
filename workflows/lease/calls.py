"""Calls of a lease's activities, which neither a cancellation nor a lasting error ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from contract.temporal import WATCH_TASK_QUEUE
    from workflows.activity_options import LAUNCH_RETRY

# The worker may not act in the target for a while.
_REFUSED_SECONDS = 300.0
T = TypeVar("T")


async def call_until_done(activity: Callable[..., Awaitable[T]], request: Any, summary: str) -> T:
    """Call an activity until it returns.

    Whoever cancels a drill, or this workflow, still wants the templates restored.
    """
    while True:
        try:
            return await workflow.execute_activity_method(
                activity,
                request,
                task_queue=WATCH_TASK_QUEUE,
                summary=summary[:100],
                start_to_close_timeout=timedelta(hours=24),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=LAUNCH_RETRY,
            )
        except asyncio.CancelledError:
            workflow.logger.info("A cancelled lease goes on until all is restored")
        except ActivityError as error:
            if is_cancelled_exception(error):
                workflow.logger.info("A cancelled lease goes on until all is restored")
                continue
            workflow.logger.error("%s failed: %s", summary, error)
            await _pause()


async def _pause() -> None:
    try:
        await workflow.sleep(_REFUSED_SECONDS, summary="Try again after an error that lasts")
    except asyncio.CancelledError:
        workflow.logger.info("A cancelled lease goes on until all is restored")
