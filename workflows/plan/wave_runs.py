"""The waves' workflows of one execution: started, signaled and awaited by their plan."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from pydantic import JsonValue
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
    from contract.identifiers import launch_prefix, search_attributes, wave_workflow_id
    from contract.launch import LaunchAnswer
    from contract.readiness import TargetContext
    from contract.steps import StepAnswer
    from contract.temporal import WATCH_TASK_QUEUE
    from contract.wave import AcceptLaunch, StopWave, WaveInput, WaveOutcome
    from recovery.access.grants import SignedApproval, SignedRequest
    from recovery.access.session_identity import SessionIdentity
    from recovery.execution.scheduler import WaveScheduler
    from recovery.execution.server import ServerResult
    from recovery.execution.state import ExecutionType, PlanStatus
    from recovery.execution.wave import WaveReport, WaveState, WaveStatus
    from recovery.forecast.estimates import earliest_seconds, rto_launch_time
    from recovery.launch.admission import DEFAULT_PRIORITY
    from recovery.launch_settings.resolve import drill_subnets
    from recovery.notify.events import NotifiedExecution
    from recovery.steps.state import StepState
    from workflows.activity_options import READ_RETRY
    from workflows.plan.expectations import Expectations
    from workflows.plan.gathered_launches import GatheredLaunches
    from workflows.plan.step_inputs import StepInputs
    from workflows.recorder import MAX_RECORD_SECONDS
    from workflows.signals import signal_workflow
    from workflows.wave.requests import launcher_of, launches_at_once, wave_launches
    from workflows.wave.workflow import WaveWorkflow

WaveSignal = StopWave | LaunchAnswer | StepAnswer | AcceptLaunch
_SIGNALS_AT_ONCE = 500
# While so many waves begin, the plan queues their launches.
_MANY_WAVES = 4


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
        self._taken_over: list[ServerResult] = []
        self._steps_taken_over: dict[str, list[StepState]] = {}
        self._step_inputs = StepInputs(start.plan, scheduler.state)
        self._launches = GatheredLaunches()
        # Of the targets whose account is known.
        self._accounts: dict[tuple[str, str | None], str] = {}
        # By WaveId: the signed messages that attempts follow, for the worker that launches.
        self.signed_retries: dict[str, list[SignedRequest]] = {}
        # By WaveId, or None for the recovery: the signed approvals, for the same.
        self.signed_approvals: dict[str | None, list[SignedApproval]] = {}
        # Temporal takes 2,000 signals on their way from one workflow.
        self._sending_slots = asyncio.Semaphore(_SIGNALS_AT_ONCE)
        # By workflow ID: signals to a workflow that has not started yet.
        self._pending_signals: dict[str, list[tuple[str, WaveSignal | None]]] = {}

    def take_over(self, earlier: TakenOver) -> None:
        """Take over what an earlier execution launched and ran."""
        self._taken_over = earlier.servers
        self._steps_taken_over = {
            wave_id: [step.model_copy(update={"taken_over": True}) for step in steps]
            for wave_id, steps in earlier.steps.items()
        }
        self._step_inputs.take_over(earlier.steps)
        self._scheduler.take_over(earlier.servers, now=workflow.time())
        self._expectations.update_remaining()

    def set_accounts(self, targets: Iterable[TargetContext]) -> None:
        """Set the accounts in which the worker acts."""
        self._accounts = {(t.region, t.role_arn): t.account_id for t in targets if t.account_id}

    def keep_outputs(self, wave_id: str, outputs: Mapping[str, dict[str, JsonValue]]) -> None:
        """Keep what steps of a wave returned, by StepId and name; not masked."""
        self._step_inputs.add(wave_id, outputs)

    def start_ready(self) -> None:
        """Start a workflow for each wave that is ready."""
        for wave in self._scheduler.ready():
            earlier = self._tasks.get(wave.wave_id)
            self._scheduler.start(wave.wave_id, now=workflow.time())
            task = asyncio.create_task(self._run_wave(wave, wave.attempt, earlier))
            task.add_done_callback(lambda _: self._on_change())
            self._tasks[wave.wave_id] = task

    def raise_failures(self) -> None:
        """Raise errors of the tasks that await waves."""
        for task in self._tasks.values():
            if task.done():
                task.result()

    async def close(self) -> None:
        """Stop awaiting waves that still observe their servers."""
        for wave_id, task in self._tasks.items():
            if not task.done():
                await self._send(self._scheduler.wave(wave_id), "plan_closed")
                task.cancel()

    def update_paused(self, paused: bool) -> None:
        """Pause or resume the running waves that are not yet."""
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
        wave_input = self._input_of(wave)
        self._paused[workflow_id] = wave_input.paused
        handle = await workflow.start_child_workflow(
            WaveWorkflow.run,
            wave_input,
            id=workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            task_timeout=timedelta(seconds=30),
            static_summary=(
                f"{wave.wave_name}: {len(planned.servers)} servers in {planned.region}"[:190]
            ),
            search_attributes=search_attributes(
                self._start.plan.plan_id, self._start.execution_id, self._start.execution_type
            ),
        )
        if wave_input.launched_by_plan and (launcher := launcher_of(wave_input)):
            launches = wave_launches(
                wave_input,
                planned.server_ids,
                workflow_id=workflow_id,
                requested_time=workflow.time(),
            )
            # Only then it gets signals: it cannot withdraw launches before they are queued.
            self._launches.add(launcher, launches, lambda: self._mark_started(wave, workflow_id))
        else:
            self._mark_started(wave, workflow_id)
        return await handle

    @property
    def _gathers(self) -> bool:
        """Whether many waves begin together, of an execution that was not reset."""
        info = workflow.info()
        begun = sum(wave.status is WaveStatus.WAITING for wave in self._scheduler.running())
        return begun >= _MANY_WAVES and info.run_id == info.first_execution_run_id

    def _input_of(self, wave: WaveState) -> WaveInput:
        start, state, plan = self._start, self._scheduler.state, self._start.plan
        planned = plan.wave(wave.wave_id)
        self._expectations.update_wave(planned, wave)
        is_drill = start.execution_type is ExecutionType.DRILL
        remaining = self._expectations.remaining[wave.wave_id]
        since = start.takeover.since if start.takeover else start.start_time or state.start_time
        wave_input = WaveInput(
            execution_id=start.execution_id,
            execution_type=start.execution_type,
            plan_id=plan.plan_id,
            plan_workflow_id=workflow.info().workflow_id,
            wave=planned,
            attempt=wave.attempt,
            revision=wave.revision,
            speed=state.speed,
            since=since,
            earlier=self._earlier_servers(wave),
            launch_prefixes=self._earlier_prefixes(wave),
            paused=state.status is PlanStatus.PAUSED,
            launch_before=state.start_time + plan.deadline_seconds / state.speed,
            relaunch=[s for s in start.relaunch if s in planned.server_ids],
            priority=start.priority or plan.priority or DEFAULT_PRIORITY,
            remaining_seconds=remaining,
            rto_launch_time=rto_launch_time(
                plan.rto, since=state.declared_time or since, remaining=remaining, speed=state.speed
            ),
            expected_seconds=wave.expected_seconds,
            earliest_seconds=earliest_seconds(planned, start.learned.servers | start.expected),
            operating_systems=wave.operating_systems,
            server_names=wave.server_names,
            optimal_seconds=wave.optimal_seconds,
            past_attempts=wave.past_attempts,
            reported_execution=NotifiedExecution.of(state),
            channels=plan.notify,
            point_in_time=plan.point_in_time,
            acting_for=SessionIdentity.of(plan.plan_id, start.execution_id, start.started_by),
            retried_by=self._retried_by(wave),
            approved_by=[
                *self.signed_approvals.get(None, []),
                *self.signed_approvals.get(wave.wave_id, []),
            ],
            earlier_steps=self._earlier_steps(wave),
            steps_in_doubt=wave.steps_in_doubt,
            is_signed=start.signed is not None,
            launch_accepted=wave.decisions.accepted_by is not None,
            step_servers=self._step_inputs.servers_of(planned),
            step_outputs=self._step_inputs.outputs_of(planned),
            secret_references=self._step_inputs.secret_references_of(planned),
            drill_settings=plan.drill_launch_settings if is_drill else None,
            drill_subnets=[] if is_drill else sorted(drill_subnets(plan)),
            account_id=self._accounts.get((planned.target.region, planned.target.role_arn)),
        )
        wave_input.launched_by_plan = (
            self._gathers and launches_at_once(wave_input) and launcher_of(wave_input) is not None
        )
        return wave_input

    def _retried_by(self, wave: WaveState) -> list[SignedRequest]:
        """The signed messages that its attempts follow, without those that it still gets."""
        waiting = self._pending_signals.get(self._workflow_id(wave), [])
        coming = [each.signed for _, each in waiting if isinstance(each, StepAnswer | AcceptLaunch)]
        return [each for each in self.signed_retries.get(wave.wave_id, []) if each not in coming]

    def _earlier_servers(self, wave: WaveState) -> list[ServerResult]:
        """The servers' results of earlier attempts or of the execution that is taken over.

        Without their reasons: a hundred waves' starts share one message to Temporal.
        """
        if wave.attempt > 1:
            launched = [s for s in wave.servers if s.recovery_job_id]
            return [s.model_copy(update={"reason": None}) for s in launched]
        return wave.taken_over(self._taken_over)

    def _earlier_steps(self, wave: WaveState) -> list[StepState]:
        """The steps that earlier attempts began, or else the execution that is taken over."""
        before = {step.step_id: step for step in self._steps_taken_over.get(wave.wave_id, [])}
        steps = [s if s.is_known else before.get(s.step_id, s) for s in wave.steps]
        return [step for step in steps if step.is_known]

    def _earlier_prefixes(self, wave: WaveState) -> list[str]:
        """The prefixes of the launch IDs of those earlier launches."""
        start = self._start
        prefixes = [launch_prefix(start.takeover.execution_id)] if start.takeover else []
        if wave.attempt > 1:
            prefixes.append(launch_prefix(start.execution_id, wave.wave_id))
        return prefixes

    async def _attach(self, wave: WaveState, workflow_id: str) -> WaveOutcome | None:
        """Read the state of a wave that was running during a reset, then await its end."""
        self._scheduler.attach(wave.wave_id)
        self._paused[workflow_id] = False
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
