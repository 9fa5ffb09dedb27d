"""The decisions that wait for an operator, with the keys or the commands that make them."""

from dataclasses import dataclass

from cli.render.cells import packed, wrapped
from cli.render.steps import manual_lines, step_row
from recovery.execution.open_decision import DecisionKind
from recovery.execution.progress import wave_notes
from recovery.execution.state import ExecutionState
from recovery.operator.commands import deciding_commands
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import (
    PendingDecision,
    acknowledged_text,
    if_unanswered,
    time_to_decide,
)

# The keys of the live view.
KEYS = {
    MessageName.RETRY_WAVE: "r",
    MessageName.ACCEPT_WAVE: "a",
    MessageName.SKIP_WAVE: "s",
    MessageName.APPROVE_WAVE: "v",
    MessageName.APPROVE_RECOVERY: "o",
    MessageName.CANCEL_WAVE: "c",
    MessageName.ADOPT_JOB: "j",
    MessageName.LAUNCH_ANYWAY: "l",
    MessageName.PAUSE: "p",
    MessageName.RESUME: "p",
    MessageName.ACKNOWLEDGE: "i",
    MessageName.COMPLETE_STEP: "d",
    MessageName.FAIL_STEP: "f",
    MessageName.SKIP_STEP: "k",
    MessageName.RERUN_STEP: "g",
}
_INDENT = "    "


@dataclass(frozen=True)
class Hint:
    """What an operator should know about a pending decision, in lines that fit the screen.

    Attributes:
        why: why a decision is needed; it may be long.
        what_to_do: who takes care of it, until when, what happens otherwise, and the keys or the
            commands.
    """

    why: list[str]
    what_to_do: list[str]


def label(name: MessageName) -> str:
    """A message as the operator reads it."""
    if name is MessageName.CANCEL_WAVE:
        return "cancel wave"  # "cancel" is the plan's.
    if name is MessageName.ACKNOWLEDGE:
        return "I have it"
    return name.removesuffix("_wave").replace("_", " ")


def hint(
    state: ExecutionState, pending: PendingDecision, *, now: float, width: int, with_keys: bool
) -> Hint:
    """Say what a decision is about and how it is made; no command is cut.

    Args:
        state: the execution.
        pending: the decision.
        now: epoch seconds.
        width: of the screen, in cells.
        with_keys: name the keys of the live view, not the commands.
    """
    wave = pending.wave
    is_recovery = pending.kind is DecisionKind.RECOVERY_APPROVAL
    act = _keys(pending, width) if with_keys else deciding_commands(state.plan_id, pending)
    if is_recovery and not with_keys:
        act = ["Approve or refuse it on the pages; if these are lost:", *act]
    note = if_unanswered(state, pending) if wave or is_recovery else ""
    if left := time_to_decide(state, pending, now=now):
        note = f"{left}. {note}"
    if pending.kind is DecisionKind.LASTING_ERROR:
        note = "Remove the cause: the launch is tried again automatically. To stop waiting:"
    taken = [acknowledged_text(pending.acknowledged_by)] if pending.acknowledged_by else []
    texts = [*taken, *([note] if note else []), *act]
    return Hint(
        _why(state, pending, now=now, width=width),
        [line for text in texts for line in wrapped(text, width, indent=_INDENT)],
    )


def _why(state: ExecutionState, pending: PendingDecision, *, now: float, width: int) -> list[str]:
    """Why a decision is needed; of a step, its row and its instruction."""
    step = pending.step
    if step is not None:
        row = step_row(step, now=now, width=width)
        return row + (manual_lines(step.manual, width=width) if step.manual else [])
    why = "nothing new is launched" if pending.wave is None else wave_notes(pending.wave)
    if pending.kind is DecisionKind.RECOVERY_APPROVAL:
        why = state.approvals_text
    return wrapped(why, width, indent=_INDENT) if why else []


def _keys(pending: PendingDecision, width: int) -> list[str]:
    keys = [f"{KEYS[name]} {label(name)}" for name in pending.messages]
    if pending.skippable:
        alone = len(pending.skippable) == 1
        what = pending.skippable[0].wave_name if alone else "a wave that waits for it"
        keys.append(f"{KEYS[MessageName.SKIP_WAVE]} skip {what}")
    keys[:1] = [f"Keys: {key}" for key in keys[:1]]
    return packed(keys, width - len(_INDENT))
