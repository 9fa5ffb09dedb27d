"""Which steps of a wave an attempt runs, and under which of their own attempts."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence

from pydantic import JsonValue

from recovery.plan.fields import Impact
from recovery.plan.model import Wave
from recovery.steps.model import StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus


def states_to_begin(wave: Wave, earlier: Sequence[StepState], *, is_drill: bool) -> list[StepState]:
    """The states of a wave's steps when an attempt of it begins.

    Args:
        wave: the wave.
        earlier: the steps' states of an earlier attempt or execution.
        is_drill: whether it belongs to a drill.
    """
    known = {state.step_id: state for state in earlier}
    states = []
    for phase, step in wave.all_steps:
        target = wave.target_of(step)
        where = {"region": target.region, "role_arn": target.role_arn}
        state = StepState.of(step.model_copy(update=where), phase)
        if not step.runs_in(is_drill=is_drill):
            state.status = StepStatus.NOT_TESTED
            state.reason = f"it runs in a {step.effective_when} only"
        elif (before := known.get(step.step_id)) and before.definition == state.definition:
            state = _begun_again(before, phase, step.impact)
            is_due = state.taken_over and (step.rerun or before.is_put_back)
            if is_due and state.status is StepStatus.SUCCEEDED:
                state.status, state.result, state.decision = StepStatus.PENDING, None, None
                state.left_running = False
        states.append(state)
    return states


_MAY_RUN_ON = (StepStatus.RUNNING, StepStatus.TIMED_OUT, StepStatus.OUTCOME_UNKNOWN)


def _begun_again(before: StepState, phase: StepPhase, impact: Impact) -> StepState:
    """The state in which a step begins another attempt of its wave."""
    update = {"phase": phase, "impact": impact, "reverts": []}
    state = before.model_copy(deep=True, update=update)
    if state.status.lets_next_begin or (_has_settled(state) and not state.taken_over):
        return state
    state.left_running |= state.acts_outside and state.status in _MAY_RUN_ON
    state.status, state.result, state.reason = StepStatus.PENDING, None, ""
    state.decide_until = state.manual = None
    if state.decision is not StepOverride.RERUN:
        state.decision = None
    return state


def _has_settled(state: StepState) -> bool:
    """Whether it succeeded, or failed and is OPTIONAL."""
    is_optional_failure = state.status.has_failed and state.makes_partial
    return state.status is StepStatus.SUCCEEDED or is_optional_failure


def inputs_hash(instance_ids: Collection[str], outputs: Mapping[str, JsonValue]) -> str:
    """A short hash of what a step gets, in whatever order; of nothing "".

    Args:
        instance_ids: the recovery instances that it concerns, or that its references name.
        outputs: what earlier steps returned that its references name; nothing secret.
    """
    if not instance_ids and not outputs:
        return ""
    text = json.dumps([sorted(instance_ids), outputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_kept(state: StepState, inputs: str) -> bool:
    """Whether a step that has settled before is not run again for these inputs (`inputs_hash`).

    Within an execution, what acted never acts again unasked; a check may look again.
    """
    if not _has_settled(state):
        return state.status.lets_next_begin
    if state.kind.acts and not state.taken_over:
        return True
    return state.inputs == inputs


def next_attempt(state: StepState, *, in_doubt: bool) -> tuple[int, bool]:
    """The number of a step's next attempt, and whether it may have been sent before.

    What may run on is taken up again under the same number, so that it is found and not begun
    twice; only `rerun_step` begins it again.

    Args:
        state: the step.
        in_doubt: an earlier attempt of its wave was lost, and may have begun what nobody recorded.
    """
    if _is_taken_up(state):
        return state.attempt, True
    is_asked_for = state.decision is StepOverride.RERUN
    return state.attempt + 1, in_doubt and state.kind.acts and not is_asked_for


def runs_for_others(state: StepState, inputs: str) -> bool:
    """Whether what may run on began with other instances or outputs than it has now.

    Its success would say nothing of these, and to begin it again may act twice.
    """
    return _is_taken_up(state) and state.inputs != inputs


def _is_taken_up(state: StepState) -> bool:
    return state.left_running and state.attempt > 0 and not state.status.lets_next_begin
