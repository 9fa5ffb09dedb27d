"""The launches of one account and Region: which wait, which are sent together, and why one waits.

It knows nothing of Temporal or DRS: what DRS's jobs are goes in, batches and reasons come out.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from recovery.base_model import Model
from recovery.execution.wave import WaitingFor
from recovery.launch.admission import DEFAULT_PRIORITY, AdmissionRequest, Quotas, admit

# An accepted job that DRS has not listed after this time does not exist.
_UNLISTED_SECONDS = 300.0
# For how much of a poll launches gather that become ready together, and how many times longer when
# the last job of the quota is at stake. A hundred waves do not become ready at one moment; what
# finds no job left waits until one ends, which takes minutes.
MIN_GATHER_POLLS = 0.05
_MAX_GATHER_FACTOR = 60.0


class QueuedLaunch(Model):
    """A launch in the queue.

    Attributes:
        wave: the wave's workflow, whose launches go into one job where they fit.
        share_key: the execution type and target; only launches that agree in it share a job.
        possibly_sent: DRS may have its job already.
        queued_time: when it was queued (epoch seconds).
        batch_key: launches of different batch keys do not share a job.
        blocked_by: jobs that must end first.
        not_before: when it may be sent again (epoch seconds).
        reported: what its wave knows that it waits for.
        reported_reason: the same in words.
    """

    launch_id: str
    server_ids: tuple[str, ...]
    wave: str
    share_key: str = ""
    possibly_sent: bool = False
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    launch_before: float
    queued_time: float
    batch_key: str = ""
    blocked_by: list[str] = []
    not_before: float = 0.0
    reported: WaitingFor | None = None
    reported_reason: str = ""

    @property
    def admission(self) -> AdmissionRequest:
        """What admission needs of it."""
        return AdmissionRequest(
            key=self.launch_id,
            servers=len(self.server_ids),
            group=f"{self.share_key} {self.batch_key}",
            priority=self.priority,
            remaining_seconds=self.remaining_seconds,
            queued_time=self.queued_time,
            wave=self.wave,
        )

    def separate(self) -> None:
        """Have it share a job with its own wave only; one that is isolated stays so."""
        if self.batch_key != self._own_key:
            self.batch_key = f"wave {self.wave} "

    def isolate(self) -> None:
        """Have it share a job with no other launch."""
        self.batch_key = self._own_key

    @property
    def _own_key(self) -> str:
        return f"launch {self.launch_id} "


class AcceptedJob(Model):
    """A job that DRS accepted and does not list yet."""

    job_id: str
    server_ids: list[str]
    accepted_time: float


class RunningJobs(Model):
    """The jobs in progress in an account and Region, whoever started them.

    Attributes:
        time: when DRS was asked (epoch seconds).
        jobs: by job ID, how many source servers it holds.
        listed: those of the accepted jobs that DRS lists, in progress or over.
        quotas: what DRS allows.
        poll_seconds: how often the worker asks DRS.
    """

    time: float = 0.0
    jobs: dict[str, int] = {}
    listed: list[str] = []
    quotas: Quotas = Quotas()
    poll_seconds: float = 5.0


class LaunchQueueState(Model):
    """What one run of the launcher leaves to the next."""

    launches: list[QueuedLaunch] = []
    accepted: list[AcceptedJob] = []
    running: RunningJobs = RunningJobs()


@dataclass(eq=False)
class Batch:
    """Launches that one job is asked for.

    Attributes:
        withdrawn: launch IDs that their wave has taken back meanwhile.
    """

    launches: list[QueuedLaunch]
    withdrawn: set[str] = field(default_factory=set)

    @property
    def server_ids(self) -> list[str]:
        """The servers that it launches."""
        return [i for launch in self.launches for i in launch.server_ids]

    @property
    def launch_ids(self) -> list[str]:
        """What identifies its launches."""
        return [launch.launch_id for launch in self.launches]


@dataclass(frozen=True)
class Waiting:
    """A launch, and what it waits for."""

    launch: QueuedLaunch
    waiting_for: WaitingFor
    reason: str


class LaunchQueue:
    """The queue of one launcher."""

    def __init__(self, state: LaunchQueueState) -> None:
        self._launches = {launch.launch_id: launch for launch in state.launches}
        self._accepted = {job.job_id: job for job in state.accepted}
        self._running = state.running
        self.batches: list[Batch] = []

    @property
    def state(self) -> LaunchQueueState:
        """What the next run of the launcher begins with."""
        return LaunchQueueState(
            launches=list(self._launches.values()),
            accepted=list(self._accepted.values()),
            running=self._running,
        )

    def __contains__(self, launch_id: str) -> bool:
        return launch_id in self._launches

    def __bool__(self) -> bool:
        return bool(self._launches or self.batches)

    @property
    def accepted(self) -> list[str]:
        """The jobs that DRS accepted and does not list yet."""
        return list(self._accepted)

    @property
    def running(self) -> RunningJobs:
        """DRS's jobs as last seen."""
        return self._running

    @property
    def waiting(self) -> list[QueuedLaunch]:
        """What is in no batch, most urgent first."""
        sent = {i for batch in self.batches for i in batch.launch_ids}
        queued = [e for e in self._launches.values() if e.launch_id not in sent]
        return sorted(queued, key=lambda launch: launch.admission.order)

    def next_time(self, now: float) -> float | None:
        """When a launch may be sent again (epoch seconds), if time alone decides."""
        return min((e.not_before for e in self.waiting if e.not_before > now), default=None)

    def add(self, launch: QueuedLaunch) -> None:
        """Queue a launch; one that is queued already stays as it is."""
        if launch.launch_id in self._launches:
            return
        if launch.possibly_sent:
            launch.separate()
        self._launches[launch.launch_id] = launch

    def batch_of(self, launch_id: str) -> Batch | None:
        """The batch that a launch is sent with at present."""
        return next((b for b in self.batches if launch_id in b.launch_ids), None)

    def withdraw(self, launch_ids: Iterable[str]) -> list[QueuedLaunch]:
        """Take launches out.

        Returns:
            Those that are out; what is in a batch comes out when that ends.
        """
        removed = []
        for launch_id in launch_ids:
            if batch := self.batch_of(launch_id):
                batch.withdrawn.add(launch_id)
            elif launch_id in self._launches:
                removed.append(self._launches.pop(launch_id))
        return removed

    def drop_overdue(self, now: float) -> list[QueuedLaunch]:
        """Take out what the plan's deadline has overtaken."""
        overdue = [e for e in self.waiting if e.launch_before <= now]
        return self.withdraw([e.launch_id for e in overdue])

    def resend_answered(self, launch_id: str) -> None:
        """Send a launch again at once, because an operator has answered about its job."""
        launch = self._launches[launch_id]
        # The answer is about this launch alone.
        launch.isolate()
        launch.not_before, launch.blocked_by = 0.0, []

    def update_running(self, running: RunningJobs) -> None:
        """Take DRS's jobs as they were seen; an older view changes nothing."""
        if running.time < self._running.time:
            return
        self._running = running
        for job in list(self._accepted.values()):
            expired = running.time > job.accepted_time + _UNLISTED_SECONDS
            if job.job_id in running.listed or expired:
                del self._accepted[job.job_id]

    def gather_time(self, now: float) -> tuple[float, float]:
        """How long launches gather before they are sent: the longer, the fewer jobs are left.

        Returns:
            For how many polls, and for how many seconds they have gathered so far.
        """
        used = self.jobs_in_use / self._running.quotas.jobs
        if used >= 1:
            # None is left, so nothing is gained by waiting.
            return MIN_GATHER_POLLS, 0.0
        longest = math.pow(_MAX_GATHER_FACTOR, max(0.0, 2 * used - 1))
        oldest = min((launch.queued_time for launch in self.waiting), default=now)
        return MIN_GATHER_POLLS * longest, now - oldest

    def admit(self, now: float) -> list[Batch]:
        """Form batches of all that may be sent now under the quotas."""
        busy_servers = self._busy_servers()
        sendable: list[QueuedLaunch] = []
        for launch in self.waiting:
            if self._is_held(launch, now) or busy_servers & set(launch.server_ids):
                continue
            busy_servers |= set(launch.server_ids)
            sendable.append(launch)
        groups = admit(
            (launch.admission for launch in sendable),
            self._running.quotas,
            jobs=self.jobs_in_use,
            servers=self.servers_in_use,
        )
        new = [Batch([self._launches[key] for key in group.keys]) for group in groups]
        self.batches += new
        return new

    def finish(
        self,
        batch: Batch,
        *,
        job_id: str | None,
        settled: Collection[str],
        postponed: Mapping[str, list[str]],
        split: bool,
        in_doubt: bool,
        now: float,
    ) -> list[QueuedLaunch]:
        """Take what became of a batch; what it did not settle is queued again.

        Args:
            batch: the batch.
            job_id: the job that it got.
            settled: launch IDs of what is over.
            postponed: by launch ID, the jobs that must end before it is sent again.
            split: send what is left in two halves.
            in_doubt: DRS may have a job of what is neither settled nor postponed.
            now: epoch seconds.

        Returns:
            What is out of the queue because its wave took it back.
        """
        self.batches.remove(batch)
        if job_id is not None:
            settled_launches = [e for e in batch.launches if e.launch_id in settled]
            self._accepted[job_id] = AcceptedJob(
                job_id=job_id,
                server_ids=[i for launch in settled_launches for i in launch.server_ids],
                accepted_time=now,
            )
        for launch_id in settled:
            self._launches.pop(launch_id, None)
        left = [e for e in batch.launches if e.launch_id in self._launches]
        not_postponed = [e for e in left if e.launch_id not in postponed]
        for launch in left:
            if launch.launch_id in postponed:
                launch.possibly_sent = False
                launch.blocked_by = postponed[launch.launch_id]
                launch.not_before = now + self._running.poll_seconds
            elif in_doubt:
                launch.possibly_sent = True
                launch.separate()
        if split:
            for number, launch in enumerate(not_postponed):
                launch.batch_key += "0" if number < len(not_postponed) // 2 else "1"
        return self.withdraw([e.launch_id for e in left if e.launch_id in batch.withdrawn])

    def unreported(self, now: float) -> list[Waiting]:
        """What waits for something else than its wave knows, one launch a wave."""
        found: dict[str, Waiting] = {}
        for launch in self.waiting:
            if self._is_held(launch, now):
                # The batch that postponed it has said so.
                continue
            waiting_for, reason = self._reason(launch)
            if launch.reported is not waiting_for:
                launch.reported, launch.reported_reason = waiting_for, reason
                found.setdefault(launch.wave, Waiting(launch, waiting_for, reason))
        return list(found.values())

    def report(self, launch_id: str, waiting_for: WaitingFor, reason: str) -> bool:
        """Note what the wave of a launch is told that it waits for.

        Returns:
            Whether the wave does not know it yet.
        """
        launch = self._launches.get(launch_id)
        if launch is None or (launch.reported, launch.reported_reason) == (waiting_for, reason):
            return False
        launch.reported, launch.reported_reason = waiting_for, reason
        return True

    @property
    def jobs_in_use(self) -> int:
        """Jobs that count against the quota: running, accepted, or being asked for."""
        return len(self._running.jobs) + len(self._accepted) + len(self.batches)

    @property
    def servers_in_use(self) -> int:
        """The servers of those jobs."""
        ours = [len(job.server_ids) for job in self._accepted.values()]
        ours += [len(batch.server_ids) for batch in self.batches]
        return sum(self._running.jobs.values()) + sum(ours)

    def _is_held(self, launch: QueuedLaunch, now: float) -> bool:
        """Whether what postponed a launch still holds it."""
        blocked = any(job in self._running.jobs for job in launch.blocked_by)
        return blocked or launch.not_before > now

    def _busy_servers(self) -> set[str]:
        """The servers that a job of ours works on, or is asked for."""
        busy_servers = {i for batch in self.batches for i in batch.server_ids}
        return busy_servers | {i for job in self._accepted.values() for i in job.server_ids}

    def _reason(self, launch: QueuedLaunch) -> tuple[WaitingFor, str]:
        quotas = self._running.quotas
        if self._busy_servers() & set(launch.server_ids):
            detail = "one of this launcher works on these servers"
            return WaitingFor.OTHER_JOB, WaitingFor.OTHER_JOB.text(detail)
        if self.jobs_in_use >= quotas.jobs:
            detail = f"{self.jobs_in_use} of {quotas.jobs} jobs are in progress"
        else:
            detail = (
                f"{self.servers_in_use} of {quotas.servers} servers are in jobs, and more urgent "
                "launches wait"
            )
        return WaitingFor.QUOTA, WaitingFor.QUOTA.text(detail)
