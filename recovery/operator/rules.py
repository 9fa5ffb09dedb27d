"""What an operator can do about an execution now."""

from collections.abc import Callable
from dataclasses import dataclass

from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName

_APPROVAL = "Waiting for approval"
_RETRYABLE = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.CANCELLED)
_ACCEPTABLE = (WaveStatus.IN_PROGRESS, WaveStatus.FAILED, WaveStatus.TIMED_OUT)


@dataclass(frozen=True)
class Action:
    """A message that makes sense now.

    Attributes:
        waves: the waves it can be about; empty where it is about the whole execution.
        effect: what it will do, said before it is sent.
    """

    name: MessageName
    waves: tuple[WaveState, ...]
    effect: str


def may_retry(wave: WaveState) -> bool:
    """Whether a wave can be tried again."""
    return wave.status in _RETRYABLE


def may_accept(wave: WaveState) -> bool:
    """Whether a wave's dependents can be let go on as if it were up."""
    return wave.status in _ACCEPTABLE and wave.decisions.accepted_by is None


def may_skip(wave: WaveState) -> bool:
    """Whether a wave can be left out."""
    open_or_skipped = not wave.status.is_settled or wave.status is WaveStatus.SKIPPED
    return open_or_skipped and not wave.handed_over and wave.decisions.skipped_by is None


def may_approve(wave: WaveState) -> bool:
    """Whether a wave waits for an approval."""
    return wave.status is WaveStatus.WAITING and wave.status_reason.startswith(_APPROVAL)


def may_cancel(wave: WaveState) -> bool:
    """Whether a wave runs and is waited for."""
    return wave.is_running


def is_in_doubt(wave: WaveState) -> bool:
    """Whether an operator must say if DRS has its job."""
    return wave.is_running and wave.launch_in_doubt


_ABOUT_WAVES: tuple[tuple[MessageName, Callable[[WaveState], bool], str], ...] = (
    (MessageName.RETRY_WAVE, may_retry, "launches again what is not up in"),
    (MessageName.ACCEPT_WAVE, may_accept, "lets the dependents go on after"),
    (MessageName.SKIP_WAVE, may_skip, "leaves out"),
    (MessageName.APPROVE_WAVE, may_approve, "approves the launch of"),
    (MessageName.CANCEL_WAVE, may_cancel, "stops waiting for"),
    (MessageName.LAUNCH_ANYWAY, is_in_doubt, "launches, as DRS has no job of them, those of"),
)


def actions(state: ExecutionState) -> list[Action]:
    """The messages that make sense now; none once the execution has ended."""
    if not takes_messages(state):
        return []
    found = []
    for name, fits, effect in _ABOUT_WAVES:
        if waves := tuple(wave for wave in state.waves if fits(wave)):
            found.append(Action(name, waves, effect))
    if state.status is PlanStatus.PAUSED:
        found.append(Action(MessageName.RESUME, (), "launches ready waves again"))
    else:
        found.append(Action(MessageName.PAUSE, (), "launches nothing new until resumed"))
    return found


def takes_messages(state: ExecutionState) -> bool:
    """Whether the execution still listens to operators."""
    return state.end_time is None and state.status is not PlanStatus.CANCELLED
