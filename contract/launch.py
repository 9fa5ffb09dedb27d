"""A launch of a wave's servers: its request, its result, and what is reported until then."""

from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server, Target


class LaunchAnswer(Model):
    """An operator's answer to whether DRS has a launch's job.

    Attributes:
        launch_id: the launch that is meant.
        job_id: the job to adopt; None: there is none, launch.
    """

    launch_id: str = ""
    job_id: str | None = None


class LaunchRequest(Model):
    """Servers of one wave that are launched by one job, alone or together with others.

    Attributes:
        launch_id: its tag on the job, fixed in Temporal's history before the call.
        since: epoch seconds before which no job of this launch can exist.
        requested_time: when the wave first asked for it (epoch seconds).
        relaunch: servers that may be launched although a live recovery instance is lost.
        possibly_sent: an earlier attempt, or an earlier run that was reset, may have sent it.
        answer: an operator's answer about its job.
        wave_workflow_id: the wave's workflow, which gets the result.
    """

    launch_id: str
    target: Target
    servers: list[Server]
    is_drill: bool
    since: float
    requested_time: float | None = None
    relaunch: list[str] = []
    possibly_sent: bool = False
    answer: LaunchAnswer | None = None
    wave_workflow_id: str

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The source servers to launch."""
        return tuple(s.source_server_id for s in self.servers)


class LaunchResult(Model):
    """What became of a launch.

    Attributes:
        job_id: its own job; None if it needed none, or DRS accepted none.
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
    """Signal to a wave: one of its launches waits, and for what."""

    launch_id: str
    waiting_for: WaitingFor
    reason: str


class LaunchesSettled(Model):
    """Signal to a wave: the results of its launches, or that the launcher has dropped them.

    Attributes:
        withdrawn: launch IDs of those that the launcher no longer has.
        in_doubt: whether DRS may have a job of the withdrawn ones all the same.
    """

    results: list[LaunchResult] = []
    withdrawn: list[str] = []
    in_doubt: bool = False


class BatchRequest(Model):
    """Launches of one target and execution type that one job is asked for.

    Attributes:
        jobs_read_after: DRS's jobs must have been read then or later (epoch seconds).
    """

    requests: list[LaunchRequest]
    jobs_read_after: float


class BatchProgress(Model):
    """Signal to the launcher, from a batch that it runs: what its launches wait for."""

    waiting: list[LaunchWaiting] = []


class PostponedLaunch(LaunchWaiting):
    """A launch that DRS, or another job, does not allow yet.

    Attributes:
        job_ids: the jobs that must end first, where they are known.
    """

    job_ids: list[str] = []


class BatchResult(Model):
    """What became of a batch. Launches that it does not name were not sent, or are in doubt.

    Attributes:
        job_id: its own job, if it got one.
        split: DRS refused the call because of one of the launches, it is not known which.
        in_doubt: whether DRS may have a job of the launches that are not named.
    """

    job_id: str | None = None
    results: list[LaunchResult] = []
    postponed: list[PostponedLaunch] = []
    split: bool = False
    in_doubt: bool = False


class LaunchHeartbeat(Model):
    """What an attempt leaves to the next, in its heartbeat.

    Attributes:
        unanswered: StartRecovery was sent and its answer is not known.
        sent_time: when it was sent (epoch seconds).
        searched_seconds: for how long the job of such a call has been looked for. Counted, not
            taken from clocks, because those may jump.
        guard_unread_since: since when live instances cannot be read (epoch seconds).
        reported: the reason that the launcher was given last.
    """

    unanswered: bool = True
    sent_time: float | None = None
    searched_seconds: float = 0.0
    guard_unread_since: float | None = None
    reported: str = ""


class ReviewRequest(Model):
    """The servers of a wave whose earlier launches are looked up.

    Attributes:
        launch_prefixes: how the launch IDs of the earlier attempts begin.
        own_prefix: how those of this execution begin; other jobs are taken over.
        since: epoch seconds before which there were none.
    """

    target: Target
    servers: list[ServerResult]
    launch_prefixes: list[str]
    is_drill: bool
    since: float
    own_prefix: str = ""


class ReviewProgress(Model):
    """Signal to a wave, from the review that it runs: why that has not ended yet."""

    reason: str
