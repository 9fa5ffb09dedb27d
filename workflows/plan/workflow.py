"""The plan's workflow: walks the wave graph and starts each wave when its last dependency is up."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import (
    RawValue,
    RetryPolicy,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.executions import ExecutionActivities
    from activities.heartbeat import HEARTBEAT_TIMEOUT_SECONDS
    from activities.targets import ORIGIN_SERVERS, TargetActivities
    from contract.execution import StartExecution
    from contract.failures import FailureType
    from contract.identifiers import (
        EXECUTION_ID_KEY,
        EXECUTION_TYPE_KEY,
        PLAN_ID_KEY,
        STATUS_KEY,
        launch_prefix,
        wave_workflow_id,
    )
    from contract.launch import LaunchAnswer
    from contract.task_queues import WATCH_TASK_QUEUE
    from contract.wave import StartWave, StopWaiting
    from recovery.execution.scheduler import WaveScheduler
    from recovery.execution.server import OperatingSystem, ServerResult
    from recovery.execution.state import (
        ExecutionState,
        ExecutionType,
        MessageRecord,
        PlanStatus,
        WaveOutcome,
    )
    from recovery.execution.wave import WaveReport, WaveState, next_revision
    from recovery.forecast.estimates import earliest_seconds, expected_seconds, wave_seconds
    from recovery.history.record import HistoryDelta, HistoryRecord
    from recovery.launch.admission import DEFAULT_PRIORITY
    from recovery.operator.effects import OperatorDesk
    from recovery.operator.messages import MessageName
    from recovery.plan.model import RecoveryPlan, Target
    from recovery.text_format import shortened
    from workflows.history_repair import leave_history_to_repair
    from workflows.plan.details import plan_details
    from workflows.recorder import MOST_SECONDS, Recorder
    from workflows.signal_input import parsed
    from workflows.wave.workflow import WaveWorkflow

WaveOrder = StopWaiting | LaunchAnswer
_CONTEXT_SECONDS = 60.0
_MOMENT_SECONDS = 0.2
_CANCEL_ANSWER_SECONDS = 60.0
_RECORD_PAUSE_SECONDS = 2.0
# What DynamoDB has not taken by then is written beside, so that the plan can be started anew.
RECORD_PATIENCE_SECONDS = 30.0
# Whoever cancels may need the plan at once, for a real recovery.
_CANCELLED_RECORD_PATIENCE_SECONDS = 5.0
_HEARTBEAT = timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=15),
)


@workflow.defn
class RecoveryPlanWorkflow:
    """Runs one execution of one plan.

    It holds the whole state of the execution, in `WaveScheduler`; each wave's own workflow
    reports by signal. It never continues as new: that would drop its running children.
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
        self._expect({})
        self._desk = OperatorDesk(self._scheduler)
        self._take_messages()
        self._changed = True
        self._history_delta = HistoryDelta(start.plan, state)
        # The start gives the attribute this first value.
        self._shown_status = state.status
        self._waves: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._begun: dict[str, bool] = {}
        self._orders: dict[str, list[tuple[str, WaveOrder | None]]] = {}
        self._stopped: str | None = None
        self._recorder = Recorder(self._unrecorded, pause_seconds=_RECORD_PAUSE_SECONDS)

    @workflow.run
    async def run(self, start: StartExecution) -> ExecutionState:
        """Run the plan to its end.

        Returns:
            The execution without its servers: COMPLETED or PARTIAL.

        Raises:
            ApplicationError: PlanRefused, before anything was launched; PlanFailed at the end.
            CancelledError: the execution was cancelled.
        """
        self._refuse_unconfirmed()
        self._recorder.begin()
        self._recorder.wake()
        try:
            await self._look_at_targets()
            await self._walk()
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

    @workflow.signal
    def wave_report(self, *report: Any) -> None:
        """A wave's workflow tells how its wave stands."""
        told = parsed(WaveReport, report)
        if told is not None:
            self._take_report(told)

    def _take_messages(self) -> None:
        """Take each operator's message as a signal and as an update of the same name.

        Handlers take any input: one that is missing or malformed must leave a record, not fail
        the workflow task.
        """
        for name in MessageName:
            workflow.set_signal_handler(name, self._on_signal(name))
            workflow.set_update_handler(name, self._on_update(name))
        workflow.set_dynamic_signal_handler(self._on_unknown_signal)
        workflow.set_dynamic_update_handler(self._on_unknown_update)

    def _on_signal(self, name: str) -> Callable[..., None]:
        def take(*inputs: Any) -> None:
            self._take_message(name, inputs)

        return take

    def _on_update(self, name: str) -> Callable[..., str]:
        def take(*inputs: Any) -> str:
            return self._answer(self._take_message(name, inputs))

        return take

    async def _on_unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self._take_message(name, ())

    async def _on_unknown_update(self, name: str, args: Sequence[RawValue]) -> str:
        return self._answer(self._take_message(name, ()))

    def _take_message(self, name: str, inputs: tuple[Any, ...]) -> MessageRecord:
        paused = self._state.status is PlanStatus.PAUSED
        record = self._desk.take(name, inputs, now=workflow.time())
        if (self._state.status is PlanStatus.PAUSED) is not paused:
            self._tell_launching("go_on" if paused else "hold")
        for wave, reason in self._desk.to_cancel:
            self._stop_wave(wave, reason)
        self._desk.to_cancel.clear()
        for wave, job_id in self._desk.to_answer:
            self._tell_later(wave, "answer_launch", LaunchAnswer(job_id=job_id))
        self._desk.to_answer.clear()
        self._touch()
        return record

    @staticmethod
    def _answer(record: MessageRecord) -> str:
        if not record.accepted:
            raise ApplicationError(record.effect, type=FailureType.MESSAGE_REJECTED)
        return record.effect

    def _tell_launching(self, signal: str) -> None:
        for wave in self._scheduler.running():
            self._tell_later(wave, signal)

    def _stop_wave(self, wave: WaveState, reason: str) -> None:
        """No longer wait for a wave; one whose workflow was not started yet never is."""
        if self._workflow_id(wave) in self._orders or self._has_begun(wave):
            self._tell_later(wave, "stop_waiting", StopWaiting(reason=reason))
        else:
            self._scheduler.cancel_running(wave.wave_id, reason, now=workflow.time())

    def _apply_stop_policy(self) -> None:
        """Once STOP is in force, call off the launches that DRS has not accepted."""
        stopped, before = self._scheduler.stopped, self._stopped
        self._stopped = stopped
        if stopped is None or before is not None:
            return
        for wave in self._scheduler.running():
            if wave.start_time is None:
                self._stop_wave(wave, stopped)

    def _tell_later(self, wave: WaveState, signal: str, arg: WaveOrder | None = None) -> None:
        """Signal a wave's workflow, as soon as it has begun, without waiting for it."""
        if not self._has_begun(wave):
            self._orders.setdefault(self._workflow_id(wave), []).append((signal, arg))
            return
        args = [] if arg is None else [arg]
        task = asyncio.create_task(self._tell_wave(wave, signal, *args))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _has_begun(self, wave: WaveState) -> bool:
        return self._begun.get(self._workflow_id(wave), False)

    def _note_begun(self, wave: WaveState) -> None:
        """Give a wave's workflow the orders that came before it had begun."""
        workflow_id = self._workflow_id(wave)
        self._begun[workflow_id] = True
        for signal, arg in self._orders.pop(workflow_id, []):
            self._tell_later(wave, signal, arg)

    def _workflow_id(self, wave: WaveState) -> str:
        return wave_workflow_id(self._start.execution_id, wave.wave_id, wave.attempt)

    @property
    def _state(self) -> ExecutionState:
        return self._scheduler.state

    def _refuse_unconfirmed(self) -> None:
        start = self._start
        if start.execution_type is ExecutionType.DRILL:
            return
        if start.confirmation != start.plan.plan_id:
            raise ApplicationError(
                f"A real recovery of {start.plan.plan_id} needs its PlanId as Confirmation; "
                "nothing was launched",
                type=FailureType.PLAN_REFUSED,
                non_retryable=True,
            )

    async def _walk(self) -> None:
        """Start each wave the moment its last dependency is up, until all are settled."""
        while not self._scheduler.all_settled:
            self._start_ready_waves()
            self._show()
            await self._wait_for_change()
            for task in self._waves.values():
                if task.done():
                    task.result()

    async def _wait_for_change(self) -> None:
        """Wait for a report, a message, or the time at which something runs out."""
        deadline = self._scheduler.next_deadline()
        # Never less than a moment, so that a deadline that nothing answers cannot spin.
        left = None if deadline is None else max(_MOMENT_SECONDS, deadline - workflow.time())
        try:
            await workflow.wait_condition(
                lambda: self._changed, timeout=left, timeout_summary="A decision is due"
            )
        except TimeoutError:
            self._scheduler.tick(now=workflow.time())
            self._recorder.wake()
        self._changed = False

    async def _look_at_targets(self) -> None:
        """Learn the worker's speed and accounts; a wrong account refuses the whole plan."""
        plan = self._start.plan
        context = await workflow.execute_activity_method(
            TargetActivities.look_at_targets,
            args=[list(plan.targets), [_servers_in(plan, target) for target in plan.targets]],
            summary="Check accounts and endpoints",
            start_to_close_timeout=timedelta(seconds=_CONTEXT_SECONDS),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
        for target in context.targets:
            if target.mismatch:
                reason = target.trouble or "the worker acts in another account"
                now = workflow.time()
                self._scheduler.refuse(target.region, target.role_arn, reason, now=now)
        self._state.speed = context.speed
        self._state.warnings = context.warnings
        self._expect(context.operating_systems)
        self._scheduler.touch(workflow.time())
        self._recorder.wake()

    def _expect(self, system_of: Mapping[str, OperatingSystem]) -> None:
        """Reckon how long waves take, by the operating systems of servers as far as known."""
        start = self._start
        self._expected = start.experience.knowing(system_of).durations | start.expected
        for planned, wave in zip(start.plan.waves, self._state.waves, strict=True):
            wave.expected_seconds = expected_seconds(planned, self._expected)
            systems = {i: system_of[i] for i in planned.server_ids if i in system_of}
            if systems != wave.operating_systems and wave.revision:
                # An operator's message came first, and the history has the wave already.
                wave.revision = next_revision(wave.revision, workflow.time())
            wave.operating_systems = systems
        durations = {w.wave_id: wave_seconds(w, self._expected) for w in start.plan.waves}
        self._remaining = start.plan.graph.remaining(durations)

    def _start_ready_waves(self) -> None:
        for wave in self._scheduler.ready():
            earlier = self._waves.get(wave.wave_id)
            self._scheduler.start(wave.wave_id, now=workflow.time())
            task = asyncio.create_task(self._follow(wave, wave.attempt, earlier))
            task.add_done_callback(lambda _: self._touch())
            self._waves[wave.wave_id] = task

    async def _follow(
        self, wave: WaveState, attempt: int, earlier: asyncio.Task[None] | None
    ) -> None:
        """Start a wave's workflow and see to it that the wave settles when it ends."""
        if earlier is not None:
            # Only once the earlier attempt has ended is it known what it has launched.
            await self._tell_wave(wave, "superseded", attempt=attempt - 1)
            await asyncio.gather(earlier, return_exceptions=True)
            if wave.attempt != attempt or not wave.is_running:
                return
        outcome: WaveOutcome | None
        told = "it was ended from outside"
        workflow_id = wave_workflow_id(self._start.execution_id, wave.wave_id, attempt)
        try:
            outcome = await self._run_or_attach(wave, workflow_id)
        except (ChildWorkflowError, ActivityError) as error:
            told = error.cause.message if isinstance(error.cause, FailureError) else str(error)
            outcome = _outcome_in(error)
        if outcome is not None:
            self._take_outcome(outcome)
        if wave.is_running and wave.attempt == attempt:
            reason = f"Its workflow ended abnormally ({told}); look at its jobs in DRS"
            self._scheduler.fail(wave.wave_id, reason, now=workflow.time())

    async def _run_or_attach(self, wave: WaveState, workflow_id: str) -> WaveOutcome | None:
        try:
            return await self._run_wave(wave, workflow_id)
        except WorkflowAlreadyStartedError:
            # We were reset: the wave's workflow has lived on and is not our child any more.
            return await self._attach(wave, workflow_id)

    async def _run_wave(self, wave: WaveState, workflow_id: str) -> WaveOutcome:
        start, plan, known = self._start, self._start.plan, self._expected
        planned = plan.wave(wave.wave_id)
        count = len(planned.servers)
        self._orders.setdefault(workflow_id, [])
        handle = await workflow.start_child_workflow(
            WaveWorkflow.run,
            StartWave(
                execution_id=start.execution_id,
                execution_type=start.execution_type,
                plan_workflow_id=workflow.info().workflow_id,
                wave=planned,
                attempt=wave.attempt,
                revision=wave.revision,
                speed=self._state.speed,
                since=start.takeover.since if start.takeover else self._state.start_time,
                earlier=self._earlier(wave),
                launch_prefixes=self._earlier_prefixes(wave),
                held=self._state.status is PlanStatus.PAUSED,
                launch_before=self._state.start_time + plan.deadline_seconds / self._state.speed,
                relaunch=[s for s in start.relaunch if s in planned.server_ids],
                priority=plan.priority or DEFAULT_PRIORITY,
                remaining=self._remaining[wave.wave_id],
                expected={i: known[i] for i in planned.server_ids if i in known},
                soonest=earliest_seconds(planned, start.experience.servers | start.expected),
                operating_systems=wave.operating_systems,
            ),
            id=workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            task_timeout=timedelta(seconds=30),
            static_summary=f"{wave.wave_name}: {count} servers in {planned.region}"[:190],
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(PLAN_ID_KEY, plan.plan_id),
                    SearchAttributePair(EXECUTION_ID_KEY, start.execution_id),
                    SearchAttributePair(EXECUTION_TYPE_KEY, start.execution_type),
                ]
            ),
        )
        self._note_begun(wave)
        return await handle

    def _earlier(self, wave: WaveState) -> list[ServerResult]:
        """What is known of a wave's servers from before this attempt."""
        if wave.attempt > 1:
            return [s for s in wave.servers if s.recovery_job_id]
        taken = self._start.takeover.servers if self._start.takeover else []
        own = {s.source_server_id for s in wave.servers}
        theirs = [s for s in taken if s.source_server_id in own]
        return [s.model_copy(update={"taken_over": True}) for s in theirs]

    def _earlier_prefixes(self, wave: WaveState) -> list[str]:
        """How the launch IDs of those earlier launches begin."""
        start = self._start
        prefixes = [launch_prefix(start.takeover.execution_id)] if start.takeover else []
        if wave.attempt > 1:
            prefixes.append(launch_prefix(start.execution_id, wave.wave_id))
        return prefixes

    async def _attach(self, wave: WaveState, workflow_id: str) -> WaveOutcome | None:
        """Learn how a wave stands whose workflow has outlived a reset, then await its end."""
        self._scheduler.attach(wave.wave_id)
        self._note_begun(wave)
        told = await workflow.execute_activity_method(
            ExecutionActivities.look_at_wave,
            workflow_id,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Look at {wave.wave_name}, which outlived a reset",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
        self._take_report(WaveReport(execution_id=self._start.execution_id, wave=told))
        return await workflow.execute_activity_method(
            ExecutionActivities.follow_wave,
            workflow_id,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Follow {wave.wave_name}, which outlived a reset",
            start_to_close_timeout=timedelta(seconds=2 * MOST_SECONDS),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )

    def _take_outcome(self, outcome: WaveOutcome) -> None:
        wave = outcome.wave
        self._recorder.recorded[wave.wave_id] = outcome.recorded_revision
        self._take_report(WaveReport(execution_id=self._start.execution_id, wave=wave))

    def _take_report(self, report: WaveReport) -> None:
        if self._scheduler.report(report, now=workflow.time()):
            self._apply_stop_policy()
            self._touch()

    async def _cancel(self) -> None:
        """Launch nothing new, stop waiting for what runs, and learn which jobs go on."""
        reason = shortened(workflow.cancellation_reason() or "Cancelled")
        now = workflow.time()
        self._scheduler.cancel(reason, now=now)
        self._desk.note_cancel(reason, now=now)
        self._touch()
        for wave in self._scheduler.running():
            self._stop_wave(wave, reason)
        try:
            await workflow.wait_condition(
                lambda: not self._scheduler.running(),
                timeout=_CANCEL_ANSWER_SECONDS,
                timeout_summary="Waves answer the cancellation",
            )
        except TimeoutError:
            for wave in self._scheduler.running():
                told = f"{reason}; its workflow did not answer, look at its jobs in DRS"
                self._scheduler.cancel_running(wave.wave_id, told, now=workflow.time())

    async def _end(self) -> None:
        """Give the outcome, have the history completed, and leave the observers to themselves."""
        self._scheduler.close(now=workflow.time())
        self._touch()
        self._show()
        try:
            is_recorded = await self._recorder.finish(within_seconds=self._record_patience)
        except asyncio.CancelledError:
            # The outcome stands; somebody needs the plan at once.
            is_recorded = False
        if not is_recorded:
            await self._leave_history()
        for wave_id, task in self._waves.items():
            if not task.done():
                await self._tell_wave(self._scheduler.wave(wave_id), "plan_ended")
                task.cancel()

    @property
    def _record_patience(self) -> float:
        cancelled = self._state.status is PlanStatus.CANCELLED
        return _CANCELLED_RECORD_PATIENCE_SECONDS if cancelled else RECORD_PATIENCE_SECONDS

    async def _leave_history(self) -> None:
        """Have the rest of the history written, also when we are cancelled at this moment."""
        starting = asyncio.create_task(leave_history_to_repair(self._start))
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

    async def _tell_wave(
        self, wave: WaveState, signal: str, *args: WaveOrder, attempt: int | None = None
    ) -> None:
        workflow_id = wave_workflow_id(
            self._start.execution_id, wave.wave_id, attempt or wave.attempt
        )
        handle = workflow.get_external_workflow_handle(workflow_id)
        try:
            await handle.signal(signal, args=args)
        except ApplicationError:
            workflow.logger.info("%s has ended already", wave.wave_name)

    def _touch(self) -> None:
        self._changed = True
        self._recorder.wake()

    def _show(self) -> None:
        """Tell the Web UI."""
        workflow.set_current_details(plan_details(self._state))
        if self._shown_status != self._state.status:
            self._shown_status = self._state.status
            workflow.upsert_search_attributes([STATUS_KEY.value_set(self._shown_status)])

    def _unrecorded(self) -> HistoryRecord | None:
        recorder = self._recorder
        return self._history_delta.unwritten(recorder.recorded, recorder.recorded_execution)


def _servers_in(plan: RecoveryPlan, target: Target) -> list[str]:
    """Servers of a plan in one target, enough of them to learn where they are from."""
    ids = [i for wave in plan.waves if wave.target == target for i in wave.server_ids]
    return ids[:ORIGIN_SERVERS]


def _outcome_in(error: FailureError) -> WaveOutcome | None:
    """The outcome that a failed wave's workflow carries in its error."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != FailureType.WAVE_FAILED:
        return None
    return WaveOutcome.model_validate(cause.details[0])
