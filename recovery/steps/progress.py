"""The progress of a wave's steps as text."""

from collections.abc import Iterable, Sequence

from recovery.steps.model import ManualInput
from recovery.steps.state import CheckResult, StepOverride, StepState, StepStatus
from recovery.text_format import count

# Each status has its own symbol: a reader may not see the color.
STEP_SYMBOLS = {
    StepStatus.PENDING: "·",
    StepStatus.RUNNING: "▶",
    StepStatus.SUCCEEDED: "✓",
    StepStatus.FAILED: "✗",
    StepStatus.TIMED_OUT: "◷",
    StepStatus.OUTCOME_UNKNOWN: "?",
    StepStatus.SKIPPED: "↷",
    StepStatus.CANCELLED: "■",
    StepStatus.NOT_TESTED: "○",
    StepStatus.NOT_RUN: "–",  # noqa: RUF001
}


def step_notes(step: StepState) -> str:
    """What the status of a step does not show: attempt, result, reason, who decided."""
    parts = [f"attempt {step.attempt}"] if step.attempt > 1 else []
    if step.result is CheckResult.INCONCLUSIVE:
        parts.append("could not be checked")
    elif step.result is not None and (step.result is CheckResult.FAILED or step.is_overridden):
        parts.append(f"check {step.result}")
    if step.decision is not None and step.is_open and step.decision is not StepOverride.RERUN:
        parts.append(f"{step.decision.text} by {step.actor}, is being applied")
    elif step.awaits_operator:
        parts.append("waits for an operator")
    if step.reason:
        parts.append(step.reason)
    if step.is_put_back:
        parts.append("put back since")
    if step.actor and step.actor not in step.reason and step.decision is None:
        parts.append(f"decided before by {step.actor}")
    return "; ".join(parts)


def input_text(asked: ManualInput) -> str:
    """What an operator enters for a manual step: `Ticket (TEXT): the change request`."""
    optional = "" if asked.required else ", may be left out"
    description = f": {asked.description}" if asked.description else ""
    return f"{asked.name} ({asked.type}{optional}){description}"


def steps_text(steps: Iterable[StepState]) -> str:
    """`1/2 steps, 1 NOT_TESTED`: how many succeeded of those that this kind of execution has."""
    known = list(steps)
    left_out = len(not_tested(known))
    if left_out == len(known):
        return f"{count(left_out, 'step')} NOT_TESTED"
    text = f"{steps_figures(known)} steps"
    return f"{text}, {left_out} NOT_TESTED" if left_out else text


def steps_figures(steps: Sequence[StepState]) -> str:
    """`1/2`: how many succeeded of those that this kind of execution has; "" if it has none."""
    total = len(steps) - len(not_tested(steps))
    succeeded = sum(step.status is StepStatus.SUCCEEDED for step in steps)
    return f"{succeeded}/{total}" if total else ""


def step_to_look_at(steps: Sequence[StepState]) -> StepState | None:
    """The step that waits for an operator, else one that failed, else one that runs."""
    waiting = [step for step in steps if step.awaits_operator]
    # What makes its wave FAILED says more than what is optional.
    failed = sorted((s for s in steps if s.status.has_failed), key=lambda s: not s.fails_wave)
    running = [step for step in steps if step.status is StepStatus.RUNNING]
    return next(iter([*waiting, *failed, *running]), None)


def not_tested(steps: Iterable[StepState]) -> list[StepState]:
    """The steps that this kind of execution left out."""
    return [step for step in steps if step.status is StepStatus.NOT_TESTED]
