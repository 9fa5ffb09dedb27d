"""What the watchdog sees at one time. Times are epoch seconds."""

from recovery.base_model import Model
from recovery.notify.notifier_state import NotifierState


class ObservedWorkflow(Model):
    """A running workflow of an execution, as Temporal describes it without a worker.

    Attributes:
        name: its execution or, if it has none, its workflow ID.
        task_since: when its pending workflow task was first scheduled; None if none is pending.
        task_attempts: how often a worker took that task.
        activity: the type of the pending activity with the most attempts.
        activity_attempts: how many these are.
        activity_error: of the last one.
    """

    name: str
    task_since: float | None = None
    task_attempts: int = 0
    activity: str = ""
    activity_attempts: int = 0
    activity_error: str = ""


class Observation(Model):
    """What the watchdog sees.

    Attributes:
        temporal: why Temporal cannot be used; then nothing is known but the tables.
        tables: why a table cannot be used, by its name.
        worker: why no worker starts an execution; then nothing is known of what workers do.
        idle_queues: task queues that running executions need, and no worker polls.
        launchers: why a launcher does not proceed, by its workflow ID.
        workflows: the running workflows of executions.
        notifier: its state; None if it does not run or does not answer.
        notifier_problem: why it does not send.
        leases: since when drills have launch templates, by the workflow ID of their lease.
        stale_plans: since when nobody has looked at registered plans that are to be looked at, by
            PlanId; None: that could not be read.
        missed_drills: when scheduled drills were to start that Temporal did not start, by PlanId.
    """

    time: float
    temporal: str | None = None
    tables: dict[str, str] = {}
    worker: str | None = None
    idle_queues: list[str] = []
    launchers: dict[str, str] = {}
    workflows: list[ObservedWorkflow] = []
    notifier: NotifierState | None = None
    notifier_problem: str | None = None
    leases: dict[str, float] = {}
    stale_plans: dict[str, float] | None = None
    missed_drills: dict[str, float] = {}
