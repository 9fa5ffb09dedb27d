"""The plan's workflow: walks the wave graph and starts each wave when its last dependency is up."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import (
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
    from activities.history import HistoryRecord
    from activities.targets import TargetActivities
    from recovery.execution import (
        ExecutionState,
        ExecutionType,
        PlanStatus,
        WaveOutcome,
        WaveReport,
        WaveState,
    )
    from recovery.scheduler import WaveScheduler
    from settings import WATCH_TASK_QUEUE
    from workflows.details import plan_details
    from workflows.messages import (
        EXECUTION_ID_KEY,
        EXECUTION_TYPE_KEY,
        PLAN_ID_KEY,
        STATUS_KEY,
        FailureType,
        StartExecution,
        StartWave,
        StopWaiting,
        wave_workflow_id,
    )
    from workflows.recording import MOST_SECONDS, Recorder
    from workflows.wave import WaveWorkflow

_CONTEXT_SECONDS = 60.0
_CANCEL_ANSWER_SECONDS = 60.0
_WAVES_A_RECORD = 50
_RECORD_PAUSE_SECONDS = 2.0
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
            now=workflow.time(),
        )
        self._scheduler = WaveScheduler(start.plan, state)
        self._scheduler.touch(workflow.time())
        self._changed = True
        self._plan_recorded = False
        # The start gives the attribute this first value.
        self._shown_status = state.status
        self._waves: dict[str, asyncio.Task[None]] = {}
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

    @workflow.signal
    def wave_report(self, report: WaveReport) -> None:
        """A wave's workflow tells how its wave stands."""
        self._take_report(report)

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
            await workflow.wait_condition(lambda: self._changed)
            self._changed = False
            for task in self._waves.values():
                if task.done():
                    task.result()

    async def _look_at_targets(self) -> None:
        """Learn the worker's speed and accounts; a wrong account refuses the whole plan."""
        context = await workflow.execute_activity_method(
            TargetActivities.look_at_targets,
            list(self._start.plan.targets),
            summary="Check accounts and endpoints",
            start_to_close_timeout=timedelta(seconds=_CONTEXT_SECONDS),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
        for target in context.targets:
            if target.mismatch:
                self._refuse(target.trouble or "the worker acts in another account")
        self._state.speed = context.speed
        self._scheduler.touch(workflow.time())
        self._recorder.wake()

    def _refuse(self, reason: str) -> None:
        for wave in self._scheduler.ready():
            self._scheduler.fail(wave.wave_id, reason, now=workflow.time())

    def _start_ready_waves(self) -> None:
        for wave in self._scheduler.ready():
            self._scheduler.start(wave.wave_id, now=workflow.time())
            # A wave is started once an attempt; its task follows it to its workflow's end.
            task = asyncio.create_task(self._follow(wave))
            task.add_done_callback(lambda _: self._touch())
            self._waves[wave.wave_id] = task

    async def _follow(self, wave: WaveState) -> None:
        """Start a wave's workflow and see to it that the wave settles when it ends."""
        outcome: WaveOutcome | None
        try:
            outcome = await self._run_wave(wave)
        except WorkflowAlreadyStartedError:
            # We were reset: the wave's workflow has lived on and is not our child any more.
            outcome = await self._attach(wave)
        except (ChildWorkflowError, ActivityError) as error:
            told = error.cause.message if isinstance(error.cause, FailureError) else str(error)
            outcome = _outcome_in(error)
            if outcome is None and not wave.status.is_settled:
                reason = f"Its workflow ended abnormally ({told}); look at its jobs in DRS"
                self._scheduler.fail(wave.wave_id, reason, now=workflow.time())
        if outcome is not None:
            self._take_outcome(outcome)

    async def _run_wave(self, wave: WaveState) -> WaveOutcome:
        start, plan = self._start, self._start.plan
        planned = plan.wave(wave.wave_id)
        count = len(planned.servers)
        return await workflow.execute_child_workflow(
            WaveWorkflow.run,
            StartWave(
                execution_id=start.execution_id,
                execution_type=start.execution_type,
                plan_workflow_id=workflow.info().workflow_id,
                wave=planned,
                attempt=wave.attempt,
                revision=wave.revision,
                speed=self._state.speed,
                since=self._state.start_time,
                launch_before=self._state.start_time + plan.deadline_seconds / self._state.speed,
                relaunch=[s for s in start.relaunch if s in planned.server_ids],
            ),
            id=self._wave_workflow_id(wave),
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

    async def _attach(self, wave: WaveState) -> WaveOutcome | None:
        """Learn how a wave stands whose workflow has outlived a reset, then await its end."""
        self._scheduler.attach(wave.wave_id)
        told = await workflow.execute_activity_method(
            ExecutionActivities.look_at_wave,
            self._wave_workflow_id(wave),
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Look at {wave.wave_name}, which outlived a reset",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
        self._take_report(WaveReport(execution_id=self._start.execution_id, wave=told))
        return await workflow.execute_activity_method(
            ExecutionActivities.follow_wave,
            self._wave_workflow_id(wave),
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
            self._touch()

    async def _cancel(self) -> None:
        """Launch nothing new, stop waiting for what runs, and learn which jobs go on."""
        reason = workflow.cancellation_reason() or "Cancelled"
        self._scheduler.cancel(reason, now=workflow.time())
        self._touch()
        for wave in self._scheduler.running():
            await self._tell_wave(wave, "stop_waiting", StopWaiting(reason=reason))
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
        """Give the outcome, write what the history lacks, and leave the observers to themselves."""
        self._scheduler.close(now=workflow.time())
        self._touch()
        self._show()
        await self._recorder.finish(within_seconds=MOST_SECONDS)
        for wave_id, task in self._waves.items():
            if not task.done():
                await self._tell_wave(self._scheduler.wave(wave_id), "plan_ended")
                task.cancel()

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
        return state.model_copy(update={"waves": []})

    async def _tell_wave(self, wave: WaveState, signal: str, *args: StopWaiting) -> None:
        handle = workflow.get_external_workflow_handle(self._wave_workflow_id(wave))
        try:
            await handle.signal(signal, args=args)
        except ApplicationError:
            workflow.logger.info("%s has ended already", wave.wave_name)

    def _wave_workflow_id(self, wave: WaveState) -> str:
        return wave_workflow_id(self._start.execution_id, wave.wave_id, wave.attempt)

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
        """What the history lacks and no wave's workflow writes.

        At the end that includes what a wave's workflow has reported but not confirmed as written.
        """
        state, recorded = self._state, self._recorder.recorded
        ended = state.end_time is not None
        # Copies, for the waves go on changing while they are written.
        waves = [
            w.model_copy(deep=True)
            for w in state.waves
            if (ended or not w.attempt)
            and (w.status.is_settled or w.wave_id in recorded)
            and w.revision > recorded.get(w.wave_id, 0)
        ][:_WAVES_A_RECORD]
        header = state.revision > self._recorder.recorded_execution
        if not waves and not header:
            return None
        plan = None if self._plan_recorded else self._start.plan
        self._plan_recorded = True
        return HistoryRecord(
            execution_id=state.execution_id,
            execution=state.model_copy(update={"waves": []}) if header else None,
            plan=plan,
            waves=waves,
        )


def _outcome_in(error: FailureError) -> WaveOutcome | None:
    """The outcome that a failed wave's workflow carries in its error."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != FailureType.WAVE_FAILED:
        return None
    return WaveOutcome.model_validate(cause.details[0])
