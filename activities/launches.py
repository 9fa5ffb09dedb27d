"""What a launch is asked with, what becomes of it, and what it remembers between attempts."""

from activities.launch_search import Wanted
from recovery.execution import ServerResult
from recovery.model import Model
from recovery.plan import Server, Target


class LaunchAnswer(Model):
    """An operator's answer to whether DRS has a launch's job.

    Attributes:
        job_id: the job to adopt; None: there is none, launch.
    """

    job_id: str | None = None


class LaunchRequest(Model):
    """One job to ask for.

    Attributes:
        launch_id: the job's one identifying tag, fixed in Temporal's history before the call.
        since: epoch seconds before which no job of this launch can exist.
        wanted_since: since when the wave has wanted it (epoch seconds).
        relaunch: servers that may be launched although a live recovery instance would be lost.
        maybe_asked: an earlier run of the wave, from before a reset, may have asked.
        answer: what an operator said about its job.
    """

    launch_id: str
    target: Target
    servers: list[Server]
    is_drill: bool
    since: float
    wanted_since: float | None = None
    relaunch: list[str] = []
    maybe_asked: bool = False
    answer: LaunchAnswer | None = None

    @property
    def wanted(self) -> Wanted:
        """What to look for among DRS's jobs."""
        return Wanted(
            launch_id=self.launch_id,
            server_ids=tuple(s.source_server_id for s in self.servers),
            is_drill=self.is_drill,
            since=self.since if self.wanted_since is None else self.wanted_since,
            relaunch=tuple(self.relaunch),
        )


class LaunchResult(Model):
    """What became of a launch.

    Attributes:
        job_id: its own job; None when none was needed, or DRS took none.
        accepted_time: when DRS created the job, or servers were taken over (epoch seconds); None
            when there is nothing to watch.
        servers: every server of the request: of a job, or failed with the reason.
    """

    account_id: str | None = None
    job_id: str | None = None
    accepted_time: float | None = None
    servers: list[ServerResult]


class LaunchWaits(Model):
    """Signal to the wave: DRS has not accepted the launch yet, for this reason.

    Attributes:
        in_doubt: whether DRS has its job cannot be known; an operator must answer.
    """

    reason: str
    launch_id: str = ""
    in_doubt: bool = False


class LaunchMemory(Model):
    """What an attempt leaves to the next, in its heartbeat.

    Attributes:
        unanswered: StartRecovery was asked and its answer is not known.
        asked_time: when it was asked (epoch seconds).
        looked_seconds: for how long the job of such a call has been looked for. Counted, not
            taken from clocks, because those may jump.
        guard_unread_since: since when live instances cannot be read.
        told: what the wave was last told.
    """

    unanswered: bool = True
    asked_time: float | None = None
    looked_seconds: float = 0.0
    guard_unread_since: float | None = None
    told: str = ""
