"""What waits for an operator, most urgent first, with its controls."""

from dataclasses import dataclass, replace

from api.auth.tokens import Principal
from api.pages.execution.controls import Control, controls
from api.pages.rendering import render
from api.pages.steps.step_view import StepQuestion, StepView
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionState
from recovery.execution.wave import OperatorDecision, WaveState
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import (
    PendingDecision,
    asked_text,
    deadline_of,
    if_unanswered,
    pending_decisions,
)

_MAX_ITEMS = 6
_MAX_SKIPS = 3


@dataclass(frozen=True)
class AttentionItem:
    """A decision that waits for an operator.

    Attributes:
        kind: what kind of decision.
        text: what must be decided.
        wave: the wave; None for the execution.
        controls: the possible actions.
        if_unanswered: what happens if nobody decides.
        deadline: until when it can be made (epoch seconds).
        acknowledged_by: who said that they take care of it.
        acknowledge: the control to say so.
        question: about a step; None if it is not about one.
    """

    kind: DecisionKind
    text: str
    wave: WaveState | None
    controls: tuple[Control, ...]
    if_unanswered: str
    deadline: float | None = None
    acknowledged_by: OperatorDecision | None = None
    acknowledge: Control | None = None
    question: StepQuestion | None = None


def attention_items(state: ExecutionState, user: Principal) -> list[AttentionItem]:
    """The decisions that wait for an operator."""
    about_all = {control.name: control for control in controls(state, user)}
    items = []
    for each in pending_decisions(state):
        own = tuple(_controls(state, user, each))
        question = None
        if each.wave is not None and each.step is not None:
            question = StepQuestion.of(state, each.wave, StepView(each.step, own))
        item = AttentionItem(
            each.kind,
            asked_text(state, each),
            each.wave,
            own,
            if_unanswered(state, each),
            deadline_of(state, each),
            each.acknowledged_by,
            about_all.get(MessageName.ACKNOWLEDGE),
            question,
        )
        items.append(item)
    return items


def attention(state: ExecutionState, user: Principal, *, now: float) -> str:
    """Render the decisions; hidden if there are none."""
    items = attention_items(state, user)
    return render("attention", items=items[:_MAX_ITEMS], more=len(items) - _MAX_ITEMS, now=now)


def _controls(state: ExecutionState, user: Principal, pending: PendingDecision) -> list[Control]:
    """The controls for a decision; skipping a dependent names that one."""
    possible = controls(state, user, pending.wave)
    found = [
        control
        for name in pending.messages
        for control in possible
        if control.name == name and control.step_id in _steps_of(pending)
    ]
    for wave in pending.skippable[:_MAX_SKIPS]:
        found += [
            replace(control, beside=wave.wave_name)
            for control in controls(state, user, wave)
            if control.name == MessageName.SKIP_WAVE
        ]
    return found


def _steps_of(pending: PendingDecision) -> tuple[str | None, ...]:
    """The steps with controls: the one it is about, or else the first that failed the wave."""
    if pending.step is not None:
        return (pending.step.step_id,)
    failed = pending.wave.failed_steps if pending.wave else []
    return (None, *(step.step_id for step in failed[:1]))
