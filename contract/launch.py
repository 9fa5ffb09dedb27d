"""What a launch is asked with, what becomes of it, and what it remembers between attempts."""

import time

from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.plan.model import Server, Target


class LaunchAnswer(Model):
    """An operator's answer to whether DRS has a launch's job.

    Attributes:
        job_id: the job to adopt; None: there is none, launch.
    """

    job_id: str | None = None


class LaunchRequest(Model):
    """Servers of one wave that are launched by one job, alone or with others'.

    Attributes:
        launch_id: its tag on the job, fixed in Temporal's history before the call.
        since: epoch seconds before which no job of this launch can exist.
        wanted_since: since when the wave has wanted it (epoch seconds).
        relaunch: servers that may be launched although a live recovery instance would be lost.
        maybe_asked: somebody before, such as an earlier run of the wave from before a reset, may
            have asked.
        answer: what an operator said about its job.
        wave_workflow_id: the wave's workflow, to be told; None where it runs the launch itself.
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
    wave_workflow_id: str | None = None

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The source servers to launch."""
        return tuple(s.source_server_id for s in self.servers)

    def failed(self, reason: str) -> "LaunchResult":
        """This launch, failed for `reason`."""
        now = time.time()
        return LaunchResult(
            launch_id=self.launch_id,
            servers=[
                ServerResult(source_server_id=s.source_server_id, impact=s.impact).failed(
                    reason, at=now
                )
                for s in self.servers
            ],
        )


class LaunchResult(Model):
    """What became of a launch.

    Attributes:
        job_id: its own job; None when none was needed, or DRS took none.
        accepted_time: when DRS created the job, or servers were taken over (epoch seconds); None
            when there is nothing to watch.
        servers: every server of the request: of a job, or failed with the reason.
    """

    launch_id: str = ""
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


class LaunchSettled(Model):
    """Signal to the wave: what became of launches that it wanted.

    Attributes:
        withdrawn: launch IDs of those that are not launched any more, as it asked.
        in_doubt: whether DRS may have got a job of the withdrawn ones all the same.
    """

    results: list[LaunchResult] = []
    withdrawn: list[str] = []
    in_doubt: bool = False


class PackRequest(Model):
    """Launches of one place and mode that are asked for as one job.

    Attributes:
        seen_time: DRS's jobs are looked at as they were then, or later (epoch seconds).
    """

    requests: list[LaunchRequest]
    seen_time: float


class Postponed(Model):
    """A launch that DRS, or a job of others, does not allow yet.

    Attributes:
        job_ids: the jobs that must end first, where they are known.
    """

    launch_id: str
    trouble: str
    reason: str
    job_ids: list[str] = []


class PackAnswer(Model):
    """What became of a pack. Launches that it does not name were not asked for, or are in doubt.

    Attributes:
        job_id: its own job, if it got one.
        settled: launch IDs of those whose waves were told the result.
        divide: the call was refused for what one of them asks for, it is not known which.
        in_doubt: whether DRS may have got a job of those that are not named.
    """

    job_id: str | None = None
    settled: list[str] = []
    postponed: list[Postponed] = []
    divide: bool = False
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
