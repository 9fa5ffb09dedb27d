"""The launch queue of one account and Region: batches, and why a launch waits.

It knows nothing of Temporal or DRS: its input is DRS's jobs, its output batches and reasons.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from recovery.base_model import Model
from recovery.execution.wave import WaitingFor
from recovery.launch.admission import (
    LAUNCHES_PER_JOB,
    Batch,
    QueuedLaunch,
    Quotas,
    admit,
)
from recovery.text_format import listed

# An accepted job that DRS does not list within this time does not exist.
_UNLISTED_SECONDS = 300.0
# A launch that is sent so soon is not reported to wait: a report is events of its wave and plan.
_SOON_SECONDS = 3.0
# How long launches gather at least, and at most after the last admission, in poll intervals.
MIN_GATHER_POLLS = 0.05
_MAX_GATHER_POLLS = 4.0
# The factor of the least once all jobs are used. A hundred waves do not become ready at the same
# time, and a launch that finds no job left waits minutes until one ends. So each job of a burst is
# requested later than the one before by a growing time; tests/recovery/launch/test_loads.py
# compares the result with the quotas' limit.
_GATHER_GROWTH = 200.0


class AcceptedJob(Model):
    """A job that DRS accepted and does not list yet."""

    job_id: str
    server_ids: list[str]
    accepted_time: float


class RunningJobs(Model):
    """The jobs in progress in an account and Region, of any client.

    Attributes:
        time: when they were read (epoch seconds).
        error: why they cannot be read now; the others are what was read before.
        jobs: by job ID, how many source servers it holds.
        listed: the accepted jobs that DRS lists, in progress or completed.
        quotas: DRS's quotas.
        poll_seconds: the worker's poll interval.
        recoveries: executions of real recoveries that launch there, as long as they run; looked up
            where a drill waits.
        recoveries_error: why that is not known.
    """

    time: float = 0.0
    error: str = ""
    jobs: dict[str, int] = {}
    listed: list[str] = []
    quotas: Quotas = Quotas()
    poll_seconds: float = 5.0
    recoveries: list[str] = []
    recoveries_error: str = ""


class LaunchQueueState(Model):
    """What the launcher passes to its next run."""

    launches: list[QueuedLaunch] = []
    accepted: list[AcceptedJob] = []
    running: RunningJobs = RunningJobs()
    admitted_time: float = 0.0


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
        self._admitted_time = state.admitted_time
        self.batches: list[Batch] = []

    @property
    def state(self) -> LaunchQueueState:
        """The state for the launcher's next run."""
        return LaunchQueueState(
            launches=list(self._launches.values()),
            accepted=list(self._accepted.values()),
            running=self._running,
            admitted_time=self._admitted_time,
        )

    def __contains__(self, launch_id: str) -> bool:
        return launch_id in self._launches

    def __bool__(self) -> bool:
        return bool(self._launches or self.batches)

    @property
    def has_drills(self) -> bool:
        """Whether a drill's launch waits."""
        return any(launch.is_drill for launch in self.waiting)

    @property
    def accepted(self) -> list[str]:
        """The jobs that DRS accepted and does not list yet."""
        return list(self._accepted)

    @property
    def running(self) -> RunningJobs:
        """DRS's running jobs, as read last."""
        return self._running

    @property
    def waiting(self) -> list[QueuedLaunch]:
        """The launches that are in no batch, most urgent first."""
        sent = {i for batch in self.batches for i in batch.launch_ids}
        queued = [e for e in self._launches.values() if e.launch_id not in sent]
        return sorted(queued, key=lambda launch: launch.order)

    def next_time(self, now: float) -> float | None:
        """When a launch may be sent again, or is reported to wait (epoch seconds), if any."""
        waiting = self.waiting
        times = [e.not_before for e in waiting]
        times += [e.queued_time + _SOON_SECONDS for e in waiting if e.reported is None]
        return min((each for each in times if each > now), default=None)

    def add(self, launch: QueuedLaunch) -> None:
        """Queue a launch; a launch that is already queued is not changed."""
        if launch.launch_id in self._launches:
            return
        if launch.possibly_sent:
            launch.separate()
        self._launches[launch.launch_id] = launch

    def batch_of(self, launch_id: str) -> Batch | None:
        """The batch with a launch, if it is being sent."""
        return next((b for b in self.batches if launch_id in b.launch_ids), None)

    def withdraw(self, launch_ids: Iterable[str]) -> list[QueuedLaunch]:
        """Remove launches from the queue.

        Returns:
            The removed launches; those in a batch are removed when it ends.
        """
        removed = []
        for launch_id in launch_ids:
            if batch := self.batch_of(launch_id):
                batch.withdrawn.add(launch_id)
            elif launch_id in self._launches:
                removed.append(self._launches.pop(launch_id))
        return removed

    def drop_overdue(self, now: float) -> list[QueuedLaunch]:
        """Remove the launches whose plan's deadline has passed."""
        overdue = [e for e in self.waiting if e.launch_before <= now]
        return self.withdraw([e.launch_id for e in overdue])

    def resend_answered(self, launch_id: str) -> None:
        """Send a launch again at once, after an operator's answer about its job."""
        launch = self._launches[launch_id]
        # The answer applies to this launch only.
        launch.isolate()
        launch.not_before, launch.blocked_by = 0.0, []

    def update_running(self, running: RunningJobs) -> None:
        """Update DRS's running jobs; an older list is ignored."""
        if running.error:
            # An error does not mean that no jobs run.
            self._running = self._running.model_copy(update={"error": running.error})
            return
        if running.time < self._running.time:
            return
        self._running = running
        for job in list(self._accepted.values()):
            expired = running.time > job.accepted_time + _UNLISTED_SECONDS
            if job.job_id in running.listed or expired:
                del self._accepted[job.job_id]

    def gather_time(self, now: float) -> tuple[float, float]:
        """How long launches gather before they are sent: the fewer jobs are left, the longer.

        The time counts from the last admission, so that a launch that comes alone does not wait.

        Returns:
            The number of poll intervals, and the seconds of them that have passed.
        """
        quotas = self._running.quotas
        ready = self._sendable(now)
        servers = sum(len(launch.server_ids) for launch in ready)
        left = min(quotas.servers_per_job, quotas.servers - self.servers_in_use)
        is_full = servers >= left or len(ready) >= LAUNCHES_PER_JOB
        if is_full or self.jobs_in_use >= quotas.jobs:
            # Nothing that comes later could join them.
            return MIN_GATHER_POLLS, 0.0
        growth = math.pow(_GATHER_GROWTH, self.jobs_in_use / quotas.jobs)
        return min(_MAX_GATHER_POLLS, MIN_GATHER_POLLS * growth), now - self._admitted_time

    def admit(self, now: float) -> list[Batch]:
        """Form batches of the launches that may be sent now under the quotas."""
        jobs, servers = self.jobs_in_use, self.servers_in_use
        new = admit(self._sendable(now), self._running.quotas, jobs=jobs, servers=servers)
        for launch in (each for batch in new for each in batch.launches):
            launch.reported, launch.reported_reason, launch.reported_error = None, "", ""
            launch.reported_behind_rto = False
        if new:
            self._admitted_time = now
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
        """Apply the result of a batch; launches that it did not settle are queued again.

        Args:
            batch: the batch.
            job_id: its job, if any.
            settled: launch IDs of the settled launches.
            postponed: by launch ID, the jobs that must end before it is sent again.
            split: send the others in two halves.
            in_doubt: DRS may have a job of those that are neither settled nor postponed.
            now: epoch seconds.

        Returns:
            The launches that are removed because their wave withdrew them.
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
        """The launches whose reason to wait is not signaled yet, one per wave."""
        found: dict[str, Waiting] = {}
        for launch in self.waiting:
            if self._is_held(launch, now):
                # The batch that postponed it has signaled the reason.
                continue
            error = self._running.error
            if launch.reported is None and not error and now < launch.queued_time + _SOON_SECONDS:
                continue
            waiting_for, reason = self._reason(launch)
            # Not who they are, which changes often: each report is an event of the wave's history.
            behind = waiting_for is WaitingFor.QUOTA and bool(self._ahead_by_rto(launch))
            before = launch.reported, launch.reported_error, launch.reported_behind_rto
            if before != (waiting_for, error, behind):
                launch.reported_error, launch.reported_behind_rto = error, behind
                launch.reported, launch.reported_reason = waiting_for, reason
                found.setdefault(launch.wave, Waiting(launch, waiting_for, reason))
        return list(found.values())

    def reported(self, launch_ids: Iterable[str]) -> list[Waiting]:
        """What waves were signaled last: one per wave, but each launch that needs a decision."""
        found: dict[str, Waiting] = {}
        for launch_id in launch_ids:
            launch = self._launches[launch_id]
            if launch.reported is not None:
                is_decision = launch.reported is WaitingFor.LAUNCH_DECISION
                waiting = Waiting(launch, launch.reported, launch.reported_reason)
                found.setdefault(launch_id if is_decision else launch.wave, waiting)
        return list(found.values())

    def report(self, launch_id: str, waiting_for: WaitingFor, reason: str) -> bool:
        """Record the reason to wait that is signaled to a launch's wave.

        Returns:
            Whether it is new.
        """
        launch = self._launches.get(launch_id)
        if launch is None or (launch.reported, launch.reported_reason) == (waiting_for, reason):
            return False
        launch.reported, launch.reported_reason = waiting_for, reason
        return True

    def apply_progress(self, launch_ids: Iterable[str], *, uses_quota: bool) -> bool:
        """Apply whether the batch of these launches uses the quota.

        Returns:
            Whether this is new.
        """
        batches = [b for i in launch_ids if (b := self.batch_of(i)) and b.uses_quota != uses_quota]
        for batch in batches:
            batch.uses_quota = uses_quota
        return bool(batches)

    @property
    def jobs_in_use(self) -> int:
        """The jobs that count against the quota: running, accepted, or being requested."""
        return self._jobs_in_progress + len(self._requested)

    @property
    def servers_in_use(self) -> int:
        """The servers of those jobs."""
        ours = [len(job.server_ids) for job in self._accepted.values()]
        ours += [len(batch.server_ids) for batch in self._requested]
        return sum(self._running.jobs.values()) + sum(ours)

    @property
    def _jobs_in_progress(self) -> int:
        return len(self._running.jobs) + len(self._accepted)

    @property
    def _requested(self) -> list[Batch]:
        """The batches that may get a job at any moment."""
        return [batch for batch in self.batches if batch.uses_quota]

    def _sendable(self, now: float) -> list[QueuedLaunch]:
        """The launches that wait for nothing but the quotas, most urgent first."""
        for launch in self._launches.values():
            launch.judge_rto(now)
        busy_servers = self._busy_servers()
        sendable: list[QueuedLaunch] = []
        for launch in self.waiting:
            if self._is_held(launch, now) or busy_servers & set(launch.server_ids):
                continue
            if self._reason_of_others(launch) or self._reason_of_recovery(launch):
                continue
            busy_servers |= set(launch.server_ids)
            sendable.append(launch)
        return sendable

    def _is_held(self, launch: QueuedLaunch, now: float) -> bool:
        """Whether a launch is still postponed."""
        blocked = any(job in self._running.jobs for job in launch.blocked_by)
        return blocked or launch.not_before > now

    def _busy_servers(self) -> set[str]:
        """The servers in our jobs and in batches."""
        busy_servers = {i for batch in self.batches for i in batch.server_ids}
        return busy_servers | {i for job in self._accepted.values() for i in job.server_ids}

    def _reason_of_others(self, launch: QueuedLaunch) -> str:
        """Why launches with the same target wait for DRS, if they are as many as DRS takes jobs.

        More of them would only add calls that DRS does not answer.
        """
        reasons = []
        for batch in self.batches:
            if not batch.uses_quota and batch.launches[0].share_key == launch.share_key:
                waiting = (e for e in batch.launches if e.reported is WaitingFor.LAUNCH)
                reasons += [each.reported_reason for each in waiting][:1]
        return reasons[0] if len(reasons) >= self._running.quotas.jobs else ""

    def _reason_of_recovery(self, launch: QueuedLaunch) -> str:
        """Why a drill launches nothing more while a real recovery runs there; "" if it may."""
        if not launch.is_drill:
            return ""
        ours = [e.execution_id for e in self._launches.values() if not e.is_drill]
        if found := list(dict.fromkeys([*self._running.recoveries, *ours])):
            runs = f"{listed(found, shown=3)} runs in this account and Region"
            return WaitingFor.RECOVERY.text(runs)
        if error := self._running.recoveries_error:
            return WaitingFor.RECOVERY.text(f"whether one runs there is not known: {error}")
        return ""

    def _ahead_by_rto(self, launch: QueuedLaunch) -> list[str]:
        """The executions whose launches go first only because their RTO is at risk."""
        if launch.is_rto_at_risk:
            return []
        ahead = (launch.is_drill, launch.priority, False)
        first = (each.execution_id for each in self.waiting if each.urgency == ahead)
        return list(dict.fromkeys(first))

    def _reason(self, launch: QueuedLaunch) -> tuple[WaitingFor, str]:
        quotas = self._running.quotas
        if reason := self._reason_of_recovery(launch):
            return WaitingFor.RECOVERY, reason
        if self._busy_servers() & set(launch.server_ids):
            detail = "a job of this launcher has these servers"
            return WaitingFor.OTHER_JOB, WaitingFor.OTHER_JOB.text(detail)
        if reason := self._reason_of_others(launch):
            return WaitingFor.LAUNCH, reason
        if self.jobs_in_use >= quotas.jobs:
            detail = f"{self._jobs_in_progress} of {quotas.jobs} jobs are in progress"
            if self._requested:
                detail += f", {len(self._requested)} requested"
        else:
            detail = (
                f"{self.servers_in_use} of {quotas.servers} servers are in jobs, and more urgent "
                "launches wait"
            )
        if ahead := self._ahead_by_rto(launch):
            detail += f". Launches of {listed(ahead, shown=3)} go first: the RTO is at risk"
        if self._running.error:
            detail += f". The jobs in progress cannot be read now: {self._running.error}"
        return WaitingFor.QUOTA, WaitingFor.QUOTA.text(detail)
