"""One attempt of a step at a time: its calls, its result, and what becomes of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.steps.step_activities import StepActivities
    from contract.identifiers import step_attempt_id
    from contract.steps import (
        StartedStep,
        StartOutcome,
        StepCall,
        StepResult,
        StepServer,
        WatchedStep,
    )
    from contract.temporal import STEP_TASK_QUEUE
    from contract.wave import WaveInput
    from recovery.access.grants import SignedRequest
    from recovery.steps.attempts import inputs_hash, next_attempt
    from recovery.steps.model import OnCancel, Step, StepKind, StepPhase
    from recovery.steps.references import output_references_in, servers_named
    from recovery.steps.state import StepOverride, StepState, StepStatus
    from recovery.text_format import shortened
    from workflows.activity_options import READ_RETRY
    from workflows.wave.control import WaveControl
    from workflows.wave.tracker import WaveTracker

# An activity ends by itself at the step's deadline, unless its worker is lost then.
_MARGIN = timedelta(seconds=60)
_STOP_TIMEOUT = timedelta(minutes=5)


class StepRunner:
    """Runs attempts of steps of one attempt of a wave.

    Attributes:
        decided_by: the operators' signed messages about its steps, until now.
        rerun_times: when an operator last asked to run a step again, by StepId (epoch seconds).
    """

    def __init__(
        self,
        start: WaveInput,
        tracker: WaveTracker,
        control: WaveControl,
        *,
        has_answer: Callable[[str], bool],
    ) -> None:
        """Prepare; `has_answer` says whether an operator decided about a step, by its StepId."""
        self._start = start
        self._tracker = tracker
        self._control = control
        self._has_answer = has_answer
        self.decided_by: list[SignedRequest] = []
        self.rerun_times: dict[str, float] = {}
        info = workflow.info()
        is_reset = info.run_id != info.first_execution_run_id
        # Epoch seconds; of a run that was reset to its first task, its start.
        self._reset_time = workflow.time() if is_reset else None
        self._seed = workflow.random_seed()
        # By StepId.
        self._started: dict[str, WatchedStep] = {}

    async def run(self, step: Step, state: StepState) -> None:
        """Run one attempt of a step to its result, an operator's answer or the wave's stop."""
        number, possibly_sent = next_attempt(state, in_doubt=self._start.steps_in_doubt)
        possibly_sent |= step.kind.acts and self._may_be_begun_before_reset(state)
        now = workflow.time()
        if self._tracker.state.start_time is None and state.phase is StepPhase.ALONE:
            self._tracker.set_accepted(now)
        servers = self.servers_up()
        is_same = number == state.attempt
        self._tracker.update_step(
            state,
            status=StepStatus.RUNNING,
            result=None,
            reason="",
            decision=None,
            left_running=False,
            taken_over=False,
            attempt=number,
            attempt_id=state.attempt_id if is_same else self._attempt_id(step, number),
            start_time=state.start_time if is_same else now,
            end_time=None,
            outputs={},
            link=state.link if is_same else "",
            inputs=self.inputs_of(step, state),
        )
        self.show(state)
        if step.kind is StepKind.MANUAL:
            await self.await_operator(step, state, StepStatus.TIMED_OUT)
            return
        call = self._call(step, state, servers, possibly_sent=possibly_sent, now=now)
        if step.kind.acts:
            await self._act(step, state, call)
        else:
            result = await self._await(
                step, StepActivities.check_step, call, f"Check {step.step_id}"
            )
            self._finish(step, state, result)

    async def note_resets(self) -> None:
        """Note when the workflow is reset, which gives it another random seed; until cancelled."""
        while True:
            await workflow.wait_condition(lambda: workflow.random_seed() != self._seed)
            self._seed, self._reset_time = workflow.random_seed(), workflow.time()

    def _may_be_begun_before_reset(self, state: StepState) -> bool:
        """Whether the run before a reset may have begun the step's next attempt.

        Temporal sends a run that was reset again what was asked before; what an operator asks for
        later is new.
        """
        if workflow.random_seed() != self._seed:
            return True
        if self._reset_time is None:
            return False
        is_rerun = state.decision is StepOverride.RERUN
        return not is_rerun or self.rerun_times.get(state.step_id, 0.0) <= self._reset_time

    async def _act(self, step: Step, state: StepState, call: StepCall) -> None:
        started = await self._await(
            step, StepActivities.start_step, call, f"Start {step.step_id}, attempt {call.attempt}"
        )
        if not isinstance(started, StartedStep):
            self._finish(step, state, started)
        else:
            # What the first attempt found is what can be put back.
            before = state.before or started.before
            self._tracker.update_step(state, link=started.link, before=before)
            match started.outcome:
                case StartOutcome.NOT_STARTED:
                    failed = StepResult(status=StepStatus.FAILED, reason=started.reason)
                    self._finish(step, state, failed)
                case StartOutcome.UNKNOWN:
                    unknown = StepResult(status=StepStatus.OUTCOME_UNKNOWN, reason=started.reason)
                    self._finish(step, state, unknown)
                case StartOutcome.PLAN_CLOSED:
                    self._control.plan_closed = True
                    not_run = StepResult(status=StepStatus.NOT_RUN, reason=started.reason)
                    self._finish(step, state, not_run)
                case StartOutcome.STARTED if started.result is not None:
                    self._finish(step, state, started.result)
                case StartOutcome.STARTED:
                    self._started[step.step_id] = WatchedStep(call=call, started=started)
                    result = await self._await(
                        step,
                        StepActivities.watch_step,
                        self._started[step.step_id],
                        f"Await {step.step_id}",
                    )
                    self._finish(step, state, result)
        if state.status is StepStatus.OUTCOME_UNKNOWN and not self._is_interrupted(step):
            await self.await_operator(step, state, StepStatus.OUTCOME_UNKNOWN)

    async def _await(
        self, step: Step, method: Callable[..., Any], argument: Any, summary: str
    ) -> Any:
        """An activity's result; None if an operator's answer or the wave's stop came before."""
        timeout = timedelta(seconds=step.timeout_seconds / self._start.speed) + _MARGIN
        handle = workflow.start_activity_method(
            method,
            argument,
            task_queue=STEP_TASK_QUEUE,
            summary=summary,
            schedule_to_close_timeout=timeout,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        await self._control.wait_until(lambda: handle.done() or self._is_interrupted(step))
        if not handle.done():
            handle.cancel()
            return None
        failed = handle.exception()
        if failed is None:
            return handle.result()
        reason = "no worker answered in time"
        if isinstance(failed, ActivityError) and isinstance(failed.cause, ApplicationError):
            reason = failed.cause.message
        status = StepStatus.OUTCOME_UNKNOWN if step.kind.acts else StepStatus.TIMED_OUT
        return StepResult(status=status, reason=reason)

    async def await_operator(self, step: Step, state: StepState, otherwise: StepStatus) -> None:
        """Wait for an operator's answer; without one, the step ends in another status."""
        seconds = step.decision_seconds / self._start.speed
        self._tracker.update_step(state, decide_until=workflow.time() + seconds, manual=step.manual)
        self.show(state)
        is_answered = await self._control.wait_until(
            lambda: self._is_interrupted(step),
            seconds=seconds,
            summary=f"DecisionSeconds of {step.step_id}",
        )
        self._tracker.update_step(state, decide_until=None)
        if not is_answered:
            reason = f"nobody decided within {step.decision_seconds:g} s"
            before = f"{state.reason}; " if state.reason else ""
            self._finish(step, state, StepResult(status=otherwise, reason=before + reason))

    def _is_interrupted(self, step: Step) -> bool:
        return self._has_answer(step.step_id) or self._control.superseded or self._control.stopped

    def _finish(self, step: Step, state: StepState, result: StepResult | None) -> None:
        """Apply the result of an attempt; None if it was interrupted."""
        if result is None:
            return
        self._tracker.step_outputs[step.step_id] = result.outputs
        self._tracker.update_step(
            state,
            status=result.status,
            result=result.result,
            reason=shortened(result.reason),
            end_time=workflow.time(),
            outputs=state.masked(result.outputs),
        )
        self.show(state)

    async def cancel(self, step: Step, state: StepState) -> None:
        """Record a step of a cancelled wave, which is left running unless its plan says not."""
        if state.status is not StepStatus.RUNNING and not state.awaits_operator:
            return
        runs_on = state.acts_outside
        reason = "left running" if runs_on else ""
        watched = self._started.get(step.step_id)
        if step.on_cancel is OnCancel.STOP and watched is not None:
            reason, runs_on = await self._stop(watched)
        self._tracker.update_step(
            state,
            status=StepStatus.CANCELLED,
            reason=reason,
            left_running=runs_on,
            decide_until=None,
            end_time=workflow.time(),
        )

    async def _stop(self, watched: WatchedStep) -> tuple[str, bool]:
        """Stop a step; what became of it, and whether it runs on."""
        try:
            reason = await workflow.execute_activity_method(
                StepActivities.stop_step,
                watched,
                task_queue=STEP_TASK_QUEUE,
                summary=f"Stop {watched.call.step.step_id}",
                schedule_to_close_timeout=_STOP_TIMEOUT,
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=READ_RETRY,
            )
        except ActivityError as error:
            return f"left running, it could not be stopped: {_message_of(error)}", True
        return reason, False

    def show(self, state: StepState) -> None:
        """Show a step in the reason of its wave."""
        detail = f" {state.status}" + (f": {state.reason}" if state.reason else "")
        if state.awaits_operator and state.kind is StepKind.MANUAL:
            detail = " waits for an operator (complete-step or fail-step)"
        elif state.awaits_operator:
            detail += "; waits for an operator"
        if not self._tracker.state.status.is_settled or self._tracker.is_timed_out:
            self._tracker.show_step(f"step {state.step_id}{detail}")

    def servers_up(self) -> list[StepServer]:
        """The wave's servers that are up."""
        wave, state = self._start.wave, self._tracker.state
        return [
            StepServer(
                source_server_id=s.source_server_id,
                instance_id=s.recovery_instance_id,
                name=state.server_names.get(s.source_server_id),
                target=wave.target,
            )
            for s in state.servers
            if s.source_server_id in state.launched_ids and s.recovery_instance_id
        ]

    def inputs_of(self, step: Step, state: StepState) -> str:
        """A hash of the recovery instances and outputs that a step begins with."""
        start, named = self._start, servers_named(step.spec)
        servers = [s for s in start.step_servers if s.source_server_id in named]
        if state.phase is not StepPhase.PRE_LAUNCH:
            servers += self.servers_up()
        outputs = {
            name: value
            for each in output_references_in(step.spec)
            if (name := str(each)) not in start.secret_references
            for value in each.values_in(self._outputs)
        }
        return inputs_hash([s.instance_id for s in servers if s.instance_id], outputs)

    @property
    def _outputs(self) -> dict[str, dict[str, JsonValue]]:
        """What earlier steps returned, by `WAVE.STEP` and name."""
        own = {self._key(name): values for name, values in self._tracker.step_outputs.items()}
        return self._start.step_outputs | own

    def _call(
        self,
        step: Step,
        state: StepState,
        servers: list[StepServer],
        *,
        possibly_sent: bool,
        now: float,
    ) -> StepCall:
        start = self._start
        wave = start.wave
        return StepCall(
            execution_id=start.execution_id,
            execution_type=start.execution_type,
            plan_id=start.plan_id,
            wave_id=wave.wave_id,
            wave_workflow_id=workflow.info().workflow_id,
            phase=state.phase,
            step=step,
            attempt=state.attempt,
            attempt_id=state.attempt_id,
            target=wave.target_of(step),
            server_ids=[s.source_server_id for s in servers],
            servers=[*servers, *start.step_servers],
            outputs=self._outputs,
            possibly_sent=possibly_sent,
            since=state.start_time or now,
            deadline=now + step.timeout_seconds / start.speed,
            acting_for=start.acting_for,
            decided_by=self.decided_by,
        )

    def _attempt_id(self, step: Step, number: int) -> str:
        start = self._start
        return step_attempt_id(start.execution_id, start.wave.wave_id, step.step_id, number)

    def _key(self, step_id: str) -> str:
        return f"{self._start.wave.wave_id}.{step_id}"


def _message_of(error: ActivityError) -> str:
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
