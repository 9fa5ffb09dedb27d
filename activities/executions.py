"""What workflows ask of Temporal itself."""

from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from recovery.execution import WaveOutcome, WaveState


class ExecutionActivities:
    """The activities that look at other workflows."""

    @activity.defn
    async def look_at_wave(self, workflow_id: str) -> WaveState:
        """Say how a wave stands by its own workflow, running or ended."""
        handle = activity.client().get_workflow_handle(workflow_id)
        async with heartbeating():
            wave: WaveState = await handle.query("status", result_type=WaveState)
        return wave

    @activity.defn
    async def follow_wave(self, workflow_id: str) -> WaveOutcome | None:
        """Await the end of a wave's workflow that is no child of the caller any more.

        Returns:
            The wave's outcome as its workflow told it, and None when it ended without one
            (terminated, say).
        """
        handle = activity.client().get_workflow_handle(workflow_id, result_type=WaveOutcome)
        async with heartbeating():
            try:
                outcome: WaveOutcome = await handle.result()
            except WorkflowFailureError as error:
                cause = error.cause
                if not isinstance(cause, ApplicationError) or not cause.details:
                    return None
                outcome = WaveOutcome.model_validate(cause.details[0])
            # The outcome leaves the servers to the reports, some of which a reset may have lost.
            wave: WaveState = await handle.query("status", result_type=WaveState)
        return outcome.model_copy(update={"wave": wave})
