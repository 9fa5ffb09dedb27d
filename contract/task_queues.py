"""The task queues that the workers serve."""

TASK_QUEUE = "drs-waves"
WATCH_TASK_QUEUE = "drs-waves-watch"
