"""Repairs an execution's history after its end, so that the plan need not wait for DynamoDB."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from contract.execution import ExecutionRun, HistoryRepair, StartExecution
    from contract.failures import FailureType
    from contract.identifiers import history_workflow_id, search_attributes
    from contract.temporal import HISTORY_TASK_QUEUE
    from workflows.activity_options import WRITE_RETRY
    from workflows.recorder import MAX_RECORD_SECONDS
    from workflows.versioning import LONG_LIVED


@workflow.defn(versioning_behavior=LONG_LIVED)
class HistoryRepairWorkflow:
    """Completes the history of one ended execution, for at most 24 hours.

    It holds no state of the execution: its activity queries the closed workflows of the plan and
    of its waves.
    """

    @workflow.run
    async def run(self, run: ExecutionRun) -> HistoryRepair:
        """Repair the history.

        Raises:
            ApplicationError: HistoryIncomplete, if some items could not be repaired.
            ActivityError: DynamoDB remained unavailable.
        """
        repair = await workflow.execute_activity_method(
            HistoryActivities.repair_history,
            run,
            task_queue=HISTORY_TASK_QUEUE,
            summary=f"Repair the history of {run.execution_id}",
            schedule_to_close_timeout=timedelta(seconds=MAX_RECORD_SECONDS),
            start_to_close_timeout=timedelta(minutes=15),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=WRITE_RETRY,
        )
        if repair.remaining:
            raise ApplicationError(
                f"{', '.join(repair.remaining)} of {run.execution_id} could not be repaired; run "
                f"`drs-waves history verify {run.execution_id}`",
                type=FailureType.HISTORY_INCOMPLETE,
                non_retryable=True,
            )
        return repair


async def start_history_repair(start: StartExecution) -> None:
    """Start the repair of an execution's history, even if the plan's workflow is cancelled now."""
    starting = asyncio.create_task(_start(start))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await starting


async def _start(start: StartExecution) -> None:
    """Start the repair, which outlives the plan's workflow."""
    info = workflow.info()
    try:
        await workflow.start_child_workflow(
            HistoryRepairWorkflow.run,
            ExecutionRun(
                execution_id=start.execution_id, workflow_id=info.workflow_id, run_id=info.run_id
            ),
            id=history_workflow_id(start.execution_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            static_summary=f"Repair the history of {start.execution_id}"[:190],
            search_attributes=search_attributes(
                start.plan.plan_id, start.execution_id, start.execution_type
            ),
        )
    except WorkflowAlreadyStartedError:
        # The plan was reset during a repair, whose attempts each query the plan's latest run.
        workflow.logger.info("The repair of the history is already running")
