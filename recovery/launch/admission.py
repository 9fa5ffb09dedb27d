"""Decides which servers may be launched now, and in which jobs, under DRS's quotas.

The input is what is queued, what is running and the quotas.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ConfigDict

from recovery.base_model import Model
from recovery.execution.wave import WaitingFor

DEFAULT_PRIORITY = 3
# Each launch of a job is a tag; AWS allows 50 tags per resource.
LAUNCHES_PER_JOB = 45
# A wave is launched in parts of this many servers, so that it can start when a quota is scarce.
SERVERS_PER_LAUNCH = 10
# Waves get jobs of their own out of this part of the free jobs, each time launches are admitted.
_SHARE_OF_FREE_JOBS = 6


class Quotas(Model):
    """DRS's quotas of one account and Region.

    Source: AWS's documentation of DRS quotas.

    Attributes:
        jobs: jobs in progress.
        servers: source servers in all jobs.
        servers_per_job: source servers in one job.
    """

    model_config = ConfigDict(frozen=True)

    jobs: int = 20
    servers: int = 500
    servers_per_job: int = 100


class QueuedLaunch(Model):
    """A launch in the queue.

    Attributes:
        wave: the wave's workflow; launches of one wave share a job if they fit.
        share_key: the execution type and target; only launches with the same key share a job.
        is_drill: a recovery's launches are sent before, and hold it back.
        possibly_sent: DRS may have its job already.
        queued_time: when it was queued (epoch seconds).
        priority: its plan's, 1 the first.
        remaining_seconds: how long its plan still takes, along the longest chain.
        rto_launch_time: when it must be sent for its plan to meet its RTO (epoch seconds), if the
            plan has one.
        is_rto_at_risk: that time has passed, as judged last.
        launch_before: its plan's deadline (epoch seconds).
        batch_key: launches of different batch keys do not share a job.
        blocked_by: jobs that must end before it.
        not_before: the earliest time to send it again (epoch seconds).
        reported: what it waits for, as last signaled to its wave.
        reported_reason: the same as text.
        reported_error: the error in it, if the running jobs could not be read.
        reported_behind_rto: whether it says that plans whose RTO is at risk go first.
    """

    launch_id: str
    server_ids: tuple[str, ...]
    wave: str
    share_key: str = ""
    is_drill: bool = False
    possibly_sent: bool = False
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    rto_launch_time: float | None = None
    is_rto_at_risk: bool = False
    launch_before: float
    queued_time: float
    batch_key: str = ""
    blocked_by: list[str] = []
    not_before: float = 0.0
    reported: WaitingFor | None = None
    reported_reason: str = ""
    reported_error: str = ""
    reported_behind_rto: bool = False

    @property
    def execution_id(self) -> str:
        """Its execution, by its launch ID."""
        return self.launch_id.partition("/")[0]

    @property
    def group(self) -> str:
        """Only launches of the same group share a job."""
        return f"{self.share_key} {self.batch_key}"

    @property
    def order(self) -> tuple[bool, int, bool, float, float, str, int, str]:
        """The sort key: recoveries, then the plan's priority, RTO at risk, the longest chain."""
        last = (-self.remaining_seconds, self.queued_time)
        # Launch IDs of one wave end with numbers, and 10 comes after 9.
        return *self.urgency, *last, self.wave, len(self.launch_id), self.launch_id

    @property
    def urgency(self) -> tuple[bool, int, bool]:
        """Launches of a lower one go first, whatever their chains."""
        return self.is_drill, self.priority, not self.is_rto_at_risk

    def judge_rto(self, now: float) -> None:
        """Judge whether the RTO of its plan is at risk."""
        self.is_rto_at_risk = self.rto_launch_time is not None and self.rto_launch_time <= now

    def separate(self) -> None:
        """Share a job with its own wave only; an isolated launch stays isolated."""
        if self.batch_key != self._own_key:
            self.batch_key = f"wave {self.wave} "

    def isolate(self) -> None:
        """Share a job with no other launch."""
        self.batch_key = self._own_key

    @property
    def _own_key(self) -> str:
        return f"launch {self.launch_id} "


@dataclass(eq=False)
class Batch:
    """Launches that are sent as one job.

    Attributes:
        withdrawn: launch IDs that their wave has withdrawn since.
        uses_quota: whether DRS has, or may get at any moment, a job of it. It does not while it
            waits for DRS to answer, or for an operator.
    """

    launches: list[QueuedLaunch]
    withdrawn: set[str] = field(default_factory=set)
    uses_quota: bool = True

    @property
    def server_ids(self) -> list[str]:
        """The servers that it launches."""
        return [i for launch in self.launches for i in launch.server_ids]

    @property
    def launch_ids(self) -> list[str]:
        """The IDs of its launches."""
        return [launch.launch_id for launch in self.launches]


def admit(
    launches: Iterable[QueuedLaunch], quotas: Quotas, *, jobs: int, servers: int
) -> list[Batch]:
    """Choose what to launch now, in which jobs.

    A few waves get jobs of their own, the fewer the fewer jobs are free. If there are more, all
    share as few jobs as possible: some are left for the next waves, and none waits behind the many
    calls that jobs of their own take. A launch is never overtaken by a later one that fits.

    Args:
        launches: the queued launches; one that fits into no job is sent when no job runs.
        quotas: DRS's quotas.
        jobs: the number of jobs in progress, of any client.
        servers: the number of source servers in them.
    """
    batches: list[Batch] = []
    queued = sorted(launches, key=lambda each: each.order)
    own = max(1, (quotas.jobs - jobs) // _SHARE_OF_FREE_JOBS)
    are_shared = len({launch.wave for launch in queued}) > own
    for launch in queued:
        in_jobs = servers + sum(len(batch.server_ids) for batch in batches)
        in_use = jobs + len(batches)
        is_idle = not in_use and not in_jobs
        if in_jobs + len(launch.server_ids) > quotas.servers and not is_idle:
            break
        batch = _find_batch(batches, launch, quotas, is_shared=are_shared)
        if batch is not None:
            batch.launches.append(launch)
        elif in_use >= quotas.jobs:
            break
        else:
            batches.append(Batch([launch]))
    return batches


def _find_batch(
    batches: Iterable[Batch], launch: QueuedLaunch, quotas: Quotas, *, is_shared: bool
) -> Batch | None:
    """The batch that a launch can join: its own wave's, else any if waves share jobs."""
    found = None
    for batch in batches:
        first = batch.launches[0]
        if (
            first.group == launch.group
            and len(batch.server_ids) + len(launch.server_ids) <= quotas.servers_per_job
            and len(batch.launches) < LAUNCHES_PER_JOB
        ):
            if any(each.wave == launch.wave for each in batch.launches):
                return batch
            found = found or (batch if is_shared else None)
    return found
