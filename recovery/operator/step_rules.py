"""Which operators' messages about steps a wave allows now, and what they do."""

import math
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage, nearest
from recovery.plan.limits import MAX_ATTEMPTS_OF_A_WAVE
from recovery.steps.model import InputType, Manual, ManualInput, StepKind
from recovery.steps.state import StepOverride, StepState, StepStatus
from recovery.text_format import listed

DECISIONS = {
    MessageName.SKIP_STEP: StepOverride.SKIP,
    MessageName.COMPLETE_STEP: StepOverride.COMPLETE,
    MessageName.FAIL_STEP: StepOverride.FAIL,
    MessageName.RERUN_STEP: StepOverride.RERUN,
}
_ENDED_BADLY = (
    StepStatus.FAILED,
    StepStatus.TIMED_OUT,
    StepStatus.OUTCOME_UNKNOWN,
    StepStatus.CANCELLED,
)
_REOPENED = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.CANCELLED)


def steps_about(wave: WaveState, name: MessageName) -> list[StepState]:
    """The steps of a wave about which a message is allowed now."""
    return [step for step in wave.steps if _is_allowed(wave, step, name)]


def step_meant(wave: WaveState, message: OperatorMessage) -> StepState | None:
    """The step that a message is about: the named one, or else the only one that is under way."""
    allowed = steps_about(wave, message.name)
    if message.step is not None:
        return next((step for step in allowed if step.step_id == message.step), None)
    under_way = [step for step in allowed if step.status is not StepStatus.PENDING] or allowed
    return under_way[0] if len(under_way) == 1 else None


def needs_new_attempt(wave: WaveState) -> bool:
    """Whether a decision about a step begins another attempt of its wave, which has ended."""
    return wave.status in _REOPENED and not any(step.is_open for step in wave.steps)


def step_problem(wave: WaveState, message: OperatorMessage) -> str:
    """Why a message about a step is not allowed now; "" if it is."""
    allowed = [step.step_id for step in steps_about(wave, message.name)]
    if (meant := step_meant(wave, message)) is not None:
        return _outputs_problem(meant, message)
    if message.step is None:
        which = f"one of {', '.join(allowed)}" if allowed else "none of it is concerned now"
        return f"name the step: {which}"
    known = {step.step_id: step for step in wave.steps}
    step = known.get(message.step)
    if step is None:
        hint = nearest(message.step, tuple(known)) if known else "it has no steps"
        return f"no step {message.step!r}; {hint}"
    if wave.attempt >= MAX_ATTEMPTS_OF_A_WAVE and needs_new_attempt(wave):
        return f"it had {wave.attempt} attempts, and there is no room for more"
    others = f"; it is allowed for {', '.join(allowed)}" if allowed else ""
    by = f", {step.decision.text} by {step.actor}" if step.decision and step.actor else ""
    return f"step {step.step_id} is {step.status}{by}{others}"


def step_of(wave: WaveState, message: OperatorMessage) -> StepState:
    """The step that an allowed message is about."""
    step = step_meant(wave, message)
    assert step is not None, "the rules refuse a message about no step"
    return step


def step_effect(wave: WaveState, message: OperatorMessage) -> str:
    """What follows if an allowed message about a step is accepted."""
    step = step_of(wave, message)
    later = wave.steps[wave.steps.index(step) + 1 :]
    rest = [s.step_id for s in later if s.status in (StepStatus.PENDING, StepStatus.NOT_RUN)]
    then = f"step {rest[0]} is next" if rest else "it was the last one"
    attempt = ""
    if needs_new_attempt(wave):
        attempt = f"; attempt {wave.attempt + 1} of {wave.wave_name} launches nothing that is up"
    still = ""
    if step.status is StepStatus.RUNNING and step.kind not in (StepKind.MANUAL,):
        still = "; what runs is left running" if step.kind.acts else ""
    match message.name:
        case MessageName.SKIP_STEP:
            best = f"{wave.wave_name} can then be PARTIAL at best"
            return f"step {step.step_id} is skipped, {then}; {best}{still}{attempt}"
        case MessageName.COMPLETE_STEP:
            done = f"step {step.step_id} counts as done, {then}"
            is_manual = step.kind is StepKind.MANUAL
            best = "" if is_manual else f"; {wave.wave_name} can then be PARTIAL at best"
            return f"{done}{best}{still}{attempt}"
        case MessageName.FAIL_STEP:
            return f"step {step.step_id} has failed{still}; {_failure(wave, step)}"
        case _:
            again = f"step {step.step_id} is run again, as attempt {step.attempt + 1}{attempt}"
            is_unknown = step.status is StepStatus.OUTCOME_UNKNOWN
            return f"{again}; if it had its effect, it then has it twice" if is_unknown else again


def _failure(wave: WaveState, step: StepState) -> str:
    is_critical = step.model_copy(update={"status": StepStatus.FAILED, "decide_until": None})
    if not is_critical.fails_wave:
        return f"{wave.wave_name} can then be PARTIAL at best"
    return f"{wave.wave_name} is FAILED, and its policy applies"


def _is_allowed(wave: WaveState, step: StepState, name: MessageName) -> bool:
    if needs_new_attempt(wave):
        is_failed = step.status in _ENDED_BADLY
        has_room = wave.attempt < MAX_ATTEMPTS_OF_A_WAVE
        return name is not MessageName.FAIL_STEP and is_failed and has_room
    if not (wave.has_workflow and step.is_open):
        return False
    # Until its wave has applied the decision.
    if step.decision is not None and step.decision is not StepOverride.RERUN:
        return False
    match name:
        case MessageName.SKIP_STEP:
            return True
        case MessageName.COMPLETE_STEP | MessageName.FAIL_STEP:
            return step.status is not StepStatus.PENDING
        case _:
            return step.status is StepStatus.OUTCOME_UNKNOWN


def _outputs_problem(step: StepState, message: OperatorMessage) -> str:
    if message.name is not MessageName.COMPLETE_STEP or step.manual is None:
        return ""
    return inputs_problem(step.manual.inputs, message.outputs or {})


def inputs_asked(wave: WaveState, message: OperatorMessage) -> list[ManualInput]:
    """What the message that completes a manual step must answer."""
    if message.name is not MessageName.COMPLETE_STEP:
        return []
    step = step_meant(wave, message)
    return step.manual.inputs if step is not None and step.manual is not None else []


def with_typed_outputs(wave: WaveState, message: OperatorMessage) -> OperatorMessage:
    """The message whose outputs have the types that its manual step asks for.

    A command line, a form and a person who types JSON may send each of them as text.
    """
    step = step_meant(wave, message)
    if message.outputs is None or step is None or step.manual is None:
        return message
    return replace(message, outputs=typed_outputs(step.manual, message.outputs))


def typed_outputs(manual: Manual, given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What was given for a manual step, in the types that it asks for."""
    asked = {each.name: each.type for each in manual.inputs}
    return {name: typed_input(value, asked.get(name)) for name, value in given.items()}


def typed_input(value: JsonValue, wanted: InputType | None) -> JsonValue:
    """A value in the type that an input asks for; as it is if it cannot be read as that."""
    if not isinstance(value, str):
        return value
    match wanted:
        case InputType.YES_OR_NO:
            return _YES_OR_NO.get(value.strip().casefold(), value)
        case InputType.NUMBER:
            try:
                number = float(value)
            except ValueError:
                return value
            return int(number) if number.is_integer() else number
        case _:
            return value


_YES_OR_NO = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def inputs_problem(asked: list[ManualInput], given: Mapping[str, JsonValue]) -> str:
    """What is wrong with the inputs of a manual step; "" if nothing is."""
    known = {each.name: each for each in asked}
    if unknown := [name for name in given if name not in known]:
        names = listed(list(known)) or "none"
        return f"it asks for no {listed(unknown)}; its inputs: {names}"
    if missing := [n for n, each in known.items() if each.required and given.get(n) in (None, "")]:
        option = f"--output {missing[0]}={known[missing[0]].type}"
        return f"it asks for {listed(missing)}: add {option} (in a message, Outputs)"
    for name, value in given.items():
        if not _has_type(value, known[name].type):
            return f"{name} must be {_TYPE_TEXTS[known[name].type]}"
    return ""


_TYPE_TEXTS = {
    InputType.TEXT: "text",
    InputType.NUMBER: "a number",
    InputType.YES_OR_NO: "yes or no (in JSON: true or false)",
}


def _has_type(value: JsonValue, wanted: InputType) -> bool:
    match wanted:
        case InputType.TEXT:
            return isinstance(value, str)
        case InputType.NUMBER:
            is_flag = isinstance(value, bool)
            return isinstance(value, int | float) and not is_flag and math.isfinite(value)
        case InputType.YES_OR_NO:
            return isinstance(value, bool)
