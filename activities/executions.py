"""Reads and awaits other workflows."""

import asyncio

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import heartbeating
from contract.execution import ExecutionEndRequest
from contract.identifiers import EXECUTION_ID_KEY
from contract.wave import WaveOutcome
from recovery.execution.wave import WaveReport


class ExecutionActivities:
    """The activities that read and await other workflows."""

    @activity.defn
    async def read_wave(self, workflow_id: str) -> WaveReport:
        """Read a wave's whole report from its own workflow, running or closed."""
        handle = activity.client().get_workflow_handle(workflow_id)
        async with heartbeating():
            report: WaveReport = await handle.query("report", result_type=WaveReport)
        return report

    @activity.defn
    async def await_wave(self, workflow_id: str) -> WaveOutcome | None:
        """Await the end of a wave's workflow that is no longer a child of the caller.

        Returns:
            The outcome from the wave's workflow; None if it closed without one
            (if it was terminated, for example).
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
            # The outcome has no servers; the reports have them, but a reset may have lost some.
            report: WaveReport = await handle.query("report", result_type=WaveReport)
        return outcome.model_copy(update={"wave": report.wave, "outputs": report.outputs})

    @activity.defn
    async def await_execution_end(self, request: ExecutionEndRequest) -> None:
        """Await the end of an execution; an execution unknown to Temporal counts as ended."""
        client = activity.client()
        async with heartbeating():
            while True:
                handle = client.get_workflow_handle(request.workflow_id)
                try:
                    described = await handle.describe()
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:
                        return
                    raise
                runs = described.status is WorkflowExecutionStatus.RUNNING
                attributes = described.typed_search_attributes
                if not runs or attributes.get(EXECUTION_ID_KEY) != request.execution_id:
                    return
                await asyncio.sleep(request.poll_seconds)
