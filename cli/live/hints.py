"""The keys and the commands for what an operator can do about an execution now."""

from rich.cells import cell_len

from cli.render.cells import fit
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName
from recovery.operator.rules import is_in_doubt, may_accept, may_approve, may_skip, takes_messages

# The keys of the live view.
KEYS = {
    MessageName.RETRY_WAVE: "r",
    MessageName.ACCEPT_WAVE: "a",
    MessageName.SKIP_WAVE: "s",
    MessageName.APPROVE_WAVE: "v",
    MessageName.CANCEL_WAVE: "c",
    MessageName.LAUNCH_ANYWAY: "l",
    MessageName.PAUSE: "p",
    MessageName.RESUME: "p",
}
_BROKEN = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
_MOST_HINTS = 4


def hints(state: ExecutionState, *, width: int) -> list[str]:
    """The exact commands for what waits for an operator, most urgent first.

    A command is never cut: one that does not fit beside its wave stands below it.
    """
    if not takes_messages(state):
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
