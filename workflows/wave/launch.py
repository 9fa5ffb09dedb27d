"""The launches of a wave: requested from the launcher, and withdrawn if necessary."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch.launch_activities import LaunchActivities
    from activities.watch.watch_activities import WatchActivities
    from contract.identifiers import launch_prefix
    from contract.launch import (
        LaunchAnswer,
        LaunchesSettled,
        LaunchRequest,
        LaunchResult,
        LaunchWaiting,
        QueueLaunches,
        ReviewRequest,
        WaveLaunches,
        WithdrawLaunches,
    )
    from contract.wave import WaveInput
    from recovery.execution.wave import WaitingFor
    from recovery.launch_settings.network import networks_of
    from recovery.plan.point_in_time import unlaunched_reason
    from workflows.activity_options import READ_RETRY
    from workflows.signals import signal_workflow
    from workflows.wave.control import WaveControl
    from workflows.wave.requests import isolated_servers, launcher_of, wave_launches
    from workflows.wave.tracker import WaveTracker

_MIN_TIMEOUT = timedelta(seconds=45)
_SEARCH_TIMEOUT = timedelta(hours=24)
# A terminated launcher has lost its requests.
_QUEUE_AGAIN_SECONDS = 300.0
# A launch that is not sent within seconds is reported to wait. If nothing is heard, nobody has it.
_UNHEARD_SECONDS = 15.0


class WaveLaunch:
    """The launches of one attempt of a wave.

    Attributes:
        last_unaccepted: when DRS had certainly not accepted them yet, by Temporal's clock.
    """

    def __init__(
        self,
        start: WaveInput,
        tracker: WaveTracker,
        control: WaveControl,
        *,
        on_results: Callable[[Sequence[LaunchResult]], None],
    ) -> None:
        self._start = start
        self._tracker = tracker
        self._control = control
        self._on_results = on_results
        self._withdrawn_in_doubt: list[LaunchRequest] = []
        self._answers: list[LaunchAnswer] = []
        self._launcher = launcher_of(start) or ""
        # Whether nothing was heard yet from the launcher that has, or gets, the launches.
        self._is_unheard = start.launches_requested is not None
        # By launch ID: the launches that the launcher has not settled yet. Results of what the plan
        # requested may come before `run`.
        requests = self._requests(start.wave.server_ids).requests if self._is_unheard else []
        self._queued = {request.launch_id: request for request in requests}
        self.last_unaccepted = workflow.time()

    async def run(self) -> None:
        """Launch the servers without a job, until all are settled or the wave is stopped."""
        self._leave_servers_without_point()
        requests = list(self._queued.values())
        requests = requests or self._requests(self._tracker.unlaunched).requests
        control = self._control
        while requests and (self._queued or not control.stopped):
            if control.paused and not self._queued and not self._is_overdue:
                await self._wait_for_resume()
            else:
                requests = await self._launch(requests)
        self._tracker.launch_reason = ""

    def _leave_servers_without_point(self) -> None:
        """Settle the servers for which no snapshot was chosen; the others are launched."""
        wanted, unlaunched = self._start.point_in_time, set(self._tracker.unlaunched)
        for server in self._start.wave.servers:
            point, server_id = server.chosen_point, server.source_server_id
            if point and not point.kind.is_launched and server_id in unlaunched:
                self._tracker.fail([server_id], unlaunched_reason(point.kind, wanted))

    def note_waiting(self, waiting: LaunchWaiting) -> None:
        """Note that a launch waits for what comes before its call."""
        self._is_unheard = False
        if waiting.waiting_for in (WaitingFor.QUOTA, WaitingFor.OTHER_JOB, WaitingFor.ISOLATION):
            self.last_unaccepted = workflow.time()

    def answer(self, answer: LaunchAnswer) -> None:
        """Apply an operator's answer to whether DRS has the job of a launch."""
        if answer.launch_id in self._queued:
            self._answers.append(answer)
            self._tracker.end_doubt(answer.launch_id)

    def apply_settled(self, settled: LaunchesSettled) -> None:
        """Apply the launcher's signal about launches; others than the queued are ignored."""
        self._is_unheard = False
        results = [r for r in settled.results if self._queued.pop(r.launch_id, None)]
        self._tracker.end_doubt(*(result.launch_id for result in results))
        self._on_results(results)
        for launch_id in settled.withdrawn:
            request = self._queued.pop(launch_id, None)
            if request is not None and settled.in_doubt:
                self._withdrawn_in_doubt.append(request)

    async def review(self) -> bool:
        """Review the servers' earlier launches with DRS.

        Returns:
            Whether the review succeeded, so that the others may be launched.
        """
        start, tracker = self._start, self._tracker
        tracker.wait_for(WaitingFor.REVIEW)
        known = {s.source_server_id: s for s in start.earlier}
        servers = [known.get(s.source_server_id, s) for s in tracker.state.servers]
        networks = networks_of(start.wave.server_ids, isolated_servers(start), start.drill_subnets)
        reviewing = workflow.start_activity_method(
            WatchActivities.review_launches,
            ReviewRequest(
                target=start.wave.target,
                servers=[
                    s.model_copy(update={"network": s.network or networks.get(s.source_server_id)})
                    for s in servers
                ],
                launch_prefixes=start.launch_prefixes,
                is_drill=start.is_drill,
                since=start.since,
                own_prefix=launch_prefix(start.execution_id),
                acting_for=start.acting_for,
            ),
            summary="Review earlier launches",
            schedule_to_close_timeout=self._time_left,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        await self._control.wait_until(reviewing.done)
        if not reviewing.done():
            reviewing.cancel()
            return False
        if reviewing.exception() is None:
            tracker.apply(reviewing.result())
            tracker.wait_for(tracker.state.begins_with)
            return True
        reason = "not launched: its earlier launch could not be reviewed"
        failed = reviewing.exception()
        if isinstance(failed, ActivityError) and isinstance(failed.cause, ApplicationError):
            reason += f": {failed.cause.message}"
        tracker.fail(tracker.unlaunched, reason)
        return False

    def _requests(self, server_ids: Collection[str]) -> WaveLaunches:
        info = workflow.info()
        return wave_launches(
            self._start,
            server_ids,
            workflow_id=info.workflow_id,
            started_time=info.start_time.timestamp(),
            possibly_sent=info.run_id != info.first_execution_run_id,
        )

    async def _wait_for_resume(self) -> None:
        self._tracker.wait_for(WaitingFor.RESUME, WaitingFor.RESUME.text("The plan is paused"))
        left = self._start.launch_before - workflow.time()
        await self._control.wait_until(
            lambda: not self._control.paused, seconds=left, summary="DeadlineSeconds"
        )

    async def _launch(self, requests: list[LaunchRequest]) -> list[LaunchRequest]:
        """Queue launches with the launcher, until all are settled or the wave stops or pauses.

        Returns:
            The launches that were not made, to be requested again with the same launch IDs.
        """
        control = self._control
        is_queued = bool(self._queued)
        self._queued = {request.launch_id: request for request in requests}
        self._withdrawn_in_doubt = []
        if self._is_overdue and not is_queued:
            self._fail(requests, "the plan's deadline had passed before it could be launched")
            return []
        if not is_queued and (refused := await self._queue(requests)) is not None:
            self._fail(requests, refused)
            return []
        while self._queued and not (control.paused or control.stopped or self._is_overdue):
            done = await self._wait_for_launcher()
            if self._answers:
                await self._forward_answers()
            elif not done and not self._is_overdue:
                await self._queue_again()
        if control.stop_reason is not None:
            self._tracker.cancel(control.stop_reason)
        await self._withdraw()
        not_launched = [r for r in requests if r.server_ids[0] in self._tracker.unlaunched]
        if self._is_overdue and not control.stopped:
            for request in not_launched:
                known = self._tracker.doubt_reason(request.launch_id) or self._tracker.launch_reason
                last = f"; last: {known}" if known else ""
                reason = f"not accepted by DRS before the plan's deadline{last}"
                self._fail([request], reason)
            return []
        return not_launched

    async def _wait_for_launcher(self) -> bool:
        """Wait for news of the queued launches; False if the launcher may have lost them."""
        unheard = self._is_unheard
        left = self._start.launch_before - workflow.time()
        return await self._control.wait_until(
            lambda: (
                not self._queued
                or self._control.paused
                or bool(self._answers)
                or self._is_unheard != unheard
            ),
            seconds=min(_UNHEARD_SECONDS if unheard else _QUEUE_AGAIN_SECONDS, left),
            summary="Queue again in case the launcher lost it",
        )

    async def _queue(self, requests: list[LaunchRequest]) -> str | None:
        """Queue launches with the launcher, which identifies each by its ID, and start it.

        Returns:
            Why this failed; None if it did not.
        """
        self._is_unheard = False
        try:
            self._launcher = await workflow.execute_activity_method(
                LaunchActivities.queue_launches,
                self._launches(requests),
                summary=f"Queue the launch of {sum(len(r.servers) for r in requests)} servers",
                schedule_to_close_timeout=self._time_left,
                start_to_close_timeout=timedelta(seconds=30),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=READ_RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            return _reason_of(error)
        return None

    def _launches(self, requests: list[LaunchRequest]) -> QueueLaunches:
        wave = self._requests([]).model_copy(update={"requests": requests})
        return QueueLaunches(waves=[wave])

    async def _queue_again(self) -> None:
        """Queue the launches again, which a lost launcher no longer has."""
        again = {"possibly_sent": True}
        await self._queue([r.model_copy(update=again) for r in self._queued.values()])

    async def _forward_answers(self) -> None:
        answers, self._answers = self._answers, []
        for answer in answers:
            if not await signal_workflow(self._launcher, "answer_launch", answer):
                await self._queue_again()
                await signal_workflow(self._launcher, "answer_launch", answer)

    async def _withdraw(self) -> None:
        """Withdraw launches that are not settled, and search for their jobs."""
        while self._queued:
            withdrawn = WithdrawLaunches(
                wave_workflow_id=workflow.info().workflow_id, launch_ids=list(self._queued)
            )
            if not await signal_workflow(self._launcher, "withdraw_launches", withdrawn):
                self._withdrawn_in_doubt += self._queued.values()
                self._queued = {}
            await self._control.wait_until(
                lambda: not self._queued,
                seconds=_QUEUE_AGAIN_SECONDS,
                summary="Wait for the launcher's response",
                ignore_stop=True,
            )
        for request in self._withdrawn_in_doubt:
            found = await self._find_job(request)
            self._on_results([found] if found else [])

    async def _find_job(self, request: LaunchRequest) -> LaunchResult | None:
        """Search the job of a launch that was withdrawn while it was being sent."""
        return await workflow.execute_activity_method(
            LaunchActivities.find_launch,
            request,
            summary="Search the job of the withdrawn launch",
            schedule_to_close_timeout=_SEARCH_TIMEOUT,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )

    def _fail(self, requests: list[LaunchRequest], reason: str) -> None:
        for request in requests:
            self._queued.pop(request.launch_id, None)
            self._tracker.fail(request.server_ids, reason)

    @property
    def _time_left(self) -> timedelta:
        """The time until the plan's deadline, but at least enough for one attempt."""
        return max(_MIN_TIMEOUT, timedelta(seconds=self._start.launch_before - workflow.time()))

    @property
    def _is_overdue(self) -> bool:
        return self._start.launch_before <= workflow.time()


def _reason_of(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.non_retryable:
            return cause.message
        # Temporal makes no retry that would come after the deadline.
        return f"not accepted by DRS before the plan's deadline; last: {cause.message}"
    return "not accepted by DRS before the plan's deadline"
