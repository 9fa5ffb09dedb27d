"""One attempt at one wave: launch its servers, watch until they are up, judge, record."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
)

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import HEARTBEAT_TIMEOUT_SECONDS
    from activities.launch.drs_activities import DrsActivities
    from activities.launch.enqueue import EnqueueActivities
    from contract.failures import FailureType
    from contract.identifiers import launch_prefix
    from contract.launch import (
        LaunchAnswer,
        LaunchRequest,
        LaunchResult,
        LaunchSettled,
        LaunchWaits,
    )
    from contract.launcher import AnswerLaunches, WantLaunches, WithdrawLaunches
    from contract.review import ReviewRequest
    from contract.task_queues import WATCH_TASK_QUEUE
    from contract.watch import WatchNews, WatchRequest
    from contract.wave import StartWave, StopWaiting
    from recovery.execution.judge import judge_wave
    from recovery.execution.server import ServerResult
    from recovery.execution.state import ExecutionType, WaveOutcome
    from recovery.execution.wave import WaveReport, WaveState, WaveStatus, next_revision
    from recovery.forecast.estimates import expected_seconds
    from recovery.history.record import HistoryRecord
    from recovery.launch.admission import SERVERS_A_WISH
    from workflows.recorder import MOST_SECONDS, Recorder
    from workflows.signal_input import parsed

OBSERVE_SECONDS = 24 * 3600.0
_OBSERVE = timedelta(seconds=OBSERVE_SECONDS + 3600)
_LAST_LOOK = timedelta(seconds=45)
# A launcher that was terminated knows nothing any more of what it was told before.
_JOIN_AGAIN_SECONDS = 300.0
# Of the time that its fastest server is expected to take, a wave is quiet.
_QUIET = 0.6
# A wave of 4 servers tells its progress at most every 10 s, one of 500 every 50 s: a bound on
# what its reports and records add to the histories.
_PROGRESS_SECONDS = 10.0
_PROGRESS_SECONDS_A_SERVER = 0.1
_RECORD_LAST_SECONDS = 5.0
_HEARTBEAT = timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)
_WATCH_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=15),
)


@workflow.defn
class WaveWorkflow:
    """Launches a wave's servers and tells its plan how they fare.

    TIMED_OUT and CANCELLED end the waiting, not the observing, so this workflow may outlive its
    plan: it goes on recording its servers until their jobs end, for at most 24 hours.
    """

    @workflow.init
    def __init__(self, start: StartWave) -> None:
        self._start = start
        self._wave = WaveState.of(start.wave)
        # What was up or running before stays told while DRS is asked about it anew.
        self._wave.merge_servers(server.model_copy() for server in start.earlier)
        self._wave.attempt, self._wave.revision = start.attempt, start.revision
        self._wave.expected_seconds = expected_seconds(start.wave, start.expected)
        self._wave.operating_systems = start.operating_systems
        self._wave.status = WaveStatus.WAITING
        self._wave.status_reason = "Waiting for DRS to accept the launch"
        self._stop: str | None = None
        self._held = start.held
        self._superseded = False
        self._plan_ended = False
        self._trouble = ""
        self._launch_waits = ""
        # By launch ID: what cannot be known, what is being asked, what an operator answered.
        self._doubts: dict[str, str] = {}
        self._answers: dict[str, LaunchAnswer] = {}
        # By launch ID: what the launcher has not settled yet.
        self._wanted: dict[str, LaunchRequest] = {}
        self._withdrawn_in_doubt: list[LaunchRequest] = []
        self._launcher = ""
        self._accepted: list[float] = []
        self._watches: list[asyncio.Task[None]] = []
        self._launched_some = False
        self._untold: dict[str, ServerResult] = {}
        self._tell_now = False
        self._told_revision = start.revision
        pause = max(_PROGRESS_SECONDS, _PROGRESS_SECONDS_A_SERVER * len(self._wave.servers))
        self._pause = pause / start.speed
        self._recorder = Recorder(self._unrecorded, pause_seconds=self._pause)

    @workflow.run
    async def run(self, start: StartWave) -> WaveOutcome:
        """Launch, watch, judge; returns when nothing is left to observe.

        Raises:
            ApplicationError: WaveFailed, when the wave ends otherwise than up.
        """
        self._recorder.begin()
        telling = asyncio.create_task(self._tell_plan())
        accepted_by = await self._launch()
        self._judge()
        if self._watches:
            await self._await_servers(accepted_by)
        self._tell_now = True
        await workflow.wait_condition(lambda: self._told_revision >= self._wave.revision)
        telling.cancel()
        patience = MOST_SECONDS if self._plan_ended else _RECORD_LAST_SECONDS
        await self._recorder.finish(within_seconds=patience)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._close()

    @workflow.query
    def status(self) -> WaveState:
        """The wave as it stands."""
        return self._wave

    @workflow.signal
    def launch_waits(self, *news: Any) -> None:
        """The launch activity tells why DRS has not accepted yet."""
        told = parsed(LaunchWaits, news)
        if told is None or self._held:
            return
        self._doubts.pop(told.launch_id, None)
        if told.in_doubt:
            self._doubts[told.launch_id] = told.reason
        if self._wave.launch_in_doubt is not bool(self._doubts):
            self._wave.launch_in_doubt = self._tell_now = bool(self._doubts)
        self._launch_waits = "; ".join(self._doubts.values()) or told.reason
        if self._wave.status is WaveStatus.WAITING:
            self._change(self._wave.status, self._launch_waits)
        if self._watches:
            self._judge()

    @workflow.signal
    def answer_launch(self, *answer: Any) -> None:
        """An operator says whether DRS has the jobs that cannot be found."""
        told = parsed(LaunchAnswer, answer)
        if told is None:
            return
        for launch_id in self._doubts:
            self._answers[launch_id] = told
        self._clear_doubts(*self._doubts)

    @workflow.signal
    def launch_settled(self, *news: Any) -> None:
        """What the launcher was asked for has become of something, or is out of its hands."""
        told = parsed(LaunchSettled, news)
        if told is None:
            return
        results = [r for r in told.results if self._wanted.pop(r.launch_id, None)]
        self._clear_doubts(*(result.launch_id for result in results))
        self._take_launched(results)
        for launch_id in told.withdrawn:
            request = self._wanted.pop(launch_id, None)
            if request is not None and told.in_doubt:
                self._withdrawn_in_doubt.append(request)

    @workflow.signal
    def watch_news(self, *news: Any) -> None:
        """The watch activity tells which servers changed."""
        told = parsed(WatchNews, news)
        if told is not None:
            self._trouble = told.trouble
            self._take_seen(told.servers)
            self._judge()

    @workflow.signal
    def stop_waiting(self, *stop: Any) -> None:
        """The wave or its plan was cancelled: launch nothing more, observe what was launched."""
        told = parsed(StopWaiting, stop)
        if told is not None:
            self._stop = told.reason

    @workflow.signal
    def hold(self, *_: Any) -> None:
        """The plan is paused: what DRS has not accepted yet is not launched."""
        self._held = True

    @workflow.signal
    def go_on(self, *_: Any) -> None:
        """The plan goes on."""
        self._held = False

    @workflow.signal
    def superseded(self, *_: Any) -> None:
        """Another attempt has taken over what this one launched."""
        self._superseded = True

    @workflow.signal
    def plan_ended(self, *_: Any) -> None:
        """Nobody listens any more; what is seen from now on is only recorded."""
        self._plan_ended = True

    async def _launch(self) -> float:
        """Ask for the wave's jobs, all at once; servers that are up already need none.

        Returns:
            When the last one was accepted (epoch seconds).
        """
        start = self._start
        reviewed = await self._review() if start.launch_prefixes else True
        accepted = self._accepted
        if kept := [s for s in self._wave.servers if s.recovery_job_id and not s.is_final]:
            # A wave that watches earlier jobs on gets its whole time again.
            accepted.append(workflow.time())
            self._watch(kept, accepted_time=workflow.time())
        unlaunched = [s.source_server_id for s in self._wave.servers if not s.recovery_job_id]
        requests = self._launch_requests(unlaunched, SERVERS_A_WISH) if reviewed else []
        while requests and self._stop is None:
            if self._held and self._start.launch_before > workflow.time():
                await self._rest_while_held()
            else:
                requests = await self._launch_shared(requests)
        self._launch_waits = ""
        if self._stop is not None:
            self._cancelled()
        return max(accepted, default=workflow.time())

    async def _review(self) -> bool:
        """Learn from DRS what became of the servers before.

        Returns:
            Whether it is known, so that the others may be launched.
        """
        self._change(WaveStatus.WAITING, "Waiting to learn what became of earlier launches")
        start = self._start
        known = {s.source_server_id: s for s in start.earlier}
        reviewing = workflow.start_activity_method(
            DrsActivities.review,
            ReviewRequest(
                target=start.wave.target,
                servers=[known.get(s.source_server_id, s) for s in self._wave.servers],
                launch_prefixes=start.launch_prefixes,
                is_drill=start.execution_type is ExecutionType.DRILL,
                since=start.since,
                own_prefix=launch_prefix(start.execution_id),
            ),
            summary="Ask DRS what became of earlier launches",
            schedule_to_close_timeout=max(
                _LAST_LOOK, timedelta(seconds=start.launch_before - workflow.time())
            ),
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_WATCH_RETRY,
        )
        await self._until(reviewing.done)
        if not reviewing.done():
            reviewing.cancel()
            return False
        if reviewing.exception() is None:
            self._take(reviewing.result())
            return True
        reason = "not launched: what became of its earlier launch could not be learned"
        unknown = [s for s in self._wave.servers if not s.is_final and not s.recovery_job_id]
        self._take([s.failed(reason, at=workflow.time()) for s in unknown])
        return False

    def _launch_requests(self, server_ids: list[str], a_request: int) -> list[LaunchRequest]:
        start = self._start
        servers = [s for s in start.wave.servers if s.source_server_id in server_ids]
        prefix = launch_prefix(start.execution_id, start.wave.wave_id)
        info = workflow.info()
        return [
            LaunchRequest(
                launch_id=f"{prefix}{start.attempt}/{number}",
                target=start.wave.target,
                servers=servers[first : first + a_request],
                is_drill=start.execution_type is ExecutionType.DRILL,
                since=start.since,
                wanted_since=info.start_time.timestamp(),
                relaunch=start.relaunch,
                maybe_asked=info.run_id != info.first_execution_run_id,
                wave_workflow_id=info.workflow_id,
            )
            for number, first in enumerate(range(0, len(servers), a_request))
        ]

    async def _rest_while_held(self) -> None:
        if self._wave.status is WaveStatus.WAITING:
            self._change(WaveStatus.WAITING, "Waiting for resume: the plan is paused")
        left = self._start.launch_before - workflow.time()
        await self._until(lambda: not self._held, seconds=left, summary="DeadlineSeconds")

    async def _launch_shared(self, requests: list[LaunchRequest]) -> list[LaunchRequest]:
        """Have the launcher launch, until all is settled, or the wave is stopped or held.

        Returns:
            The launches that it has not made, to be asked for again under the same launch IDs.
        """
        self._wanted = {request.launch_id: request for request in requests}
        self._withdrawn_in_doubt = []
        if self._start.launch_before <= workflow.time():
            self._give_up(requests, "the plan's deadline had passed before it could be launched")
            return []
        refused = await self._join(requests)
        if refused is not None:
            self._give_up(requests, refused)
            return []
        while self._wanted and not (self._held or self._stop or self._is_overdue):
            left = self._start.launch_before - workflow.time()
            done = await self._until(
                lambda: not self._wanted or self._held or bool(self._answers),
                seconds=min(_JOIN_AGAIN_SECONDS, left),
                summary="Make sure that the launcher still knows of it",
            )
            if self._answers:
                await self._pass_answers_on()
            elif not done and not self._is_overdue:
                again = {"maybe_asked": True}
                await self._join([r.model_copy(update=again) for r in self._wanted.values()])
        if self._stop is not None:
            self._cancelled()
        await self._withdraw()
        unmade = [r for r in requests if r.server_ids[0] in self._unlaunched]
        if self._is_overdue and not self._stop:
            waited = f"; last: {self._launch_waits}" if self._launch_waits else ""
            self._give_up(unmade, f"not accepted by DRS before the plan's deadline{waited}")
            return []
        return unmade

    @property
    def _is_overdue(self) -> bool:
        return self._start.launch_before <= workflow.time()

    @property
    def _unlaunched(self) -> list[str]:
        """The servers that are neither of a job nor given up."""
        return [
            s.source_server_id
            for s in self._wave.servers
            if not s.recovery_job_id and not s.is_final
        ]

    def _give_up(self, requests: list[LaunchRequest], reason: str) -> None:
        for request in requests:
            self._wanted.pop(request.launch_id, None)
            self._fail_servers(request, reason)

    async def _join(self, requests: list[LaunchRequest]) -> str | None:
        """Tell the launcher what is wanted; it knows each launch by its ID.

        Returns:
            Why it could not be told; None if it was.
        """
        start = self._start
        left = max(_LAST_LOOK, timedelta(seconds=start.launch_before - workflow.time()))
        try:
            self._launcher = await workflow.execute_activity_method(
                EnqueueActivities.want_launches,
                WantLaunches(
                    requests=requests,
                    priority=start.priority,
                    remaining=start.remaining,
                    launch_before=start.launch_before,
                ),
                summary=f"Have {sum(len(r.servers) for r in requests)} servers launched",
                schedule_to_close_timeout=left,
                start_to_close_timeout=timedelta(seconds=30),
                heartbeat_timeout=_HEARTBEAT,
                retry_policy=_WATCH_RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            return _why(error)
        return None

    async def _pass_answers_on(self) -> None:
        answers, self._answers = self._answers, {}
        told = AnswerLaunches(launch_ids=list(self._wanted), answer=next(iter(answers.values())))
        await self._tell_launcher("answer", told)

    async def _withdraw(self) -> None:
        """Take back what is not settled, and learn whether it got a job all the same."""
        while self._wanted:
            ids = list(self._wanted)
            told = WithdrawLaunches(wave_workflow_id=workflow.info().workflow_id, launch_ids=ids)
            if not await self._tell_launcher("withdraw", told):
                self._withdrawn_in_doubt += self._wanted.values()
                self._wanted = {}
            await self._until(
                lambda: not self._wanted,
                seconds=_JOIN_AGAIN_SECONDS,
                summary="The launcher answers",
                but_stop=False,
            )
        for request in self._withdrawn_in_doubt:
            found = await self._find_job(request)
            self._take_launched([found] if found else [])

    async def _tell_launcher(self, signal: str, news: WithdrawLaunches | AnswerLaunches) -> bool:
        """Signal the launcher; False when it has ended, so that it launches nothing more."""
        launcher = workflow.get_external_workflow_handle(self._launcher)
        try:
            await launcher.signal(signal, news)
        except ApplicationError:
            return False
        return True

    def _take_launched(self, results: list[LaunchResult]) -> None:
        """Take what became of launches, and watch what has a job."""
        for result in results:
            self._wave.account_id = result.account_id or self._wave.account_id
            self._take(result.servers)
        watched = [r for r in results if r.accepted_time is not None]
        if not watched:
            return
        accepted_time = min(r.accepted_time for r in watched if r.accepted_time is not None)
        self._accepted.append(accepted_time)
        self._launched_some = self._launched_some or any(r.job_id is not None for r in watched)
        launched = [s for r in watched for s in r.servers if s.recovery_job_id]
        self._watch(launched, accepted_time=accepted_time)

    def _clear_doubts(self, *launch_ids: str) -> None:
        for launch_id in launch_ids:
            self._doubts.pop(launch_id, None)
        if self._wave.launch_in_doubt and not self._doubts:
            self._wave.launch_in_doubt = False
            self._launch_waits = ""
            if self._wave.status is WaveStatus.WAITING:
                self._change(WaveStatus.WAITING, "Waiting for DRS to accept the launch")
            self._touch()

    async def _find_job(self, request: LaunchRequest) -> LaunchResult | None:
        """A launch that was called off in the middle may have got its job all the same."""
        return await workflow.execute_activity_method(
            DrsActivities.find_launch,
            request,
            summary="Look whether the launch that was called off got a job",
            schedule_to_close_timeout=timedelta(seconds=OBSERVE_SECONDS),
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_WATCH_RETRY,
        )

    def _watch(self, servers: list[ServerResult], *, accepted_time: float) -> None:
        """Watch servers from the moment that their job was accepted."""
        start_time = self._wave.start_time
        self._wave.start_time = min(start_time or accepted_time, accepted_time)
        request = WatchRequest(
            target=self._start.wave.target,
            servers=servers,
            until=accepted_time + OBSERVE_SECONDS / self._start.speed,
            quiet_until=accepted_time + _QUIET * self._start.soonest / self._start.speed,
        )
        self._watches.append(asyncio.create_task(self._observe(request)))
        self._judge()

    async def _await_servers(self, accepted_by: float) -> None:
        """Wait for the servers until the timeout, then go on observing them."""
        timeout = self._start.wave.timeout_seconds / self._start.speed
        left = accepted_by + timeout - workflow.time()
        await self._until(
            lambda: self._wave.status.is_settled or self._superseded,
            seconds=left,
            summary="TimeoutSeconds",
        )
        if self._stop is None and not self._wave.status.is_settled and not self._superseded:
            await self._look_once_more()
        if self._stop is not None and not self._wave.status.is_settled:
            self._cancelled()
        elif not self._wave.status.is_settled:
            self._timed_out()
        await self._until(
            lambda: self._superseded or all(watch.done() for watch in self._watches),
            but_stop=False,
        )
        for watch in self._watches:
            watch.cancel()

    async def _look_once_more(self) -> None:
        """Ask DRS before saying TIMED_OUT: the watching worker may have been away."""
        request = WatchRequest(
            target=self._start.wave.target,
            servers=[s for s in self._wave.servers if s.recovery_job_id and not s.is_final],
            until=0.0,
        )
        looking = asyncio.create_task(self._observe(request, within=_LAST_LOOK))
        await self._until(looking.done)
        if looking.done():
            looking.exception()

    async def _observe(self, request: WatchRequest, *, within: timedelta = _OBSERVE) -> None:
        seen = await workflow.execute_activity_method(
            DrsActivities.watch,
            request,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Watch {len(request.servers)} servers of {self._wave.wave_name}",
            schedule_to_close_timeout=within,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_WATCH_RETRY,
        )
        self._take_seen(seen)
        self._judge()

    async def _until(
        self,
        done: Callable[[], bool],
        *,
        seconds: float | None = None,
        summary: str | None = None,
        but_stop: bool = True,
    ) -> bool:
        """Wait until `done`, the end of `seconds` or, unless `but_stop` is off, the order to stop.

        Being cancelled by an operator is such an order.

        Returns:
            False at the end of `seconds`.
        """
        try:
            await workflow.wait_condition(
                lambda: done() or (but_stop and self._stop is not None),
                timeout=None if seconds is None else max(0.0, seconds),
                timeout_summary=summary,
            )
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            self._stop = "Cancelled by an operator in Temporal"
            if not but_stop:
                await workflow.wait_condition(done)
        return True

    def _judge(self) -> None:
        """Judge the wave by its servers; a wave that is up after its waiting ended is late."""
        verdict = judge_wave(self._wave.servers)
        wave = self._wave
        if wave.start_time is None and verdict.status is WaveStatus.IN_PROGRESS:
            return
        if verdict.status is WaveStatus.IN_PROGRESS:
            if wave.status in (WaveStatus.WAITING, WaveStatus.IN_PROGRESS):
                told = [verdict.reason, self._launch_waits, self._trouble]
                self._change(WaveStatus.IN_PROGRESS, "; ".join(t for t in told if t))
            return
        if wave.status is WaveStatus.CANCELLED:
            return
        if wave.status is WaveStatus.TIMED_OUT:
            wave.late = True
        late = " (late)" if wave.late else ""
        self._end(verdict.status, verdict.reason + late, at=verdict.end_time)

    def _timed_out(self) -> None:
        limit = self._start.wave.timeout_seconds
        open_ = [s.source_server_id for s in self._wave.servers if not s.is_final]
        reason = f"Not up within {limit:g} s: {', '.join(open_[:5])}"
        self._end(WaveStatus.TIMED_OUT, reason, at=workflow.time())

    def _cancelled(self) -> None:
        jobs = ", ".join(self._wave.open_job_ids)
        reason = f"{self._stop}" + (f"; still running: {jobs}" if jobs else "")
        self._end(WaveStatus.CANCELLED, reason, at=workflow.time())

    def _fail_servers(self, request: LaunchRequest, reason: str) -> None:
        ids = [s.source_server_id for s in request.servers]
        servers = [s for s in self._wave.servers if s.source_server_id in ids]
        self._take([s.failed(reason, at=workflow.time()) for s in servers])

    def _take_seen(self, servers: list[ServerResult]) -> None:
        """Take what a watch saw; two of them may look, and the later to answer knows less."""
        known = {s.source_server_id: s for s in self._wave.servers}
        ours = [(s, known[s.source_server_id]) for s in servers if s.source_server_id in known]
        self._take([seen for seen, before in ours if not seen.is_behind(before)])

    def _take(self, servers: list[ServerResult]) -> None:
        known = {s.source_server_id: s for s in self._wave.servers}
        changed = [s for s in servers if s != known.get(s.source_server_id)]
        if changed:
            self._wave.merge_servers(changed)
            self._untold.update({s.source_server_id: s for s in changed})
            self._touch()

    def _change(self, status: WaveStatus, reason: str) -> None:
        if (status, reason) == (self._wave.status, self._wave.status_reason):
            return
        if status is not self._wave.status or status is not WaveStatus.IN_PROGRESS:
            self._tell_now = True
        self._wave.status, self._wave.status_reason = status, reason
        self._touch()

    def _end(self, status: WaveStatus, reason: str, *, at: float | None) -> None:
        self._change(status, reason)
        start_time = self._wave.start_time
        if not self._launched_some and at is not None and start_time and at < start_time:
            # All of it was up before this attempt, which therefore had nothing accepted.
            self._wave.start_time = None
        self._wave.ended(status, reason, at=at)

    def _touch(self) -> None:
        self._wave.revision = next_revision(self._wave.revision, workflow.time())
        self._recorder.wake()
        workflow.set_current_details(_details(self._wave))

    async def _tell_plan(self) -> None:
        """Report to the plan: a change of status at once, progress at intervals."""
        plan = workflow.get_external_workflow_handle(self._start.plan_workflow_id)
        while True:
            await workflow.wait_condition(lambda: self._told_revision < self._wave.revision)
            if not self._tell_now:
                await self._gather_progress()
            self._tell_now = False
            servers, self._untold = list(self._untold.values()), {}
            told = self._wave.model_copy(update={"servers": servers})
            if not self._plan_ended:
                report = WaveReport(execution_id=self._start.execution_id, wave=told)
                try:
                    await plan.signal("wave_report", report)
                except ApplicationError:
                    self._plan_ended = True
            self._told_revision = told.revision

    async def _gather_progress(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._tell_now,
                timeout=self._pause,
                timeout_summary="Gather progress for the plan",
            )
        except TimeoutError:
            return

    def _unrecorded(self) -> HistoryRecord | None:
        wave = self._wave
        if wave.revision <= self._recorder.recorded.get(wave.wave_id, 0) or not wave.revision:
            return None
        # A copy, for the wave goes on changing while it is written.
        snapshot = wave.model_copy(deep=True)
        return HistoryRecord(execution_id=self._start.execution_id, waves=[snapshot])

    def _close(self) -> WaveOutcome:
        wave = self._wave
        outcome = WaveOutcome(
            wave=wave.model_copy(update={"servers": []}),
            recorded_revision=self._recorder.recorded.get(wave.wave_id, 0),
        )
        if wave.status.satisfies:
            return outcome
        raise ApplicationError(
            f"{wave.wave_name} {wave.status}: {wave.status_reason}",
            outcome,
            type=FailureType.WAVE_FAILED,
            non_retryable=True,
        )


def _why(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.non_retryable:
            return cause.message
        # The server gives up a retry that would come after the deadline.
        return f"not accepted by DRS before the plan's deadline; last: {cause.message}"
    return "not accepted by DRS before the plan's deadline"


def _details(wave: WaveState) -> str:
    """The wave as a Markdown table, for the Web UI."""
    rows = [
        f"| {s.source_server_id} | {s.launch_status} | {s.verified or ''} "
        f"| {s.recovery_instance_id or ''} | {s.recovery_job_id or ''} | {s.reason or ''} |"
        for s in wave.servers[:100]
    ]
    head = "| server | launch | verified | instance | job | reason |\n|---|---|---|---|---|---|"
    return f"**{wave.wave_name}: {wave.status}** {wave.status_reason}\n\n" + "\n".join(
        [head, *rows]
    )
