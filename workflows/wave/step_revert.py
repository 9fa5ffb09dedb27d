"""Putting back what a step replaced, in a workflow of its own so that it is recorded."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from activities.steps.reverting import RevertActivities
    from contract.steps import RevertResult, StartRevert
    from contract.temporal import HISTORY_TASK_QUEUE, STEP_TASK_QUEUE
    from recovery.history.record import HistoryRecord
    from recovery.steps.replaced import StepRevert
    from workflows.activity_options import READ_RETRY, WRITE_RETRY
    from workflows.versioning import LONG_LIVED

_TIMEOUT = timedelta(minutes=10)
# Somebody waits for the result; what it could not record is in Temporal's history and audit log.
_RECORD_TIMEOUT = timedelta(seconds=45)


@workflow.defn(versioning_behavior=LONG_LIVED)
class RevertStepWorkflow:
    """Looks at what a step replaced and, if that was confirmed, puts it back."""

    @workflow.run
    async def run(self, start: StartRevert) -> RevertResult:
        """Look, or put back and record that in the execution's history.

        Raises:
            ActivityError: it is refused, or could not be done in 10 minutes.
        """
        result = await workflow.execute_activity_method(
            RevertActivities.revert_step,
            start,
            task_queue=STEP_TASK_QUEUE,
            summary=f"{'Put back' if start.view else 'Look at'} {start.step}",
            schedule_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        if start.view is not None and not await _record(start, result):
            result.text += "; it could not be recorded in the history, which does not answer"
        return result


async def _record(start: StartRevert, result: RevertResult) -> bool:
    """Record what was put back; whether the history has it."""
    assert start.view is not None, "a look changes nothing"
    wave_id, _, step_id = start.step.partition("/")
    revert = StepRevert(
        wave_id=wave_id,
        step_id=step_id,
        actor=start.actor,
        actor_verified=result.actor_verified,
        time=workflow.time(),
        place=result.view.place,
        replaced=start.view.now,
        put_back=start.view.was,
        is_forced=start.view.now != start.view.set_to,
    )
    try:
        await workflow.execute_activity_method(
            HistoryActivities.record,
            HistoryRecord(execution_id=start.execution_id, reverts=[revert]),
            task_queue=HISTORY_TASK_QUEUE,
            summary=f"Record that {start.step} is put back"[:100],
            schedule_to_close_timeout=_RECORD_TIMEOUT,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=WRITE_RETRY,
        )
    except ActivityError as error:
        workflow.logger.error("Recording failed: %s", error)
        return False
    return True
