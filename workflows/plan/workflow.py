"""The plan's workflow: starts each wave of the graph when its last dependency is up."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.targets import MAX_ORIGIN_SERVERS, TargetActivities
    from contract.execution import StartExecution
    from contract.failures import FailureType
    from contract.identifiers import STATUS_KEY
    from contract.launch import LaunchAnswer
    from contract.wave import WaveOutcome
    from recovery.execution.scheduler import WaveScheduler
    from recovery.execution.state import ExecutionState, MessageRecord, PlanStatus
    from recovery.execution.wave import WaveReport
    from recovery.history.record import HistoryDelta, HistoryRecord
    from recovery.operator.confirmation import IntendedStart, start_refusal
    from recovery.operator.message_handler import MessageHandler
    from recovery.operator.messages import MessageName
    from recovery.plan.model import RecoveryPlan, Target
    from recovery.text_format import shortened
    from workflows.activity_options import READ_RETRY
    from workflows.history_repair import start_history_repair
    from workflows.plan.details import plan_details
    from workflows.plan.expectations import Expectations
    from workflows.plan.wave_runs import WaveRuns
    from workflows.recorder import Recorder
    from workflows.signals import model_signal
    from workflows.waiting import wait_at_most

_CONTEXT_SECONDS = 60.0
_MIN_TIMER_SECONDS = 0.2
_CANCEL_TIMEOUT_SECONDS = 60.0
_RECORD_PAUSE_SECONDS = 2.0
# Later, a repair writes the rest of the history, so that the plan can be started again.
RECORD_TIMEOUT_SECONDS = 30.0
# After a cancellation, an operator may need the plan at once, for a real recovery.
_CANCELLED_RECORD_TIMEOUT_SECONDS = 5.0


@workflow.defn
class RecoveryPlanWorkflow:
    """Runs one execution of one plan.

    Its `WaveScheduler` holds the whole state of the execution; each wave's own workflow reports by
    signal. It never continues as new, because that would drop its running children.
    """

    @workflow.init
    def __init__(self, start: StartExecution) -> None:
        self._start = start
        state = ExecutionState.begin(
            start.plan,
            execution_id=start.execution_id,
            execution_type=start.execution_type,
            started_by=start.started_by,
            now=start.start_time or workflow.time(),
        )
        self._scheduler = WaveScheduler(start.plan, state)
        self._scheduler.touch(workflow.time())
        if start.takeover is not None:
            state.from_execution = start.takeover.execution_id
        self._expectations = Expectations(start, state)
        self._handler = MessageHandler(self._scheduler)
        self._register_message_handlers()
        self._changed = True
        self._history_delta = HistoryDelta(start.plan, state)
        # The client sets this first value at the start.
        self._indexed_status = state.status
        self._waves = WaveRuns(
            start,
            self._scheduler,
            self._expectations,
            on_change=self._mark_changed,
            on_outcome=self._apply_outcome,
            on_report=self._apply_report,
        )
        self._stopped: str | None = None
        self._recorder = Recorder(self._unrecorded, pause_seconds=_RECORD_PAUSE_SECONDS)

    @workflow.run
    async def run(self, start: StartExecution) -> ExecutionState:
        """Run the plan to its end.

        Returns:
            The execution without its servers: COMPLETED or PARTIAL.

        Raises:
            ApplicationError: PlanRefused, before anything is launched; PlanFailed at the end.
            CancelledError: the execution was cancelled.
        """
        self._refuse_unconfirmed()
        self._recorder.begin()
        self._recorder.wake()
        try:
            await self._check_targets()
            await self._run_waves()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._cancel()
        await self._end()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._close()

    @workflow.query
    def status(self) -> ExecutionState:
        """The whole state of the execution."""
        return self._state

    @workflow.query
    def plan(self) -> RecoveryPlan:
        """The frozen plan."""
        return self._start.plan

    @model_signal
    def wave_report(self, report: WaveReport) -> None:
        """Handle a report of a wave's workflow."""
        self._apply_report(report)

    def _register_message_handlers(self) -> None:
        """Accept each operator's message as a signal and as an update of the same name.

        Handlers accept any input: a missing or malformed one must be recorded, not fail the
        workflow task.
        """
        for name in MessageName:
            workflow.set_signal_handler(name, self._on_signal(name))
            workflow.set_update_handler(name, self._on_update(name))
        workflow.set_dynamic_signal_handler(self._on_unknown_signal)
        workflow.set_dynamic_update_handler(self._on_unknown_update)

    def _on_signal(self, name: str) -> Callable[..., None]:
        def handle(*inputs: Any) -> None:
            self._handle_message(name, inputs)

        return handle

    def _on_update(self, name: str) -> Callable[..., str]:
        def handle(*inputs: Any) -> str:
            return self._effect_or_error(self._handle_message(name, inputs))

        return handle

    async def _on_unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self._handle_message(name, ())

    async def _on_unknown_update(self, name: str, args: Sequence[RawValue]) -> str:
        return self._effect_or_error(self._handle_message(name, ()))

    def _handle_message(self, name: str, inputs: tuple[Any, ...]) -> MessageRecord:
        paused = self._state.status is PlanStatus.PAUSED
        record = self._handler.handle(name, inputs, now=workflow.time())
        if (self._state.status is PlanStatus.PAUSED) is not paused:
            self._waves.signal_running("resume" if paused else "pause")
        for wave, reason in self._handler.cancellations:
            self._waves.stop(wave, reason)
        self._handler.cancellations.clear()
        for wave, launch_id, job_id in self._handler.launch_decisions:
            answer = LaunchAnswer(launch_id=launch_id, job_id=job_id)
            self._waves.signal(wave, "answer_launch", answer)
        self._handler.launch_decisions.clear()
        self._mark_changed()
        return record

    @staticmethod
    def _effect_or_error(record: MessageRecord) -> str:
        if not record.accepted:
            raise ApplicationError(record.effect, record.refusal, type=FailureType.MESSAGE_REJECTED)
        return record.effect

    def _apply_stop_policy(self) -> None:
        """Once the policy STOP applies, cancel the launches that DRS has not accepted."""
        stopped, before = self._scheduler.stop_reason, self._stopped
        self._stopped = stopped
        if stopped is None or before is not None:
            return
        for wave in self._scheduler.running():
            if wave.start_time is None:
                self._waves.stop(wave, stopped)

    @property
    def _state(self) -> ExecutionState:
        return self._scheduler.state

    def _refuse_unconfirmed(self) -> None:
        start, plan = self._start, self._start.plan
        intended = IntendedStart(
            plan.plan_id,
            start.execution_type,
            relaunch=start.relaunch,
            server_ids=[server_id for wave in plan.waves for server_id in wave.server_ids],
        )
        if (refused := start_refusal(intended, start.confirmation)) is not None:
            raise ApplicationError(refused.text, type=FailureType.PLAN_REFUSED, non_retryable=True)

    async def _run_waves(self) -> None:
        """Start each wave when its last dependency is up, until all are settled."""
        while not self._scheduler.all_settled:
            self._waves.start_ready()
            self._update_details()
            await self._wait_for_change()
            self._waves.raise_failures()

    async def _wait_for_change(self) -> None:
        """Wait for a report, a message or the next deadline."""
        deadline = self._scheduler.next_deadline()
        # A minimum, so that a deadline without an effect does not cause a busy loop.
        left = None if deadline is None else max(_MIN_TIMER_SECONDS, deadline - workflow.time())
        if not await wait_at_most(left, lambda: self._changed, summary="A decision is due"):
            self._scheduler.tick(now=workflow.time())
            self._recorder.wake()
        self._changed = False

    async def _check_targets(self) -> None:
        """Read the worker's speed and accounts; a wrong account refuses the whole plan."""
        plan = self._start.plan
        context = await workflow.execute_activity_method(
            TargetActivities.check_targets,
            args=[list(plan.targets), [_servers_in(plan, target) for target in plan.targets]],
            summary="Check accounts and endpoints",
            start_to_close_timeout=timedelta(seconds=_CONTEXT_SECONDS),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        for target in context.targets:
            if target.mismatch:
                reason = target.error or "the worker acts in another account"
                now = workflow.time()
                self._scheduler.refuse(target.region, target.role_arn, reason, now=now)
        self._state.speed = context.speed
        self._state.warnings = context.warnings
        self._expectations.update(context.operating_systems)
        self._scheduler.touch(workflow.time())
        self._recorder.wake()

    def _apply_outcome(self, outcome: WaveOutcome) -> None:
        wave = outcome.wave
        self._recorder.recorded[wave.wave_id] = outcome.recorded_revision
        self._apply_report(WaveReport(execution_id=self._start.execution_id, wave=wave))

    def _apply_report(self, report: WaveReport) -> None:
        if self._scheduler.report(report, now=workflow.time()):
            self._apply_stop_policy()
            self._mark_changed()

    async def _cancel(self) -> None:
        """Launch nothing new, cancel running waves, and read which jobs continue."""
        reason = shortened(workflow.cancellation_reason() or "Cancelled")
        now = workflow.time()
        self._scheduler.cancel(reason, now=now)
        self._handler.record_cancellation(reason, now=now)
        self._mark_changed()
        for wave in self._scheduler.running():
            self._waves.stop(wave, reason)
        await wait_at_most(
            _CANCEL_TIMEOUT_SECONDS,
            lambda: not self._scheduler.running(),
            summary="Wait for waves to confirm the cancellation",
        )
        for wave in self._scheduler.running():
            why = f"{reason}; its workflow did not confirm, check its jobs in DRS"
            self._scheduler.cancel_running(wave.wave_id, why, now=workflow.time())

    async def _end(self) -> None:
        """Set the final status, complete the history, and stop awaiting waves."""
        self._scheduler.close(now=workflow.time())
        self._mark_changed()
        self._update_details()
        try:
            is_recorded = await self._recorder.finish(within_seconds=self._record_timeout)
        except asyncio.CancelledError:
            # The status is final; an operator needs the plan at once.
            is_recorded = False
        if not is_recorded:
            await self._start_history_repair()
        await self._waves.close()

    @property
    def _record_timeout(self) -> float:
        cancelled = self._state.status is PlanStatus.CANCELLED
        return _CANCELLED_RECORD_TIMEOUT_SECONDS if cancelled else RECORD_TIMEOUT_SECONDS

    async def _start_history_repair(self) -> None:
        """Start the repair of the history, even if we are cancelled now."""
        starting = asyncio.create_task(start_history_repair(self._start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await starting

    def _close(self) -> ExecutionState:
        state = self._state
        match state.status:
            case PlanStatus.CANCELLED:
                raise asyncio.CancelledError(state.status_reason)
            case PlanStatus.FAILED:
                raise ApplicationError(
                    f"{state.plan_name} FAILED: {state.status_reason}",
                    type=FailureType.PLAN_FAILED,
                    non_retryable=True,
                )
        return state.without_waves()

    def _mark_changed(self) -> None:
        self._changed = True
        self._recorder.wake()

    def _update_details(self) -> None:
        """Update the details and the status in the Web UI."""
        workflow.set_current_details(plan_details(self._state))
        if self._indexed_status != self._state.status:
            self._indexed_status = self._state.status
            workflow.upsert_search_attributes([STATUS_KEY.value_set(self._indexed_status)])

    def _unrecorded(self) -> HistoryRecord | None:
        recorder = self._recorder
        return self._history_delta.unwritten(recorder.recorded, recorder.recorded_execution)


def _servers_in(plan: RecoveryPlan, target: Target) -> list[str]:
    """Servers of a plan in one target, up to the number that is read for their Regions."""
    ids = [i for wave in plan.waves if wave.target == target for i in wave.server_ids]
    return ids[:MAX_ORIGIN_SERVERS]
