"""What of an execution waits for an operator's decision, and the messages that decide it."""

from dataclasses import dataclass
from enum import StrEnum

from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaitingFor, WaveState, WaveStatus
from recovery.operator.messages import MessageName
from recovery.operator.rules import accepts_messages, is_allowed

_FAILED_STATUSES = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)


class DecisionKind(StrEnum):
    """What is to be decided."""

    RESUME = "RESUME"
    APPROVAL = "APPROVAL"
    LAUNCH = "LAUNCH"
    """Whether DRS has the job of a launch."""
    FAILURE = "FAILURE"
    """How to go on after a wave that FAILED or TIMED_OUT."""


@dataclass(frozen=True)
class PendingDecision:
    """Something that an operator should decide.

    Attributes:
        wave: the wave that it is about; None where it is about the execution.
        messages: what decides it, as far as it is allowed now.
        skippable: dependents of the wave that may be left out instead.
    """

    kind: DecisionKind
    wave: WaveState | None
    messages: tuple[MessageName, ...]
    skippable: tuple[WaveState, ...] = ()


def pending_decisions(state: ExecutionState) -> list[PendingDecision]:
    """What waits for an operator, most urgent first; nothing once the execution has ended."""
    if not accepts_messages(state):
        return []
    found = []
    if state.status is PlanStatus.PAUSED:
        found.append(PendingDecision(DecisionKind.RESUME, None, (MessageName.RESUME,)))
    for kind in (DecisionKind.APPROVAL, DecisionKind.LAUNCH, DecisionKind.FAILURE):
        for wave in state.waves:
            if _kind(wave) is kind:
                found.append(_decision(state, kind, wave))
    return found


_MESSAGES = {
    DecisionKind.APPROVAL: (MessageName.APPROVE_WAVE, MessageName.SKIP_WAVE),
    DecisionKind.LAUNCH: (MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY),
    DecisionKind.FAILURE: (MessageName.RETRY_WAVE, MessageName.ACCEPT_WAVE),
}


def _kind(wave: WaveState) -> DecisionKind | None:
    if wave.waiting_for is WaitingFor.APPROVAL:
        return DecisionKind.APPROVAL
    if wave.is_running and wave.launch_in_doubt:
        return DecisionKind.LAUNCH
    return DecisionKind.FAILURE if wave.status in _FAILED_STATUSES else None


def _decision(state: ExecutionState, kind: DecisionKind, wave: WaveState) -> PendingDecision:
    allowed = tuple(name for name in _MESSAGES[kind] if is_allowed(state, name, wave))
    dependents = (
        [each for each in state.waves if wave.wave_id in each.depends_on]
        if kind is DecisionKind.FAILURE
        else []
    )
    skippable = tuple(w for w in dependents if is_allowed(state, MessageName.SKIP_WAVE, w))
    return PendingDecision(kind, wave, allowed, skippable)
