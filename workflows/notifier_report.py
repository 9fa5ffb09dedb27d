"""Reports to the notifier."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.notify.notify_activities import NotifyActivities
    from contract.notify import NotifyReport
    from contract.temporal import NOTIFY_TASK_QUEUE
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.plan.model import PlanChannel
    from workflows.activity_options import WRITE_RETRY

_REPORT_SECONDS = 24 * 3600.0


async def report(
    update: NotifyUpdate,
    channels: Sequence[PlanChannel],
    *,
    within_seconds: float = _REPORT_SECONDS,
) -> bool:
    """Report to the notifier; a report that fails for too long, by default a day, is dropped.

    Args:
        update: what happened.
        channels: those that the plan names.
        within_seconds: until when it is tried again.

    Returns:
        Whether the notifier has it; False also if there is none, as no worker has channels.
    """
    try:
        is_heard: bool = await workflow.execute_activity_method(
            NotifyActivities.report,
            NotifyReport(update=update, plan_channels=list(channels)),
            task_queue=NOTIFY_TASK_QUEUE,
            summary="Report to the notifier",
            schedule_to_close_timeout=timedelta(seconds=within_seconds),
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=WRITE_RETRY,
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.error("Reporting failed: %s", error)
        return False
    return is_heard
