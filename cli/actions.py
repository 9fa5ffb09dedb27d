"""What an operator can do about an execution now, and the command for it."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len

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


def is_in_doubt(wave: WaveState) -> bool:
    """Whether an operator must say if DRS has its job."""
    return wave.is_running and wave.launch_in_doubt


_ABOUT_WAVES: tuple[tuple[MessageName, str, Callable[[WaveState], bool], str], ...] = (
    (MessageName.RETRY_WAVE, "r", may_retry, "launches again what is not up in"),
    (MessageName.ACCEPT_WAVE, "a", may_accept, "lets the dependents go on after"),
    (MessageName.SKIP_WAVE, "s", may_skip, "leaves out"),
    (MessageName.APPROVE_WAVE, "v", may_approve, "approves the launch of"),
    (MessageName.CANCEL_WAVE, "c", may_cancel, "stops waiting for"),
    (MessageName.LAUNCH_ANYWAY, "l", is_in_doubt, "launches, as DRS has no job of them, those of"),
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
    """The exact commands for what waits for an operator, most urgent first.

    A command is never cut: one that does not fit beside its wave stands below it.
    """
    if not _takes_messages(state):
        return []
    plan_id, found = state.plan_id, list[list[str]]()
    if state.status is PlanStatus.PAUSED:
        found.append(_hint("PAUSED", [("resume", plan_id)], width))
    for wave in filter(may_approve, state.waves):
        about = f"{plan_id} {wave.wave_id} [--refuse]"
        found.append(_hint(f"{_name(wave)} waits for approval", [("approve-wave", about)], width))
    for wave in filter(is_in_doubt, state.waves):
        about = f"{plan_id} {wave.wave_id}"
        commands = [("adopt-job", f"{about} JOB"), ("launch-anyway", about)]
        found.append(_hint(f"{_name(wave)} in doubt", commands, width))
    for wave in state.waves:
        if wave.status in _BROKEN:
            told = "accepted" if wave.decisions.accepted_by else str(wave.status)
            found.append(_hint(f"{_name(wave)} {told}", _after_failure(state, wave), width))
    more = len(found) - _MOST_HINTS
    if more > 0:
        left = f"and {more + 1} more waves wait for an operator"
        found = [*found[: _MOST_HINTS - 1], [left]]
    return [line for lines in found for line in lines]


def _name(wave: WaveState) -> str:
    return fit(wave.wave_name, 16)


def _hint(head: str, commands: list[tuple[str, str]], width: int) -> list[str]:
    """What waits, with the commands and what each is about: in one line where that fits."""
    first, *others = commands
    short = [" ".join(first), *(_short(name, about, first[1]) for name, about in others)]
    line = f"{head}: drs-waves {' · '.join(short)}"
    if cell_len(line) <= width:
        return [line]
    return [f"{head}:", *(f"  drs-waves {name} {about}" for name, about in commands)]


def _short(name: str, about: str, known: str) -> str:
    """A further command, without what the first one said already."""
    plan_id, _, rest = about.partition(" ")
    return name if known.startswith(about) else f"{name} {rest or plan_id}"


def _after_failure(state: ExecutionState, wave: WaveState) -> list[tuple[str, str]]:
    about = f"{state.plan_id} {wave.wave_id}"
    commands = [("retry-wave", about)]
    if may_accept(wave):
        commands.append(("accept-wave", about))
    dependents = [w for w in state.waves if wave.wave_id in w.depends_on and may_skip(w)]
    if dependents:
        commands.append(("skip-wave", f"{state.plan_id} {dependents[0].wave_id}"))
    return commands


def _takes_messages(state: ExecutionState) -> bool:
    return state.end_time is None and state.status is not PlanStatus.CANCELLED
