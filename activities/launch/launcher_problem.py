"""Why a launcher makes no launches, as Temporal shows it without a worker."""

import time

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

# More than a killed worker's tasks take to reach another one.
_STUCK_SECONDS = 30.0
LOST = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.CANCELED,
)


def launcher_problem(described: WorkflowExecutionDescription) -> str | None:
    """What is wrong with a launcher and what to do about it; None if nothing is."""
    launcher = f"the launcher {described.id}"
    if described.status in LOST:
        return (
            f"{launcher} is {described.status.name}. The waves that wait for it start it again "
            "within 5 minutes"
        )
    task = described.raw_description.pending_workflow_task
    since = pending_task_since(described)
    seconds = time.time() - (since or 0.0)
    if since is None or seconds < _STUCK_SECONDS:
        return None
    if task.attempt > 1:
        return (
            f"{launcher} has failed for {seconds:.0f} s ({task.attempt} attempts). See the "
            "worker's log; if it does not recover: `temporal workflow terminate --workflow-id "
            f"{described.id}`, and its waves start it again"
        )
    return f"no worker has taken the task of {launcher} for {seconds:.0f} s. Start a worker"


def pending_task_since(described: WorkflowExecutionDescription) -> float | None:
    """Since when a workflow's task waits or fails (epoch seconds); None if none is pending."""
    task = described.raw_description.pending_workflow_task
    since = task.original_scheduled_time.ToSeconds() or task.scheduled_time.ToSeconds()
    return float(since) if since else None
