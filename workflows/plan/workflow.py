"""The plan's workflow: starts each wave of the graph when its last dependency is up."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from activities.targets import MAX_ORIGIN_SERVERS, TargetActivities
    from contract.execution import StartExecution, packed_state
    from contract.failures import FailureType
    from contract.identifiers import STATUS_KEY
    from contract.notify import NotificationProblems
    from contract.temporal import HISTORY_TASK_QUEUE
    from contract.wave import WaveOutcome
    from recovery.access.step_needs import needs_of
    from recovery.execution.scheduler import WaveScheduler
    from recovery.execution.state import (
        ExecutionState,
        ExecutionType,
        PlanStatus,
        needs_signature,
    )
    from recovery.execution.wave import WaveReport
    from recovery.history.record import HistoryDelta
    from recovery.notify.execution_events import ExecutionEvents
    from recovery.operator.confirmation import IntendedStart, start_refusal
    from recovery.operator.message_handler import MessageHandler
    from recovery.operator.pending_decisions import update_open_decisions
    from recovery.plan.limits import MAX_SIGNALS
    from recovery.plan.membership import unresolved_problem
    from recovery.plan.model import RecoveryPlan, Target
    from recovery.plan.point_in_time import left_out_text, points_problem
    from recovery.text_format import shortened
    from workflows.activity_options import READ_RETRY
    from workflows.history_repair import start_history_repair
    from workflows.history_share import used_share
    from workflows.plan.details import plan_details
    from workflows.plan.expectations import Expectations
    from workflows.plan.notifications import Notifications
    from workflows.plan.operator_messages import OperatorMessages
    from workflows.plan.wave_runs import WaveRuns
    from workflows.recorder import Recorder
    from workflows.signals import model_signal
    from workflows.waiting import wait_at_most

_CONTEXT_SECONDS = 60.0
_MIN_TIMER_SECONDS = 0.2
_CANCEL_TIMEOUT_SECONDS = 60.0
_RECORD_PAUSE_SECONDS = 2.0
# Until the launches of the next waves are accepted, also where a hundred plans wait for theirs.
_RECORD_GATHER_SECONDS = 10.0
# Later, a repair writes the rest of the history, so that the plan can be started again.
RECORD_TIMEOUT_SECONDS = 30.0
# After a cancellation, an operator may need the plan at once, for a real recovery.
_CANCELLED_RECORD_TIMEOUT_SECONDS = 5.0
# The state of so many servers is less than the 2 MB of a query's answer.
_MAX_SERVERS_SHOWN = 1000
_WARN_SHARE = 0.8
_STOP_SENDING = "Stop what sends messages to this execution, or it ends:"


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
            now=start.portfolio_time or start.start_time or workflow.time(),
            declared_time=start.declared_time,
        )
        self._scheduler = WaveScheduler(start.plan, state)
        self._scheduler.touch(workflow.time())
        state.portfolio, state.from_execution = start.portfolio, start.from_execution
        state.start_overrides = start.overrides
        self._expectations = Expectations(start, state)
        self._handler = MessageHandler(self._scheduler)
        self._changed = True
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
        self._signals_received = 0
        self._messages = OperatorMessages(
            start, self._handler, self._waves, on_change=self._mark_changed
        )
        self._messages.register()
        self._limit_reason = ""
        self._is_cancelled = False
        self._recorder = _recorder_of(start.plan, state)
        self._events = ExecutionEvents(state, rto_minutes=start.plan.rto)
        self._notifications = Notifications(
            state, self._events, start.plan.notify, on_problem=self._touch
        )

    @workflow.run
    async def run(self, start: StartExecution) -> ExecutionState:
        """Run the plan to its end.

        Returns:
            The execution without its servers: COMPLETED or PARTIAL.

        Raises:
            ApplicationError: PlanRefused, before anything is launched; PlanFailed at the end.
            CancelledError: the execution was cancelled.
        """
        _refuse_unconfirmed(start)
        self._recorder.begin()
        self._recorder.wake()
        self._handling = asyncio.create_task(self._messages.handle_signals())
        self._handling.add_done_callback(lambda _: self._mark_changed())
        try:
            await self._check_targets()
            await self._read_taken_over()
            await self._run_waves()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._cancel()
        await self._end()
        await workflow.wait_condition(
            lambda: self._messages.all_handled and workflow.all_handlers_finished()
        )
        self._handling.cancel()
        return _closed(self._state, is_cancelled=self._is_cancelled)

    @workflow.query
    def status(self) -> ExecutionState:
        """The state of the execution, for people; of a large plan without its servers."""
        is_large = self._start.plan.server_count > _MAX_SERVERS_SHOWN
        return self._state.without_servers() if is_large else self._state

    @workflow.query
    def packed_status(self) -> bytes:
        """The whole state of the execution, for `unpacked_state`."""
        return packed_state(self._state)

    @workflow.query
    def plan(self) -> RecoveryPlan:
        """The frozen plan."""
        return self._start.plan

    @workflow.signal
    def wake(self, *_: Any) -> None:
        """Change nothing; a client sends it before an update that it sends again."""
        self._signals_received += 1

    @model_signal
    def wave_report(self, report: WaveReport) -> None:
        """Handle a report of a wave's workflow."""
        self._signals_received += 1
        self._apply_report(report)

    @model_signal
    def notification_problems(self, report: NotificationProblems) -> None:
        """Handle the notifier's report of channels that it does not reach."""
        self._signals_received += 1
        if report.execution_id == self._start.execution_id:
            self._notifications.set_problems(report.problems)

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

    async def _run_waves(self) -> None:
        """Start each wave when its last dependency is up, until all are settled."""
        while not self._scheduler.is_over:
            if self._is_at_limit():
                await self._stop_waves(self._limit_reason)
                return
            self._waves.start_ready()
            self._waves.update_paused(self._state.status is PlanStatus.PAUSED)
            self._update_details()
            await self._wait_for_change()
            self._waves.raise_failures()
            if self._handling.done():
                self._handling.result()

    def _is_at_limit(self) -> bool:
        """Whether to end the execution before Temporal does; warns while there is time."""
        signals = self._signals_received + self._messages.signals_received
        used = max(used_share(), signals / MAX_SIGNALS)
        if used >= _WARN_SHARE and not self._limit_reason:
            self._limit_reason = (
                "Temporal's history of this execution is almost full; "
                f"`{self._state.continue_command}` continues it"
            )
            self._state.warnings = [*self._state.warnings, f"{_STOP_SENDING} {self._limit_reason}"]
            self._scheduler.touch(workflow.time())
        return used >= 1.0

    async def _read_taken_over(self) -> None:
        """Read what the execution that is taken over has: too much for the input."""
        takeover = self._start.takeover
        if takeover is not None:
            earlier = await workflow.execute_activity_method(
                HistoryActivities.read_taken_over,
                takeover.execution_id,
                task_queue=HISTORY_TASK_QUEUE,
                summary=f"Read the servers and steps of {takeover.execution_id}",
                start_to_close_timeout=timedelta(minutes=2),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=READ_RETRY,
            )
            self._waves.take_over(earlier)

    async def _wait_for_change(self) -> None:
        """Wait for a report, a message or the next deadline."""
        self._update_decisions()
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
            args=_checked(plan, self._start.execution_type),
            summary="Check accounts and endpoints",
            start_to_close_timeout=timedelta(seconds=_CONTEXT_SECONDS),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        now = workflow.time()
        for target in context.targets:
            if target.mismatch:
                reason = target.error or "the worker acts in another account"
                self._scheduler.refuse(target.region, target.role_arn, reason, now=now)
        if context.refusal is not None:
            for each in plan.targets:
                self._scheduler.refuse(each.region, each.role_arn, context.refusal, now=now)
        if context.break_glass is not None:
            self._scheduler.pass_approvals(context.break_glass, now=now)
        self._state.speed = context.speed
        self._waves.inputs.set_accounts(context.targets)
        endpoints = dict.fromkeys(each.endpoint for each in context.targets if each.endpoint)
        self._state.endpoints = list(endpoints)
        self._state.warnings = context.warnings
        self._expectations.update(context.operating_systems, context.server_names)
        self._touch()
        self._events.break_glass = context.break_glass
        self._notifications.begin()

    def _apply_outcome(self, outcome: WaveOutcome) -> None:
        wave = outcome.wave
        recorded = self._recorder.recorded
        recorded[wave.wave_id] = max(outcome.recorded_revision, recorded.get(wave.wave_id, 0))
        self._apply_report(outcome.as_report(self._start.execution_id))

    def _apply_report(self, report: WaveReport) -> None:
        if self._scheduler.report(report, now=workflow.time()):
            self._waves.inputs.keep_outputs(report.wave.wave_id, report.outputs)
            self._apply_stop_policy()
            # After each report: what falls and is asked again later is another decision.
            self._update_decisions()
            self._mark_changed()

    async def _cancel(self) -> None:
        """Cancel the execution, as asked for in Temporal."""
        reason = shortened(workflow.cancellation_reason() or "Cancelled")
        self._is_cancelled = True
        self._messages.record_cancellation(reason)
        await self._stop_waves(reason)

    async def _stop_waves(self, reason: str) -> None:
        """Launch nothing new, cancel running waves, and read which jobs continue."""
        self._scheduler.cancel(reason, now=workflow.time())
        self._mark_changed()
        for wave in [*self._scheduler.running(), *self._scheduler.late()]:
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
        self._update_decisions()
        self._mark_changed()
        self._update_details()
        try:
            is_recorded = await self._recorder.finish(within_seconds=self._record_timeout)
            await self._notifications.finish(within_seconds=self._record_timeout)
        except asyncio.CancelledError:
            # The status is final; an operator needs the plan at once.
            is_recorded = False
        if not is_recorded:
            await start_history_repair(self._start)
        await self._waves.close()

    @property
    def _record_timeout(self) -> float:
        cancelled = self._state.status is PlanStatus.CANCELLED
        return _CANCELLED_RECORD_TIMEOUT_SECONDS if cancelled else RECORD_TIMEOUT_SECONDS

    def _touch(self) -> None:
        """After a change that the history records and that nothing waits for."""
        self._scheduler.touch(workflow.time())
        self._recorder.wake()

    def _mark_changed(self) -> None:
        self._changed = True
        self._recorder.wake()

    def _update_decisions(self) -> None:
        """Update what the execution waits for, and have it reported."""
        if update_open_decisions(self._state, now=workflow.time()):
            self._touch()
        self._notifications.wake()

    def _update_details(self) -> None:
        """Update the details and the status in the Web UI."""
        workflow.set_current_details(plan_details(self._state))
        if self._indexed_status != self._state.status:
            self._indexed_status = self._state.status
            workflow.upsert_search_attributes([STATUS_KEY.value_set(self._indexed_status)])


def _recorder_of(plan: RecoveryPlan, state: ExecutionState) -> Recorder:
    """The recorder of an execution."""
    delta = HistoryDelta(plan, state)
    recorder = Recorder(
        lambda: delta.unwritten(recorder.recorded, recorder.recorded_execution),
        pause_seconds=_RECORD_PAUSE_SECONDS,
        gather_seconds=_RECORD_GATHER_SECONDS,
        has_changes=lambda: delta.has_unwritten(recorder.recorded, recorder.recorded_execution),
    )
    return recorder


def _closed(state: ExecutionState, *, is_cancelled: bool) -> ExecutionState:
    """The result of an execution that has ended.

    Raises:
        ApplicationError: PlanFailed.
        CancelledError: it was cancelled in Temporal.
    """
    if state.status is PlanStatus.CANCELLED and is_cancelled:
        raise asyncio.CancelledError(state.status_reason)
    if state.status in (PlanStatus.CANCELLED, PlanStatus.FAILED):
        raise ApplicationError(
            f"{state.plan_name} {state.status}: {state.status_reason}",
            type=FailureType.PLAN_FAILED,
            non_retryable=True,
        )
    return state.without_waves()


def _checked(plan: RecoveryPlan, execution_type: ExecutionType) -> list[Any]:
    """What the worker checks before the first launch."""
    servers = [_servers_in(plan, target) for target in plan.targets]
    needs = needs_of(plan, is_drill=execution_type is ExecutionType.DRILL)
    # All of them: of fewer inputs, Temporal's SDK does not know the types.
    return [list(plan.targets), servers, needs_signature(plan, execution_type), needs]


def _servers_in(plan: RecoveryPlan, target: Target) -> list[str]:
    """Servers of a plan in one target, up to the number that is read for their Regions."""
    ids = [i for wave in plan.waves if wave.target == target for i in wave.server_ids]
    return ids[:MAX_ORIGIN_SERVERS]


def _refuse_unconfirmed(start: StartExecution) -> None:
    """Refuse a start without the confirmation or the signature that its plan needs.

    Raises:
        ApplicationError: PlanRefused.
    """
    plan = start.plan
    intended = IntendedStart(
        plan.plan_id,
        start.execution_type,
        relaunch=start.relaunch,
        server_ids=[server_id for wave in plan.waves for server_id in wave.server_ids],
        needs_signature=needs_signature(plan, start.execution_type),
        is_signed=start.signed is not None,
        points_problem=points_problem(plan),
        members_problem=unresolved_problem(plan),
        left_out=left_out_text(plan),
        continues=start.takeover is not None,
    )
    if (refused := start_refusal(intended, start.confirmation)) is not None:
        raise ApplicationError(refused.text, type=FailureType.PLAN_REFUSED, non_retryable=True)
