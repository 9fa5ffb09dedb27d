"""What the launcher of an account and Region is started with, signalled and asks."""

from contract.launch import LaunchAnswer, LaunchRequest
from recovery.base_model import Model
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.launch.queue import LaunchQueueState
from recovery.plan.model import Target


class QueueLaunches(Model):
    """Signal to the launcher: a wave asks for launches.

    Attributes:
        priority: the plan's, 1 the first.
        remaining_seconds: how long the plan takes from here on, along its longest chain.
        launch_before: when the plan's deadline passes (epoch seconds).
    """

    requests: list[LaunchRequest]
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    launch_before: float


class WithdrawLaunches(Model):
    """Signal to the launcher: a wave takes launches back."""

    wave_workflow_id: str
    launch_ids: list[str]


class LauncherInput(Model):
    """Input of the launcher; more than where it works only if it continues an earlier run.

    Attributes:
        max_history_events: after so many events it continues as new, if Temporal does not suggest
            it earlier.
    """

    account_id: str
    region: str
    requests: list[LaunchRequest] = []
    answers: list[LaunchAnswer] = []
    queue: LaunchQueueState = LaunchQueueState()
    max_history_events: int = 8000


class RunningJobsRequest(Model):
    """Which jobs are running, and when to answer.

    Attributes:
        seen: the jobs that were running; the answer waits for a change. None: answer at once.
        accepted: jobs of which to say whether DRS lists them yet.
        gather_polls: for how many polls launches gather before DRS is asked.
        waited_seconds: how much of that time has passed.
    """

    target: Target
    seen: list[str] | None = None
    accepted: list[str] = []
    gather_polls: float = 0.0
    waited_seconds: float = 0.0
