"""The input, signals and requests of the launcher of an account and Region."""

from contract.launch import LaunchAnswer, LaunchRequest
from recovery.base_model import Model
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.launch.queue import LaunchQueueState
from recovery.plan.model import Target


class QueueLaunches(Model):
    """Signal to the launcher: a wave requests launches.

    Attributes:
        priority: the plan's; 1 is the highest.
        remaining_seconds: how long the plan still takes, along its longest chain.
        launch_before: the plan's deadline (epoch seconds).
    """

    requests: list[LaunchRequest]
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    launch_before: float


class WithdrawLaunches(Model):
    """Signal to the launcher: a wave withdraws launches."""

    wave_workflow_id: str
    launch_ids: list[str]


class LauncherInput(Model):
    """Input of the launcher; all but its account and Region come from its previous run.

    Attributes:
        max_history_events: the number of events after which it continues as new, if Temporal does
            not suggest it earlier.
    """

    account_id: str
    region: str
    requests: list[LaunchRequest] = []
    answers: list[LaunchAnswer] = []
    queue: LaunchQueueState = LaunchQueueState()
    max_history_events: int = 8000


class RunningJobsRequest(Model):
    """Reads which jobs are running, now or after a change.

    Attributes:
        seen: the known running jobs; the result waits for a change. None: return at once.
        error: the known error, which ends no wait.
        accepted: accepted jobs; the result says which of them DRS lists.
        gather_polls: for how many poll intervals launches gather before jobs are read.
        waited_seconds: how much of that time has passed.
    """

    target: Target
    seen: list[str] | None = None
    error: str = ""
    accepted: list[str] = []
    gather_polls: float = 0.0
    waited_seconds: float = 0.0
