"""The steps of a wave: begun in order, awaited, answered by operators, and never begun twice."""

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.steps import (
        StepAnswer,
        StepProgress,
    )
    from contract.wave import WaveInput
    from recovery.steps.attempts import is_kept, runs_for_others
    from recovery.steps.model import Step, StepKind, StepPhase
    from recovery.steps.state import StepOverride, StepState, StepStatus
    from recovery.text_format import shortened
    from workflows.wave.control import WaveControl
    from workflows.wave.step_runner import StepRunner
    from workflows.wave.tracker import WaveTracker

_NEXT_TASK_SECONDS = 0.001


class WaveSteps:
    """Runs the steps of one attempt of a wave."""

    def __init__(self, start: WaveInput, tracker: WaveTracker, control: WaveControl) -> None:
        self._start = start
        self._tracker = tracker
        self._control = control
        # By StepId.
        self._answers: dict[str, StepAnswer] = {}
        # The StepId of the step whose turn it is.
        self._current = ""
        self._runner = StepRunner(
            start, tracker, control, has_answer=lambda step_id: step_id in self._answers
        )

    async def note_resets(self) -> None:
        """Note when the workflow is reset, until cancelled."""
        await self._runner.note_resets()

    @property
    def known_outputs(self) -> dict[str, dict[str, JsonValue]]:
        """What the wave's steps returned in this attempt and earlier ones, by StepId."""
        wave, known = self._start.wave, self._start.step_outputs
        ids = [step.step_id for _, step in wave.all_steps]
        earlier = {i: known[key] for i in ids if (key := f"{wave.wave_id}.{i}") in known}
        return earlier | self._tracker.step_outputs

    async def run_after_launch(self) -> None:
        """Run the steps after the launch, if what is up lets them begin and the plan is open."""
        tracker, control = self._tracker, self._control
        if tracker.post_steps_over or not tracker.runs_steps:
            return
        if control.plan_closed:
            tracker.leave_steps("the plan had ended before the servers were up")
            tracker.post_steps_over = True
            tracker.judge()
        elif not (control.stopped or control.superseded):
            await self.run(StepPhase.POST_LAUNCH)

    async def run(self, phase: StepPhase) -> bool:
        """Run the steps of a phase in order; whether what follows may begin."""
        tracker = self._tracker
        states = [s for s in tracker.state.steps if s.phase is phase]
        for state in states:
            step = self._start.wave.step(state.step_id)
            if is_kept(state, self._runner.inputs_of(step, state)):
                continue
            self._current = step.step_id
            await self._run_step(step, state)
            self._current = ""
            goes_on = state.status.lets_next_begin or state.makes_partial
            if not goes_on:
                break
        if self._control.superseded or self._control.stopped:
            return False
        has_failed = any(not (s.status.lets_next_begin or s.makes_partial) for s in states)
        if has_failed:
            tracker.leave_steps("a step before it has not succeeded")
        if phase is StepPhase.POST_LAUNCH:
            tracker.post_steps_over = True
            tracker.judge()
        elif has_failed or phase is StepPhase.ALONE:
            tracker.end_by_steps()
        elif states:
            tracker.wait_for_launch()
        return not has_failed

    def answer(self, answer: StepAnswer) -> None:
        """Apply an operator's decision about a step that has not ended."""
        states = [s for s in self._tracker.state.steps if s.step_id == answer.step_id]
        if not states or not states[0].is_open:
            return
        is_rerun = answer.decision is StepOverride.RERUN
        if is_rerun and answer.attempt != states[0].attempt:
            # A plan that was reset sends it again.
            return
        if states[0].status is StepStatus.PENDING and answer.step_id != self._current:
            # At once, so that another attempt of the wave knows it too.
            self._apply(answer, states[0])
        else:
            self._answers.setdefault(answer.step_id, answer)

    def note_progress(self, progress: StepProgress) -> None:
        """Show what a running step does."""
        for state in self._tracker.state.steps:
            is_current = (state.step_id, state.attempt) == (progress.step_id, progress.attempt)
            if is_current and state.status is StepStatus.RUNNING:
                changes = {"reason": shortened(progress.reason), "result": progress.result}
                self._tracker.update_step(state, **changes)
                self._runner.show(state)

    async def _run_step(self, step: Step, state: StepState) -> None:
        """Run a step, again after failures as often as its `Retries` say or an operator asks."""
        retries = step.retries
        while await self._may_begin(step, state):
            if self._answers.get(step.step_id) is None:
                await self._begin(step, state)
            if self._control.superseded:
                return
            if self._control.stopped:
                await self._runner.cancel(step, state)
                return
            answer = self._answers.pop(step.step_id, None)
            # What succeeded by itself meanwhile is not overridden.
            if answer is not None and (state.is_open or state.status.has_failed):
                self._apply(answer, state)
                if answer.decision is not StepOverride.RERUN:
                    return
                # Signals come before the reset that sent them again is known, in the same task.
                await workflow.sleep(_NEXT_TASK_SECONDS)
                continue
            # What may still run is not begun a second time.
            may_repeat = state.status is StepStatus.FAILED or (
                state.status is StepStatus.TIMED_OUT and (step.idempotent or not step.kind.acts)
            )
            if not (may_repeat and retries) or step.kind is StepKind.MANUAL:
                return
            retries -= 1

    async def _begin(self, step: Step, state: StepState) -> None:
        """Run one attempt of a step; ask an operator if what runs on is not for this attempt."""
        if not runs_for_others(state, self._runner.inputs_of(step, state)):
            await self._runner.run(step, state)
            return
        self._tracker.update_step(
            state,
            status=StepStatus.OUTCOME_UNKNOWN,
            reason="it was left running for other recovery instances or outputs: if it need not "
            "run for these, complete it, else run it again",
            end_time=None,
        )
        await self._runner.await_operator(step, state, StepStatus.OUTCOME_UNKNOWN)

    async def _may_begin(self, step: Step, state: StepState) -> bool:
        """Wait while the plan is paused; False if the step must not begin any more."""
        control, left = self._control, self._start.launch_before - workflow.time()
        if control.paused and left > 0:
            self._tracker.show_step(f"step {step.step_id} waits for resume: the plan is paused")
            await control.wait_until(
                lambda: (
                    not control.paused
                    or control.superseded
                    or control.plan_closed
                    or step.step_id in self._answers
                ),
                seconds=left,
                summary="DeadlineSeconds",
            )
        if control.stopped or control.superseded:
            return False
        if step.step_id in self._answers:
            return True
        reason = ""
        if control.plan_closed:
            reason = "the plan has ended"
        elif self._start.launch_before <= workflow.time():
            reason = "not begun before the plan's deadline"
        if reason:
            status = state.status if state.status.has_failed else StepStatus.NOT_RUN
            self._tracker.update_step(state, status=status, reason=reason)
        return not reason

    def _apply(self, answer: StepAnswer, state: StepState) -> None:
        if answer.signed is not None:
            self._runner.decided_by.append(answer.signed)
        if answer.decision is StepOverride.RERUN:
            self._runner.rerun_times[answer.step_id] = answer.time
        if answer.decision is StepOverride.COMPLETE:
            self._tracker.step_outputs[state.step_id] = answer.outputs
        decided = state.model_copy()
        decided.decided(
            answer.decision, answer.actor, answer.reason, answer.outputs, now=workflow.time()
        )
        self._tracker.update_step(state, **dict(decided))
