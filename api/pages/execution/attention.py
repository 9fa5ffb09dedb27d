"""What waits for an operator, most urgent first, with its controls."""

from dataclasses import dataclass, replace

from api.auth.tokens import Principal
from api.pages.execution.controls import Control, controls
from api.pages.rendering import render
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
    """

    kind: DecisionKind
    text: str
    wave: WaveState | None
    controls: tuple[Control, ...]
    if_unanswered: str
    deadline: float | None = None
    acknowledged_by: OperatorDecision | None = None
    acknowledge: Control | None = None


def attention_items(state: ExecutionState, user: Principal) -> list[AttentionItem]:
    """The decisions that wait for an operator."""
    about_all = {control.name: control for control in controls(state, user)}
    return [
        AttentionItem(
            each.kind,
            asked_text(state, each),
            each.wave,
            tuple(_controls(state, user, each)),
            if_unanswered(state, each),
            deadline_of(state, each),
            each.acknowledged_by,
            about_all.get(MessageName.ACKNOWLEDGE),
        )
        for each in pending_decisions(state)
    ]


def attention(state: ExecutionState, user: Principal, *, now: float) -> str:
    """Render the decisions; hidden if there are none."""
    items = attention_items(state, user)
    return render("attention", items=items[:_MAX_ITEMS], more=len(items) - _MAX_ITEMS, now=now)


def _controls(state: ExecutionState, user: Principal, pending: PendingDecision) -> list[Control]:
    """The controls for a decision; skipping a dependent names that one."""
    possible = {control.name: control for control in controls(state, user, pending.wave)}
    found = [possible[name] for name in pending.messages if name in possible]
    for wave in pending.skippable[:_MAX_SKIPS]:
        found += [
            replace(control, beside=wave.wave_name)
            for control in controls(state, user, wave)
            if control.name == MessageName.SKIP_WAVE
        ]
    return found
