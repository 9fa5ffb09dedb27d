"""The task queues that the workers serve, and the time-outs of calls to Temporal."""

from datetime import timedelta

from temporalio.common import Priority

TASK_QUEUE = "drs-waves"
WATCH_TASK_QUEUE = "drs-waves-watch"
HISTORY_TASK_QUEUE = "drs-waves-history"
NOTIFY_TASK_QUEUE = "drs-waves-notify"
STEP_TASK_QUEUE = "drs-waves-steps"
# Looks of schedules: with slots of their own, they hold nothing else back.
READINESS_TASK_QUEUE = "drs-waves-readiness"
TASK_QUEUES = (
    TASK_QUEUE,
    WATCH_TASK_QUEUE,
    HISTORY_TASK_QUEUE,
    NOTIFY_TASK_QUEUE,
    STEP_TASK_QUEUE,
    READINESS_TASK_QUEUE,
)
# Polled by workers that have channels, so that those without know of them.
CHANNELS_TASK_QUEUE = "drs-waves-channels"

CONNECT_SECONDS = 10.0
RPC_TIMEOUT = timedelta(seconds=10)
# A worker may answer a query by replaying the history, which takes seconds for 1,000 waves.
REPLAY_TIMEOUT = timedelta(seconds=60)
# An update has no limit of its own: the SDK repeats it until a worker answers.
UPDATE_SECONDS = 10.0
# A workflow task of a plan of 1,000 waves takes seconds.
PLAN_TASK_TIMEOUT = timedelta(seconds=60)

# In a burst, tasks wait in their queue. Then the launcher's come first: all waves wait for it; then
# those of plans, which start waves. Lower is earlier, and 3 is the default.
LAUNCHER_PRIORITY = Priority(priority_key=1)
PLAN_PRIORITY = Priority(priority_key=2)
WAVE_PRIORITY = Priority(priority_key=3)
