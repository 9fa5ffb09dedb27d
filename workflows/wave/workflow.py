"""The workflow of one attempt of a wave: launch its servers, watch them, record the result."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from contract.failures import FailureType
    from contract.launch import (
        LaunchAnswer,
        LaunchesSettled,
        LaunchResult,
        LaunchWaiting,
        ReviewProgress,
    )
    from contract.steps import StepAnswer, StepProgress
    from contract.watch import ServersChanged
    from contract.wave import AcceptLaunch, StopWave, WaveInput, WaveOutcome
    from recovery.execution.server import LaunchStatus
    from recovery.execution.wave import WaitingFor, WaveReport, WaveState, WaveStatus
    from recovery.history.record import HistoryRecord, records_itself
    from recovery.notify.event_kind import EventKind
    from recovery.notify.execution_events import wave_event
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.steps.model import StepPhase
    from workflows.notifier_report import report as report_to_notifier
    from workflows.recorder import MAX_RECORD_SECONDS, Recorder
    from workflows.signals import model_signal
    from workflows.wave.control import WaveControl
    from workflows.wave.decisions import WaveDecisions
    from workflows.wave.details import wave_details
    from workflows.wave.launch import WaveLaunch
    from workflows.wave.plan_reporter import PlanReporter
    from workflows.wave.steps import WaveSteps
    from workflows.wave.tracker import WaveTracker
    from workflows.wave.watch import WaveWatch

# A wave of 4 servers reports its progress at most every 10 s, one of 500 every 50 s: a bound on
# what its reports and records add to the histories.
_PROGRESS_SECONDS = 10.0
_PROGRESS_SECONDS_PER_SERVER = 0.1
_LAST_RECORD_SECONDS = 5.0


@workflow.defn
class WaveWorkflow:
    """Launches and watches a wave's servers, and reports their state to its plan.

    A TIMED_OUT or CANCELLED wave is still observed, so this workflow may outlive its plan: it
    records its servers until their jobs end, for at most 24 hours.
    """

    @workflow.init
    def __init__(self, start: WaveInput) -> None:
        pause = max(_PROGRESS_SECONDS, _PROGRESS_SECONDS_PER_SERVER * len(start.wave.servers))
        pause /= start.speed
        self._start = start
        self._recorder = Recorder(self._unrecorded, pause_seconds=pause)
        self._control = control = WaveControl(paused=start.paused)
        self._tracker = tracker = WaveTracker(start, on_change=self._on_change)
        self._reporter = PlanReporter(
            start, tracker, control, pause_seconds=pause, on_plan_closed=self._close_plan
        )
        self._watch = WaveWatch(start, tracker, control, take_report=self._reporter.for_watch)
        self._launch = WaveLaunch(start, tracker, control, on_results=self._take_results)
        self._steps = WaveSteps(start, tracker, control)
        self._decisions = WaveDecisions(
            start, on_answer=self._steps.answer, on_accepted=tracker.accept_launch
        )

    @workflow.run
    async def run(self, start: WaveInput) -> WaveOutcome:
        """Launch and watch the servers; returns when nothing is left to observe.

        Raises:
            ApplicationError: WaveFailed, if the wave is not up at the end.
        """
        self._recorder.begin()
        noting = asyncio.create_task(self._steps.note_resets())
        reporting = asyncio.create_task(self._reporter.run())
        if start.wave.servers:
            await self._run_servers()
        else:
            await self._steps.run(StepPhase.ALONE)
        self._cancel_if_stopped()
        await self._reporter.finish(by_result=self._reports_by_result)
        reporting.cancel()
        noting.cancel()
        reporting = asyncio.create_task(self._report_late_arrival())
        timeout = MAX_RECORD_SECONDS if self._control.plan_closed else _LAST_RECORD_SECONDS
        await self._recorder.finish(within_seconds=timeout)
        await reporting
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._outcome()

    async def _run_servers(self) -> None:
        """Launch the servers and watch them, with the steps before and after."""
        start, tracker = self._start, self._tracker
        is_known = await self._launch.review() if start.launch_prefixes else True
        if start.launches_requested is None:
            # Else its own may have begun already: results may come before `run`.
            self._watch_earlier_jobs()
        if start.launch_accepted:
            reason = "not launched again: an operator accepted what is up"
            tracker.leave_unlaunched(start.earlier, reason)
        elif is_known:
            if not await self._steps.run(StepPhase.PRE_LAUNCH):
                self._cancel_if_stopped()
                await self._watch.observe()
                return
            await self._launch.run()
        self._cancel_if_stopped()
        tracker.judge()
        if self._watch.has_begun:
            await self._watch.await_launch(or_accepted=True)
        await self._steps.run_after_launch()
        self._cancel_if_stopped()
        if self._watch.has_begun:
            await self._watch.await_launch(or_accepted=False)
            await self._watch.observe()
            # A wave that is up late.
            await self._steps.run_after_launch()

    @workflow.query
    def status(self) -> WaveState:
        """The wave's state."""
        return self._tracker.state

    @workflow.query
    def report(self) -> WaveReport:
        """The wave's state, and what its steps returned, for a plan that was reset."""
        outputs = self._steps.known_outputs
        return WaveReport(
            execution_id=self._start.execution_id, wave=self._tracker.state, outputs=outputs
        )

    @model_signal
    def launch_waiting(self, waiting: LaunchWaiting) -> None:
        """Handle the launcher's signal of what a launch waits for."""
        self._launch.note_waiting(waiting)
        if not self._control.paused:
            self._tracker.apply_waiting(waiting)

    @model_signal
    def launches_settled(self, settled: LaunchesSettled) -> None:
        """Handle the launcher's results of launches, or their removal from its queue."""
        self._launch.apply_settled(settled)

    @model_signal
    def answer_launch(self, answer: LaunchAnswer) -> None:
        """Handle an operator's answer to whether DRS has the job of a launch."""
        self._launch.answer(answer)

    @model_signal
    def review_progress(self, progress: ReviewProgress) -> None:
        """Handle the review's signal of why it has not ended."""
        self._tracker.wait_for(WaitingFor.REVIEW, progress.reason)

    @model_signal
    def servers_changed(self, changed: ServersChanged) -> None:
        """Handle a watch's signal of changed servers."""
        self._tracker.poll_error = changed.error
        self._tracker.apply_watched(changed.servers)
        self._tracker.judge()

    @model_signal
    def stop(self, signal: StopWave) -> None:
        """Stop the wave: launch nothing more, observe what is launched."""
        self._control.stop_reason = signal.reason

    @model_signal
    def answer_step(self, answer: StepAnswer) -> None:
        """Handle an operator's decision about a step."""
        self._decisions.answer_step(answer)

    @model_signal
    def step_progress(self, progress: StepProgress) -> None:
        """Handle an activity's signal of what a step does."""
        self._steps.note_progress(progress)

    @model_signal
    def accept_launch(self, accepted: AcceptLaunch) -> None:
        """Run the steps after the launch on what is up: an operator accepted it."""
        self._decisions.accept_launch(accepted)

    @workflow.signal
    def pause(self, *_: Any) -> None:
        """Pause launches that DRS has not accepted yet."""
        self._control.paused = True

    @workflow.signal
    def resume(self, *_: Any) -> None:
        """Resume launches."""
        self._control.paused = False

    @workflow.signal
    def superseded(self, *_: Any) -> None:
        """End this attempt: another one has taken over what it launched."""
        self._control.superseded = True

    @workflow.signal
    def plan_closed(self, *_: Any) -> None:
        """Only record changes from now on: the plan's workflow has ended."""
        self._close_plan()

    def _close_plan(self) -> None:
        self._control.plan_closed = True
        # What the plan may not have recorded.
        self._recorder.wake()

    def _cancel_if_stopped(self) -> None:
        reason, state = self._control.stop_reason, self._tracker.state
        if reason is not None and not state.status.is_settled:
            self._tracker.cancel(reason)

    def _watch_earlier_jobs(self) -> None:
        """Watch jobs of earlier attempts; the wave gets its whole TimeoutSeconds again."""
        servers = self._tracker.state.servers
        if kept := [s for s in servers if s.recovery_job_id and not s.is_final]:
            now = workflow.time()
            # Each is judged by its job again, also one that is recorded as launched.
            kept = [s.model_copy(update={"launch_status": LaunchStatus.PENDING}) for s in kept]
            self._watch.begin(kept, accepted_time=now, not_before=now)

    def _take_results(self, results: Sequence[LaunchResult]) -> None:
        """Apply the results of launches, and watch the servers with a job."""
        self._tracker.apply_results(results)
        accepted = [r for r in results if r.accepted_time is not None]
        if not accepted:
            return
        servers = [s for r in accepted for s in r.servers if s.recovery_job_id]
        self._watch.begin(
            servers,
            accepted_time=min(r.accepted_time for r in accepted if r.accepted_time is not None),
            not_before=self._launch.last_unaccepted,
        )

    async def _report_late_arrival(self) -> None:
        """Report to the notifier that the wave came up after its plan's workflow ended."""
        start, wave = self._start, self._tracker.state
        event = wave_event(wave, now=workflow.time())
        if event is None or start.reported_execution is None:
            return
        if event.kind is EventKind.LATE_ARRIVAL and not self._reporter.has_reported_late:
            update = NotifyUpdate(
                execution=start.reported_execution,
                speed=start.speed,
                events=[event],
                is_after_end=True,
            )
            await report_to_notifier(update, start.channels)

    def _on_change(self) -> None:
        self._recorder.wake()
        workflow.set_current_details(wave_details(self._tracker.state))

    def _unrecorded(self) -> HistoryRecord | None:
        wave = self._tracker.state
        if not (self._control.plan_closed or records_itself(wave)):
            # The plan's workflow records it.
            return None
        if wave.revision <= self._recorder.recorded.get(wave.wave_id, 0) or not wave.revision:
            return None
        # A copy, because the wave continues to change while it is written.
        snapshot = wave.model_copy(deep=True)
        return HistoryRecord(execution_id=self._start.execution_id, waves=[snapshot])

    @property
    def _reports_by_result(self) -> bool:
        """Whether the wave's result reports its end to the plan, which awaits it.

        A plan may end before a wave that is TIMED_OUT, CANCELLED or replaced by another attempt.
        """
        wave, control = self._tracker.state, self._control
        is_awaited = not (control.stopped or control.superseded or control.plan_closed or wave.late)
        has_result = wave.status in (WaveStatus.COMPLETED, WaveStatus.PARTIAL, WaveStatus.FAILED)
        is_small = not records_itself(wave)
        return is_awaited and has_result and is_small and self._watch.has_just_ended

    def _outcome(self) -> WaveOutcome:
        wave = self._tracker.take_unreported()
        outcome = WaveOutcome(
            wave=wave, recorded_revision=self._recorder.recorded.get(wave.wave_id, 0)
        )
        if wave.status.satisfies:
            return outcome
        raise ApplicationError(
            f"{wave.wave_name} {wave.status}: {wave.status_reason}",
            outcome,
            type=FailureType.WAVE_FAILED,
            non_retryable=True,
        )
