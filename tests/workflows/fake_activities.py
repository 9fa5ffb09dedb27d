"""Fake activities instead of AWS and DynamoDB, on the time of a time-skipping Temporal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.executions import ExecutionActivities
from activities.launch.launch_activities import LaunchActivities
from activities.signals import signal_caller
from activities.watch.watch_activities import report_to_plan
from aws.errors import AwsError, AwsErrorKind
from aws.quotas import ServiceQuotas
from aws.sessions import AwsSessions
from aws.targets import TargetClients
from contract.execution import ExecutionRun, HistoryRepair, TakenOver
from contract.launch import (
    BatchProgress,
    BatchRequest,
    BatchResult,
    LaunchRequest,
    LaunchResult,
    LaunchWaiting,
    PostponedLaunch,
    QueueLaunches,
    ReviewRequest,
    RunningJobsRequest,
    SendResults,
)
from contract.notify import NotifyReport
from contract.readiness import TargetContext, WorkerContext
from contract.watch import ServersChanged, WatchHeartbeat, WatchRequest
from contract.wave import WaveOutcome
from recovery.access.step_needs import StepNeeds
from recovery.execution.server import LaunchStatus, OperatingSystem, ServerResult, Verified
from recovery.execution.wave import WaitingFor, WaveReport, WaveState
from recovery.history.record import HistoryRecord
from recovery.launch.queue import RunningJobs
from recovery.notify.notifier_state import NotifyUpdate
from recovery.plan.model import Target
from recovery.steps.state import StepState
from settings import Settings
from tests.workflows.fake_steps import FakeSteps

ACCOUNT_ID = "123456789012"
HOUR = 3600.0
NEVER = float("inf")
# A longer one would run past a deadline, which then ends the tries at once.
_MAX_PAUSE = 900.0
_SHORT_PAUSE = 0.2


class _UnavailableQuotas(ServiceQuotas):
    """Service Quotas without permission to read."""

    async def _ask(self, target: Target) -> dict[str, int]:
        raise AwsError(AwsErrorKind.INVALID, "ListServiceQuotas: AccessDeniedException")


class _TargetClients:
    """AWS clients that know the account only."""

    def launches(self, target: Target) -> "_TargetClients":
        """The client of a target."""
        return self

    async def known_account(self) -> str:
        """The account."""
        return ACCOUNT_ID


@dataclass
class FakeActivities:
    """Fake activities for all waves; times are in seconds.

    An attempt that has to wait fails until the moment it waits for, because time is skipped only
    while no activity runs.

    Attributes:
        settings: the worker's.
        accepted_after: from the first call until DRS accepts a launch.
        next_job_delay: by how much later DRS accepts a wave's later launches.
        next_job_from: the number of the first of those.
        before_launch: runs first in each attempt to launch a batch.
        responds_after: from the acceptance until the activity returns it.
        found: whether a withdrawn launch has a job.
        launched_after: from the acceptance until all servers are up.
        watch_fails_for: from the watch's first attempt until it succeeds.
        last_poll_lag: the delay of the poll before TIMED_OUT, which returns the state at its
            request; None: it returns like any watch.
        sees_plan_ended: the watch sees at its end that the plan's workflow has ended.
        poll_error: why the watch cannot ask DRS.
        unread_by: the roles by which running jobs cannot be read.
        recorded_after: from the first write until DynamoDB takes one.
        warnings: what the worker warns of at the start.
        systems: the operating systems of servers, as it sees them then.
        steps: those of steps.
        steps_before: the steps of an earlier execution, by WaveId, by the history.
        records: what DynamoDB took.
        batches: the launch IDs that shared a job, job by job.
        gathers: the poll intervals for which launches gathered before each read of running jobs.
        slow_poll_until: until when each watch polls slowly, by its first server.
        recorded_at: when it took the last one.
        repairs: the executions whose history was completed after their end.
        cannot_repair: the items at which such a repair fails.
        reports: what was reported to the notifier.
        heard_after: from the first report until there is a notifier.
        asks_waves: whether waves that ran during a reset are asked, as by the real activities.
        launched_before: the servers that an earlier execution has launched, by the history.
    """

    environment: WorkflowEnvironment
    settings: Settings = field(default_factory=Settings)
    accepted_after: float = 0.0
    next_job_delay: float = 0.0
    next_job_from: int = 1
    before_launch: Callable[[], Awaitable[None]] | None = None
    responds_after: float = 0.0
    found: bool = False
    launched_after: float = 600.0
    watch_fails_for: float = 0.0
    last_poll_lag: float | None = None
    sees_plan_ended: bool = False
    poll_error: str = ""
    unread_by: list[str | None] = field(default_factory=list)
    recorded_after: float = 0.0
    warnings: list[str] = field(default_factory=list)
    systems: dict[str, OperatingSystem] = field(default_factory=dict)
    records: list[HistoryRecord] = field(default_factory=list)
    launches: list[LaunchRequest] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    gathers: list[float] = field(default_factory=list)
    slow_poll_until: dict[str, float] = field(default_factory=dict)
    find_calls: int = 0
    recorded_at: float = 0.0
    repairs: list[ExecutionRun] = field(default_factory=list)
    cannot_repair: list[str] = field(default_factory=list)
    asks_waves: bool = False
    launched_before: list[ServerResult] = field(default_factory=list)
    reports: list[NotifyUpdate] = field(default_factory=list)
    heard_after: float = 0.0
    review_refused: str = ""
    steps_before: dict[str, list[StepState]] = field(default_factory=dict)
    steps: FakeSteps = field(default_factory=FakeSteps)
    _first: dict[str, float] = field(default_factory=dict)
    _arrivals: dict[str, float] = field(default_factory=dict)
    _in_progress: dict[str, int] = field(default_factory=dict)

    @property
    def activities(self) -> list[Any]:
        """All of them, to be registered."""
        return [self.queue_launches, self.launch_batch, self.send_results,
                self.read_running_jobs, self.find_launch, self.watch_servers, self.record,
                self.check_targets,
                self.read_wave, self.await_wave, self.repair_history,
                self.read_taken_over, self.review_launches, self.report,
                *self.steps.activities]  # fmt: skip

    def recorded(self, wave_id: str) -> WaveState:
        """A wave's newest state in the history."""
        states = [w for r in self.records for w in r.waves if w.wave_id == wave_id]
        return max(states, key=lambda wave: wave.revision)

    @activity.defn(name="queue_launches")
    async def queue_launches(self, wanted: QueueLaunches) -> str:
        # The real one, but for AWS, which says whose account it is.
        clients = cast(TargetClients, _TargetClients())
        return await LaunchActivities(clients, self.settings).queue_launches(wanted)

    @activity.defn(name="send_results")
    async def send_results(self, results: SendResults) -> None:
        clients = cast(TargetClients, _TargetClients())
        await LaunchActivities(clients, self.settings).send_results(results)

    @activity.defn(name="launch_batch")
    async def launch_batch(self, request: BatchRequest) -> BatchResult:
        now = await self._now()
        if self.before_launch is not None:
            await self.before_launch()
        moments = {each.launch_id: self._accepts(each, now) for each in request.requests}
        waits = [
            LaunchWaiting(
                launch_id=each.launch_id,
                waiting_for=WaitingFor.QUOTA,
                reason="Waiting for quota",
            )
            for each in request.requests
            if moments[each.launch_id] > now
        ]
        if waits:
            assert await signal_caller("batch_progress", BatchProgress(waiting=waits))
        await self._wait_until(min(moments.values()) + self.responds_after, now)
        due = [r for r in request.requests if moments[r.launch_id] + self.responds_after <= now]
        self.launches += due
        self.batches.append([each.launch_id for each in due])
        job_id = f"drsjob-{due[0].launch_id}"
        self._in_progress[job_id] = sum(len(each.servers) for each in due)
        return BatchResult(
            job_id=job_id,
            results=[self._accepted(each, now - self.responds_after, job_id) for each in due],
            postponed=[
                PostponedLaunch(
                    launch_id=each.launch_id, waiting_for=WaitingFor.QUOTA, reason="not yet"
                )
                for each in request.requests
                if each not in due
            ],
        )

    @activity.defn(name="read_running_jobs")
    async def read_running_jobs(self, request: RunningJobsRequest) -> RunningJobs:
        now = await self._now()
        if request.seen is None:
            self.gathers.append(request.gather_polls)
        if request.target.role_arn in self.unread_by:
            if request.seen is not None and request.error:
                await self._wait_until(NEVER, now)
            return RunningJobs(time=now, error="DescribeJobs: AccessDeniedException")
        jobs = {i: n for i, n in self._in_progress.items() if self._arrivals[i] > now}
        listed = [i for i in request.accepted if i in self._in_progress]
        if request.seen is not None and set(jobs) == set(request.seen) and not listed:
            await self._wait_until(min((self._arrivals[i] for i in jobs), default=NEVER), now)
        quotas = await _UnavailableQuotas(AwsSessions(), self.settings).of(request.target)
        return RunningJobs(time=now, jobs=jobs, listed=listed, quotas=quotas)

    @activity.defn(name="find_launch")
    async def find_launch(self, request: LaunchRequest) -> LaunchResult | None:
        self.find_calls += 1
        job_id = f"drsjob-{request.launch_id}"
        return self._accepted(request, await self._now(), job_id) if self.found else None

    @activity.defn(name="watch_servers")
    async def watch_servers(self, request: WatchRequest) -> list[ServerResult]:
        now = await self._now()
        self.slow_poll_until[request.servers[0].source_server_id] = request.slow_poll_until
        await report_to_plan(
            request, WatchHeartbeat(servers=[], has_reported=activity.info().attempt > 1)
        )
        await signal_caller("servers_changed", ServersChanged(error=self.poll_error))
        await self._wait_until(self._since("watch", now) + self.watch_fails_for, now)
        if self.last_poll_lag is not None and not request.until:
            await self._wait_until(self._since("last look", now) + self.last_poll_lag, now)
            return request.servers
        # Jobs of an earlier execution have ended.
        arrival = self._arrivals.get(str(request.servers[0].recovery_job_id), now)
        await self._wait_until(min(arrival, request.until), now)
        if now < arrival:
            return request.servers
        if self.sees_plan_ended:
            await signal_caller("plan_closed")
        up = {
            "launch_status": LaunchStatus.LAUNCHED,
            "verified": Verified.YES,
            "launch_time": arrival,
            "end_time": arrival,
        }
        return [s if s.is_final else s.model_copy(update=up) for s in request.servers]

    @activity.defn(name="record")
    async def record(self, record: HistoryRecord) -> None:
        now = await self._now()
        await self._wait_until(self._since("record", now) + self.recorded_after, now)
        self.records.append(record)
        self.recorded_at = now

    @activity.defn(name="repair_history")
    async def repair_history(self, run: ExecutionRun) -> HistoryRepair:
        now = await self._now()
        await self._wait_until(self._since("record", now) + self.recorded_after, now)
        self.repairs.append(run)
        return HistoryRepair(repaired=["EXECUTION"], remaining=self.cannot_repair)

    @activity.defn(name="read_taken_over")
    async def read_taken_over(self, execution_id: str) -> TakenOver:
        return TakenOver(servers=self.launched_before, steps=self.steps_before)

    @activity.defn(name="review_launches")
    async def review_launches(self, request: ReviewRequest) -> list[ServerResult]:
        if self.review_refused:
            raise ApplicationError(self.review_refused, non_retryable=True)
        # As of servers that run and whose jobs DRS no longer has.
        up = {"verified": Verified.YES}
        return [
            s.model_copy(update=up) if s.launch_status is LaunchStatus.LAUNCHED else s
            for s in request.servers
        ]

    @activity.defn(name="check_targets")
    async def check_targets(
        self,
        targets: list[Target],
        server_ids: list[list[str]] | None = None,
        must_be_signed: bool = False,
        step_needs: StepNeeds | None = None,
    ) -> WorkerContext:
        return WorkerContext(
            speed=1.0,
            targets=[
                TargetContext(region=each.region, role_arn=each.role_arn, account_id=ACCOUNT_ID)
                for each in targets
            ],
            warnings=self.warnings,
            operating_systems=self.systems,
        )

    @activity.defn(name="report")
    async def report(self, report: NotifyReport) -> bool:
        now = await self._now()
        self.reports.append(report.update)
        return now >= self._since("report", now) + self.heard_after

    @activity.defn(name="read_wave")
    async def read_wave(self, workflow_id: str) -> WaveReport:
        if self.asks_waves:
            return await ExecutionActivities().read_wave(workflow_id)
        _, execution_id, wave_id, _ = workflow_id.split("/")
        wave = WaveState(
            wave_id=wave_id, wave_name=wave_id, status="WAITING", attempt=1, revision=5
        )
        return WaveReport(execution_id=execution_id, wave=wave)

    @activity.defn(name="await_wave")
    async def await_wave(self, workflow_id: str) -> WaveOutcome | None:
        return await ExecutionActivities().await_wave(workflow_id) if self.asks_waves else None

    async def launch_all_now(self) -> None:
        """Launch the servers of all jobs now."""
        now = await self._now()
        self._arrivals = {job_id: min(at, now) for job_id, at in self._arrivals.items()}

    def _accepts(self, request: LaunchRequest, now: float) -> float:
        """When DRS accepts a launch."""
        number = int(request.launch_id.rpartition("/")[2])
        later = self.next_job_delay if number >= self.next_job_from else 0.0
        return self._since(request.launch_id, now) + self.accepted_after + later

    def _accepted(self, request: LaunchRequest, now: float, job_id: str) -> LaunchResult:
        self._arrivals[job_id] = now + self.launched_after
        return LaunchResult(
            launch_id=request.launch_id,
            account_id=ACCOUNT_ID,
            job_id=job_id,
            accepted_time=now,
            servers=[
                ServerResult(
                    source_server_id=s.source_server_id, impact=s.impact, recovery_job_id=job_id
                )
                for s in request.servers
            ],
        )

    def _since(self, what: str, now: float) -> float:
        return self._first.setdefault(what, now)

    async def _now(self) -> float:
        return (await self.environment.get_current_time()).timestamp()

    async def _wait_until(self, moment: float, now: float) -> None:
        if now < moment:
            skips = self.environment.supports_time_skipping
            left = min(moment - now, _MAX_PAUSE if skips else _SHORT_PAUSE)
            raise ApplicationError("not yet", next_retry_delay=timedelta(seconds=left))
