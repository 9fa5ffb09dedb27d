"""The call that launches a batch."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch.launch_activities import LaunchActivities
    from contract.launch import BatchRequest, BatchResult
    from workflows.activity_options import LAUNCH_RETRY


class PlainBatch:
    """The launch of a batch that isolates no server."""

    def __init__(self, request: BatchRequest) -> None:
        self._call = start_launch(request)

    def cancel(self) -> None:
        """Stop: what is not sent yet is not sent."""
        self._call.cancel()

    async def run(self) -> BatchResult:
        """Launch."""
        return await launched(self._call)


async def launched(call: workflow.ActivityHandle[BatchResult]) -> BatchResult:
    """The result of a launch; in doubt if it was cancelled before it returned one."""
    try:
        return await call
    except (ActivityError, asyncio.CancelledError):
        return BatchResult(in_doubt=True)


def start_launch(request: BatchRequest) -> workflow.ActivityHandle[BatchResult]:
    """Start the activity that starts the batch's job; a cancellation waits for its result."""
    servers = sum(len(each.server_ids) for each in request.requests)
    waves = {each.wave_workflow_id for each in request.requests}
    return workflow.start_activity_method(
        LaunchActivities.launch_batch,
        request,
        summary=f"Launch {servers} servers of {len(waves)} waves",
        start_to_close_timeout=timedelta(minutes=10),
        heartbeat_timeout=heartbeat_timeout(),
        retry_policy=LAUNCH_RETRY,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )
