"""Putting back what a step replaced, in a workflow of its own so that it is recorded."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.steps.reverting import RevertActivities
    from contract.steps import RevertResult, StartRevert
    from contract.temporal import STEP_TASK_QUEUE
    from workflows.activity_options import READ_RETRY
    from workflows.versioning import LONG_LIVED

_TIMEOUT = timedelta(minutes=10)


@workflow.defn(versioning_behavior=LONG_LIVED)
class RevertStepWorkflow:
    """Looks at what a step replaced and, if that was confirmed, puts it back."""

    @workflow.run
    async def run(self, start: StartRevert) -> RevertResult:
        """Look, or put back.

        Raises:
            ActivityError: it is refused, or could not be done in 10 minutes.
        """
        return await workflow.execute_activity_method(
            RevertActivities.revert_step,
            start,
            task_queue=STEP_TASK_QUEUE,
            summary=f"{'Put back' if start.view else 'Look at'} {start.step}",
            schedule_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
