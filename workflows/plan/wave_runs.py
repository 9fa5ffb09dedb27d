"""The waves' workflows of one execution: started, signaled and awaited by their plan."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from activities.executions import ExecutionActivities
    from activities.heartbeat import heartbeat_timeout
    from contract.execution import StartExecution, TakenOver
    from contract.failures import FailureType
    from contract.identifiers import search_attributes, wave_workflow_id
    from contract.launch import LaunchAnswer
    from contract.steps import StepAnswer
    from contract.temporal import WATCH_TASK_QUEUE, WAVE_PRIORITY
    from contract.wave import AcceptLaunch, StopWave, WaveInput, WaveOutcome
    from recovery.access.grants import SignedRequest
    from recovery.execution.scheduler import WaveScheduler
    from recovery.execution.wave import WaveReport, WaveState
    from workflows.activity_options import READ_RETRY
    from workflows.plan.expectations import Expectations
    from workflows.plan.gathered_launches import GatheredLaunches, was_reset
    from workflows.plan.wave_inputs import WaveInputs
    from workflows.recorder import MAX_RECORD_SECONDS
    from workflows.signals import signal_workflow
    from workflows.wave.requests import wave_launches
    from workflows.wave.workflow import WaveWorkflow

WaveSignal = StopWave | LaunchAnswer | StepAnswer | AcceptLaunch
_SIGNALS_AT_ONCE = 500


class WaveRuns:
    """Starts a workflow for each attempt of a wave, and settles the wave at its end."""

    def __init__(
        self,
        start: StartExecution,
        scheduler: WaveScheduler,
        expectations: Expectations,
        *,
        on_change: Callable[[], None],
        on_outcome: Callable[[WaveOutcome], None],
        on_report: Callable[[WaveReport], None],
    ) -> None:
        """Prepare to start waves; `on_report` gets the state of one that ran during a reset."""
        self._start = start
        self._scheduler = scheduler
        self._expectations = expectations
        self._on_change = on_change
        self._on_outcome = on_outcome
        self._on_report = on_report
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._started_workflows: dict[str, bool] = {}
        # By workflow ID: whether the wave knows that the plan is paused.
        self._paused: dict[str, bool] = {}
        # What all of them know; None: each is looked at.
        self._all_paused: bool | None = None
        self._failed: list[asyncio.Task[None]] = []
        self.inputs = WaveInputs(start, scheduler.state, expectations)
        self._launches = GatheredLaunches()
        # Temporal takes 2,000 signals on their way from one workflow.
        self._sending_slots = asyncio.Semaphore(_SIGNALS_AT_ONCE)
        # By workflow ID: signals to a workflow that has not started yet.
        self._pending_signals: dict[str, list[tuple[str, WaveSignal | None]]] = {}

    def take_over(self, earlier: TakenOver) -> None:
        """Take over what an earlier execution launched and ran."""
        self.inputs.take_over(earlier)
        self._scheduler.take_over(earlier.servers, now=workflow.time())
        self._expectations.update_remaining()

    def start_ready(self) -> None:
        """Start a workflow for each wave that is ready."""
        for wave in self._scheduler.ready():
            earlier = self._tasks.get(wave.wave_id)
            self._scheduler.start(wave.wave_id, now=workflow.time())
            task = asyncio.create_task(self._run_wave(wave, wave.attempt, earlier))
            task.add_done_callback(self._settle)
            self._tasks[wave.wave_id] = task

    def raise_failures(self) -> None:
        """Raise errors of the tasks that await waves."""
        for task in self._failed:
            task.result()

    def _settle(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed.append(task)
        self._on_change()

    async def close(self) -> None:
        """Stop awaiting waves that still observe their servers."""
        for wave_id, task in self._tasks.items():
            if not task.done():
                await self._send(self._scheduler.wave(wave_id), "plan_closed")
                task.cancel()

    def update_paused(self, paused: bool) -> None:
        """Pause or resume the running waves that are not yet."""
        if paused is self._all_paused:
            return
        self._all_paused = paused
        for wave in [*self._scheduler.running(), *self._scheduler.late()]:
            workflow_id = self._workflow_id(wave)
            if self._paused.get(workflow_id, paused) is not paused:
                self._paused[workflow_id] = paused
                self.signal(wave, "pause" if paused else "resume")

    def signal(self, wave: WaveState, name: str, signal: WaveSignal | None = None) -> None:
        """Signal a wave's workflow, once it has started, without waiting for it."""
        if not self._has_started(wave):
            self._pending_signals.setdefault(self._workflow_id(wave), []).append((name, signal))
            return
        args = [] if signal is None else [signal]
        task = asyncio.create_task(self._send(wave, name, *args))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def stop(self, wave: WaveState, reason: str) -> None:
        """Stop a wave; if its workflow is not started yet, it never will be."""
        if self._workflow_id(wave) in self._pending_signals or self._has_started(wave):
            self.signal(wave, "stop", StopWave(reason=reason))
        else:
            self._scheduler.cancel_running(wave.wave_id, reason, now=workflow.time())

    def _has_started(self, wave: WaveState) -> bool:
        return self._started_workflows.get(self._workflow_id(wave), False)

    def _mark_started(self, wave: WaveState, workflow_id: str) -> None:
        """Send a wave's workflow the signals that came before its start."""
        self._started_workflows[workflow_id] = True
        for name, signal in self._pending_signals.pop(workflow_id, []):
            self.signal(wave, name, signal)

    def _workflow_id(self, wave: WaveState, attempt: int | None = None) -> str:
        return wave_workflow_id(self._start.execution_id, wave.wave_id, attempt or wave.attempt)

    async def _run_wave(
        self, wave: WaveState, attempt: int, earlier: asyncio.Task[None] | None
    ) -> None:
        """Start a wave's workflow, and settle the wave when it ends."""
        if earlier is not None:
            # What the earlier attempt launched is known only after its end.
            await self._send(wave, "superseded", attempt=attempt - 1)
            await asyncio.gather(earlier, return_exceptions=True)
            if wave.attempt != attempt or not wave.is_running:
                return
        outcome: WaveOutcome | None
        why = "it was terminated"
        workflow_id = self._workflow_id(wave, attempt)
        try:
            try:
                outcome = await self._run(wave, workflow_id)
            except WorkflowAlreadyStartedError:
                # The plan was reset: the wave's workflow still runs and is no longer its child.
                outcome = await self._attach(wave, workflow_id)
        except (ChildWorkflowError, ActivityError) as error:
            why = error.cause.message if isinstance(error.cause, FailureError) else str(error)
            outcome = _outcome_in(error)
        if outcome is not None:
            self._on_outcome(outcome)
        if wave.is_running and wave.attempt == attempt:
            reason = f"Its workflow ended without a result ({why}); check its jobs in DRS"
            self._scheduler.fail(wave.wave_id, reason, now=workflow.time())

    async def _run(self, wave: WaveState, workflow_id: str) -> WaveOutcome:
        planned = self._start.plan.wave(wave.wave_id)
        self._pending_signals.setdefault(workflow_id, [])
        wave_input = self.inputs.input_of(
            wave, requests_launches=self._requests_launches, coming=self._coming(wave)
        )
        self._paused[workflow_id] = wave_input.paused
        queued = self._queue(wave_input, workflow_id)
        handle = await workflow.start_child_workflow(
            WaveWorkflow.run,
            wave_input,
            id=workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            task_timeout=timedelta(seconds=30),
            priority=WAVE_PRIORITY,
            static_summary=(
                f"{wave.wave_name}: {len(planned.servers)} servers in {planned.region}"[:190]
            ),
            search_attributes=search_attributes(
                self._start.plan.plan_id, self._start.execution_id, self._start.execution_type
            ),
        )
        if queued is not None:
            # Only then it gets signals: it cannot withdraw launches before they are queued.
            await queued
        self._mark_started(wave, workflow_id)
        return await handle

    def _coming(self, wave: WaveState) -> list[SignedRequest]:
        """The signed messages that wait for the start of the wave's workflow."""
        waiting = self._pending_signals.get(self._workflow_id(wave), [])
        answers = [each for _, each in waiting if isinstance(each, StepAnswer | AcceptLaunch)]
        return [each.signed for each in answers if each.signed is not None]

    @property
    def _requests_launches(self) -> bool:
        """Whether the plan requests launches: before their waves have started, in the same task.

        A worker that verifies a signed launch reads its wave's start first.
        """
        return self._start.signed is None

    def _queue(self, wave_input: WaveInput, workflow_id: str) -> asyncio.Future[None] | None:
        """Request the launches of a wave that is about to start, if the plan does."""
        if wave_input.launches_requested is None:
            return None
        launches = wave_launches(
            wave_input,
            wave_input.wave.server_ids,
            workflow_id=workflow_id,
            started_time=wave_input.launches_requested,
            by_plan=True,
        )
        if was_reset():
            wave_input.launches_requested = None
        return self._launches.add(wave_input.wave.target, launches)

    async def _attach(self, wave: WaveState, workflow_id: str) -> WaveOutcome | None:
        """Read the state of a wave that was running during a reset, then await its end."""
        self._scheduler.attach(wave.wave_id)
        self._paused[workflow_id], self._all_paused = False, None
        self._mark_started(wave, workflow_id)
        report = await workflow.execute_activity_method(
            ExecutionActivities.read_wave,
            workflow_id,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Read the state of {wave.wave_name} after a reset",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        self._on_report(report)
        return await workflow.execute_activity_method(
            ExecutionActivities.await_wave,
            workflow_id,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Await {wave.wave_name} after a reset",
            start_to_close_timeout=timedelta(seconds=2 * MAX_RECORD_SECONDS),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )

    async def _send(
        self, wave: WaveState, name: str, *args: WaveSignal, attempt: int | None = None
    ) -> None:
        async with self._sending_slots:
            if not await signal_workflow(self._workflow_id(wave, attempt), name, *args):
                workflow.logger.info("%s has ended", wave.wave_name)


def _outcome_in(error: FailureError) -> WaveOutcome | None:
    """The outcome in the error of a failed wave's workflow."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != FailureType.WAVE_FAILED:
        return None
    return WaveOutcome.model_validate(cause.details[0])
