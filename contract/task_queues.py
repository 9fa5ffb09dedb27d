"""The task queues that the workers serve."""

TASK_QUEUE = "drs-waves"
WATCH_TASK_QUEUE = "drs-waves-watch"
HISTORY_TASK_QUEUE = "drs-waves-history"
NOTIFY_TASK_QUEUE = "drs-waves-notify"
STEP_TASK_QUEUE = "drs-waves-steps"
TASK_QUEUES = (
    TASK_QUEUE,
    WATCH_TASK_QUEUE,
    HISTORY_TASK_QUEUE,
    NOTIFY_TASK_QUEUE,
    STEP_TASK_QUEUE,
)
