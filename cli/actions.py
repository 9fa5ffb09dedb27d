"""What an operator can do about an execution now, and the command for it."""

from collections.abc import Callable
from dataclasses import dataclass

from cli.texts import fit
from recovery.execution import ExecutionState, PlanStatus, WaveState, WaveStatus
from recovery.messages import MessageName

_APPROVAL = "Waiting for approval"
_RETRYABLE = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.CANCELLED)
_ACCEPTABLE = (WaveStatus.IN_PROGRESS, WaveStatus.FAILED, WaveStatus.TIMED_OUT)
_BROKEN = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
_MOST_HINTS = 4


@dataclass(frozen=True)
class Action:
    """A message that makes sense now.

    Attributes:
        key: the key that offers it in the live view.
        waves: the waves it can be about; empty where it is about the whole execution.
        effect: what it will do, said before it is sent.
    """

    name: MessageName
    key: str
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


_ABOUT_WAVES: tuple[tuple[MessageName, str, Callable[[WaveState], bool], str], ...] = (
    (MessageName.RETRY_WAVE, "r", may_retry, "launches again what is not up in"),
    (MessageName.ACCEPT_WAVE, "a", may_accept, "lets the dependents go on after"),
    (MessageName.SKIP_WAVE, "s", may_skip, "leaves out"),
    (MessageName.APPROVE_WAVE, "v", may_approve, "approves the launch of"),
    (MessageName.CANCEL_WAVE, "c", may_cancel, "stops waiting for"),
)


def actions(state: ExecutionState) -> list[Action]:
    """The messages that make sense now; none once the execution has ended."""
    if not _takes_messages(state):
        return []
    found = []
    for name, key, fits, effect in _ABOUT_WAVES:
        if waves := tuple(wave for wave in state.waves if fits(wave)):
            found.append(Action(name, key, waves, effect))
    if state.status is PlanStatus.PAUSED:
        found.append(Action(MessageName.RESUME, "p", (), "launches ready waves again"))
    else:
        found.append(Action(MessageName.PAUSE, "p", (), "launches nothing new until resumed"))
    return found


def hints(state: ExecutionState, *, width: int) -> list[str]:
    """The exact commands for what waits for an operator, most urgent first."""
    if not _takes_messages(state):
        return []
    lines = []
    if state.status is PlanStatus.PAUSED:
        lines.append(f"PAUSED: drs-waves resume {state.plan_id}")
    for wave in state.waves:
        if may_approve(wave):
            what = f"approve-wave {state.plan_id} {wave.wave_id}"
            lines.append(
                f"{fit(wave.wave_name, 16)} waits for approval: drs-waves {what} [--refuse]"
            )
    lines += [_about_failure(state, wave) for wave in state.waves if wave.status in _BROKEN]
    more = len(lines) - _MOST_HINTS
    if more > 0:
        lines = [*lines[: _MOST_HINTS - 1], f"and {more + 1} more waves wait for an operator"]
    return [fit(line, width) for line in lines]


def _about_failure(state: ExecutionState, wave: WaveState) -> str:
    commands = [f"retry-wave {state.plan_id} {wave.wave_id}"]
    if may_accept(wave):
        commands.append("accept-wave")
    dependents = [w for w in state.waves if wave.wave_id in w.depends_on and may_skip(w)]
    if dependents:
        commands.append(f"skip-wave {dependents[0].wave_id}")
    name = fit(wave.wave_name, 16)
    told = "accepted" if wave.decisions.accepted_by else str(wave.status)
    return f"{name} {told}: drs-waves {' · '.join(commands)}"


def _takes_messages(state: ExecutionState) -> bool:
    return state.end_time is None and state.status is not PlanStatus.CANCELLED
