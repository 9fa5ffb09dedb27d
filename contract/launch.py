"""Launches of a wave's servers: requests, results and signals."""

from collections.abc import Iterable, Mapping

from contract.launch_settings.lease import GuardInput, Isolation
from recovery.access.grants import SignedRequest
from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaitingFor
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.launch.queue import LaunchQueueState
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.plan.model import Server, Target


class LaunchAnswer(Model):
    """An operator's answer to whether DRS has a launch's job.

    Attributes:
        launch_id: the launch.
        job_id: the job to adopt; None: launch, DRS has no job.
        signed: the operator's signed message.
    """

    launch_id: str = ""
    job_id: str | None = None
    signed: SignedRequest | None = None


class LaunchRequest(Model):
    """Servers of one wave that one job launches, alone or with other launches.

    Attributes:
        launch_id: its tag on the job, recorded in Temporal's history before the call.
        since: no job of this launch is older (epoch seconds).
        requested_time: when the wave first requested it (epoch seconds).
        relaunch: servers that may be launched although this destroys a live recovery instance.
        possibly_sent: an earlier attempt, or an earlier run that was reset, may have sent it.
        by_plan: the plan requested it, so its wave may not have started yet. If the wave has
            withdrawn it already, it is not queued.
        answer: an operator's answer about its job.
        wave_workflow_id: the wave's workflow, which gets the result.
        acting_for: the execution and actor that sessions in AWS are named after.
        drill_settings: by server, the launch settings that isolate a drill; the servers that it
            does not isolate are absent.
        drill_subnets: of a recovery: where the plan's drills launch.
    """

    launch_id: str
    target: Target
    servers: list[Server]
    is_drill: bool
    since: float
    requested_time: float | None = None
    relaunch: list[str] = []
    possibly_sent: bool = False
    by_plan: bool = False
    answer: LaunchAnswer | None = None
    wave_workflow_id: str
    acting_for: SessionIdentity | None = None
    drill_settings: dict[str, ServerLaunchSettings] = {}
    drill_subnets: list[str] = []

    @property
    def execution_id(self) -> str:
        """Its execution, by its launch ID."""
        return self.launch_id.partition("/")[0]

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The source servers to launch."""
        return tuple(s.source_server_id for s in self.servers)


class LaunchResult(Model):
    """The result of a launch.

    Attributes:
        job_id: its own job; None if it needed none, or DRS did not accept it.
        accepted_time: when DRS created the job, or servers were taken over (epoch seconds); None
            if there is nothing to watch.
        servers: every server of the request: with its job, or FAILED with the reason.
    """

    launch_id: str
    account_id: str | None = None
    job_id: str | None = None
    accepted_time: float | None = None
    servers: list[ServerResult]


class LaunchWaiting(Model):
    """Signal to a wave: what one of its launches waits for, or all if no launch is named."""

    launch_id: str
    waiting_for: WaitingFor
    reason: str


class LaunchesSettled(Model):
    """Signal to a wave: its launches are settled, or withdrawn from the launcher's queue.

    Attributes:
        withdrawn: launch IDs that the launcher no longer has.
        in_doubt: whether DRS may have a job of the withdrawn launches.
    """

    results: list[LaunchResult] = []
    withdrawn: list[str] = []
    in_doubt: bool = False


class BatchRequest(Model):
    """Launches of one target and execution type that are sent as one job.

    Attributes:
        jobs_read_after: DRS's jobs must be read at this time or later (epoch seconds).
        lease_id: of a drill that isolates servers: names its lease.
        isolation: how far they are isolated.
    """

    requests: list[LaunchRequest]
    jobs_read_after: float
    lease_id: str = ""
    isolation: Isolation | None = None


class BatchProgress(Model):
    """Signal to the launcher, from its running batch: what launches wait for.

    Attributes:
        uses_quota: whether DRS may have a job of the batch that it does not list yet.
    """

    waiting: list[LaunchWaiting] = []
    uses_quota: bool = True


class PostponedLaunch(LaunchWaiting):
    """A launch that must wait for a quota or another job.

    Attributes:
        job_ids: the jobs that must end first, if known.
    """

    job_ids: list[str] = []


class BatchResult(Model):
    """The result of a batch. Launches that it does not name were not sent, or are in doubt.

    Attributes:
        job_id: its own job, if any.
        split: DRS refused the call because of one launch, but did not name it.
        in_doubt: whether DRS may have a job of the launches that are not named.
        sent_to: the workflow IDs of the waves that know these results already.
        guard: of a recovery, near which a drill's launch settings were: what keeps them away.
    """

    job_id: str | None = None
    results: list[LaunchResult] = []
    postponed: list[PostponedLaunch] = []
    split: bool = False
    in_doubt: bool = False
    sent_to: list[str] = []
    guard: GuardInput | None = None


def settled_by_wave(
    results: Iterable[LaunchResult], requests: Mapping[str, LaunchRequest]
) -> dict[str, LaunchesSettled]:
    """The results for each wave, by its workflow ID; `requests` by launch ID."""
    settled: dict[str, LaunchesSettled] = {}
    for each in results:
        wave = requests[each.launch_id].wave_workflow_id
        settled.setdefault(wave, LaunchesSettled()).results.append(each)
    return settled


class SendResults(Model):
    """Results for waves that may not have started yet, by their workflow IDs."""

    settled: dict[str, LaunchesSettled]


class LaunchHeartbeat(Model):
    """The heartbeat details of a launch, which the next attempt reads.

    Attributes:
        unanswered: StartRecovery may have been sent, and no response was received.
        sent_time: when it was sent (epoch seconds).
        searched_seconds: for how long the job of such a call has been searched. Counted, because
            clocks may jump.
        guard_unread_since: when reading live instances first failed (epoch seconds).
        failing_since: when an attempt first failed for what may pass (epoch seconds).
        reported: the reason that was signaled to the launcher last.
    """

    unanswered: bool = True
    sent_time: float | None = None
    searched_seconds: float = 0.0
    guard_unread_since: float | None = None
    failing_since: float | None = None
    reported: str = ""


class ReviewRequest(Model):
    """The servers of a wave whose earlier launches are reviewed.

    Attributes:
        launch_prefixes: the prefixes of the launch IDs of earlier attempts.
        own_prefix: the prefix of this execution's launch IDs; other jobs are taken over.
        since: no earlier launch is older (epoch seconds).
        acting_for: the execution and actor that sessions in AWS are named after.
    """

    target: Target
    servers: list[ServerResult]
    launch_prefixes: list[str]
    is_drill: bool
    since: float
    own_prefix: str = ""
    acting_for: SessionIdentity | None = None


class ReviewProgress(Model):
    """Signal to a wave, from its running review: why the review has not ended."""

    reason: str


class WaveLaunches(Model):
    """The launches of a wave that are requested from the launcher.

    Attributes:
        priority: the plan's; 1 is the highest.
        remaining_seconds: how long the plan still takes, along its longest chain.
        rto_launch_time: when it must be sent for the plan to meet its RTO (epoch seconds), if any.
        launch_before: the plan's deadline (epoch seconds).
    """

    requests: list[LaunchRequest]
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    rto_launch_time: float | None = None
    launch_before: float


class QueueLaunches(Model):
    """Signal to the launcher: a wave requests launches, or a plan those of many waves at once.

    Attributes:
        waves: those with launches, all of one target.
        is_repeated: a plan that was reset requests them again, which changes nothing: its waves
            request theirs, or have.
    """

    waves: list[WaveLaunches]
    is_repeated: bool = False

    @property
    def requests(self) -> list[LaunchRequest]:
        """The launches of all waves."""
        return [request for wave in self.waves for request in wave.requests]


class WithdrawLaunches(Model):
    """Signal to the launcher: a wave withdraws launches."""

    wave_workflow_id: str
    launch_ids: list[str]


class LauncherInput(Model):
    """Input of the launcher; all but its account and Region come from its previous run.

    Attributes:
        withdrawn_ahead: launches that their waves withdrew before a plan queued them.
        max_history_events: the number of events after which it continues as new, if Temporal does
            not suggest it earlier.
    """

    account_id: str
    region: str
    requests: list[LaunchRequest] = []
    answers: list[LaunchAnswer] = []
    queue: LaunchQueueState = LaunchQueueState()
    withdrawn_ahead: list[str] = []
    max_history_events: int = 8000


class RunningJobsRequest(Model):
    """Reads which jobs are running, now or after a change.

    Attributes:
        seen: the known running jobs; the result waits for a change. None: return at once.
        error: the known error, which ends no wait.
        accepted: accepted jobs; the result says which of them DRS lists.
        gather_polls: for how many poll intervals launches gather before jobs are read.
        waited_seconds: how much of that time has passed.
        has_drills: a drill's launch waits; the result has the recoveries that hold it back.
        recoveries: those that are known; the result waits for a change of them, too.
        recoveries_error: why they are not known.
    """

    target: Target
    seen: list[str] | None = None
    error: str = ""
    accepted: list[str] = []
    gather_polls: float = 0.0
    waited_seconds: float = 0.0
    has_drills: bool = False
    recoveries: list[str] = []
    recoveries_error: str = ""
