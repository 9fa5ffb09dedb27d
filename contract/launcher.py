"""What the launcher of an account and Region is started with and signalled."""

from contract.launch import LaunchAnswer, LaunchRequest
from recovery.base_model import Model
from recovery.launch.admission import DEFAULT_PRIORITY, Quotas, Wish


class WantLaunches(Model):
    """What a wave wants launched, and how urgently. The launcher takes it as a signal, too.

    Attributes:
        priority: the plan's, 1 the first.
        remaining: seconds that the plan takes from here on, along its longest chain.
        launch_before: when the plan's deadline passes (epoch seconds).
        quotas: what DRS allows, as the worker knows it.
        pause_seconds: between two looks at jobs, as the worker is set.
    """

    requests: list[LaunchRequest]
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    launch_before: float
    quotas: Quotas = Quotas()
    pause_seconds: float = 5.0


class StartLauncher(Model):
    """Input of the launcher's workflow; more of it is the launcher's own, from run to run."""

    account_id: str
    region: str


class Entry(Model):
    """A launch in the queue.

    Attributes:
        since: when it was first wanted here (epoch seconds).
        lane: launches of different lanes do not share a job.
        held_by: jobs that must end first.
        not_before: when it may be asked for again (epoch seconds).
        told: what its wave was told last of why it waits.
    """

    request: LaunchRequest
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    launch_before: float
    since: float
    lane: str = ""
    held_by: list[str] = []
    not_before: float = 0.0
    told: str = ""

    @property
    def launch_id(self) -> str:
        """What identifies it."""
        return self.request.launch_id

    @property
    def wish(self) -> Wish:
        """What admission needs of it."""
        request = self.request
        where = request.target
        return Wish(
            key=self.launch_id,
            servers=len(request.servers),
            group=f"{request.is_drill} {where.role_arn} {where.account_id} {self.lane}",
            priority=self.priority,
            remaining=self.remaining,
            since=self.since,
            wave=request.wave_workflow_id or "",
        )


class RecentJob(Model):
    """A job that DRS accepted and does not list yet."""

    job_id: str
    server_ids: list[str]
    time: float


class LauncherStart(StartLauncher):
    """Input of the launcher: more than where it works only if it continues an earlier run.

    Attributes:
        longest_history: events after which a new run is begun, if Temporal does not ask for it
            before.
    """

    entries: list[Entry] = []
    recent: list[RecentJob] = []
    quotas: Quotas = Quotas()
    pause_seconds: float = 5.0
    longest_history: int = 8000


class WithdrawLaunches(Model):
    """Signal to the launcher: a wave no longer wants launches."""

    wave_workflow_id: str
    launch_ids: list[str]


class AnswerLaunches(Model):
    """Signal to the launcher: whether DRS has the job of launches, as an operator says."""

    launch_ids: list[str]
    answer: LaunchAnswer
