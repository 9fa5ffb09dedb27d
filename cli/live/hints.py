"""The keys and the commands for what an operator can do about an execution now."""

from rich.cells import cell_len

from cli.render.cells import fit
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import DecisionKind, PendingDecision, pending_decisions

# The keys of the live view.
KEYS = {
    MessageName.RETRY_WAVE: "r",
    MessageName.ACCEPT_WAVE: "a",
    MessageName.SKIP_WAVE: "s",
    MessageName.APPROVE_WAVE: "v",
    MessageName.CANCEL_WAVE: "c",
    MessageName.ADOPT_JOB: "j",
    MessageName.LAUNCH_ANYWAY: "l",
    MessageName.PAUSE: "p",
    MessageName.RESUME: "p",
}
_COMMANDS = {name: name.replace("_", "-") for name in MessageName}
_MOST_HINTS = 4

# A command's name and its arguments.
Command = tuple[str, tuple[str, ...]]


def hints(state: ExecutionState, *, width: int) -> list[str]:
    """The exact commands for what waits for an operator, most urgent first.

    A command is never cut: one that does not fit beside its wave stands below it.
    """
    pending = pending_decisions(state)
    found = [
        _hint(_head(each), commands, width)
        for each in pending
        for commands in _commands(state.plan_id, each)
        if commands
    ]
    more = len(found) - _MOST_HINTS
    if more > 0:
        left = f"and {more + 1} more waves wait for an operator"
        found = [*found[: _MOST_HINTS - 1], [left]]
    return [line for lines in found for line in lines]


def _head(pending: PendingDecision) -> str:
    if pending.wave is None:
        return "PAUSED"
    name = fit(pending.wave.wave_name, 16)
    match pending.kind:
        case DecisionKind.APPROVAL:
            return f"{name} waits for approval"
        case DecisionKind.LAUNCH:
            return f"{name} in doubt"
        case _:
            accepted = pending.wave.decisions.accepted_by is not None
            return f"{name} {'accepted' if accepted else pending.wave.status}"


def _commands(plan_id: str, pending: PendingDecision) -> list[list[Command]]:
    """The commands that decide it; for launches in doubt, those of each launch apart."""
    wave = pending.wave
    if wave is None:
        return [[(_COMMANDS[name], (plan_id,)) for name in pending.messages]]
    about = (plan_id, wave.wave_id)
    match pending.kind:
        case DecisionKind.APPROVAL:
            approve = MessageName.APPROVE_WAVE
            return [[(_COMMANDS[approve], (*about, "[--refuse]"))]]
        case DecisionKind.LAUNCH:
            return [
                [_launch_command(about, name, option) for name in pending.messages]
                for option in _launch_options(wave)
            ]
        case _:
            commands: list[Command] = [(_COMMANDS[name], about) for name in pending.messages]
            skip = _COMMANDS[MessageName.SKIP_WAVE]
            commands += [(skip, (plan_id, each.wave_id)) for each in pending.skippable[:1]]
            return [commands]


def _launch_options(wave: WaveState) -> list[tuple[str, ...]]:
    """The option that names a launch; none is needed where only one is in doubt."""
    if len(wave.launches_in_doubt) < 2:
        return [()]
    return [("--launch", launch) for launch in wave.launches_in_doubt]


def _launch_command(about: tuple[str, ...], name: MessageName, option: tuple[str, ...]) -> Command:
    job = ("JOB",) if name is MessageName.ADOPT_JOB else ()
    return _COMMANDS[name], (*about, *job, *option)


def _hint(head: str, commands: list[Command], width: int) -> list[str]:
    """What waits, with the commands and what each is about: in one line where that fits."""
    (name, known), *others = commands
    short = [_line(name, known), *(_short(name, args, known) for name, args in others)]
    line = f"{head}: drs-waves {' · '.join(short)}"
    if cell_len(line) <= width:
        return [line]
    return [f"{head}:", *(f"  drs-waves {_line(name, args)}" for name, args in commands)]


def _line(name: str, args: tuple[str, ...]) -> str:
    return " ".join((name, *args))


def _short(name: str, args: tuple[str, ...], known: tuple[str, ...]) -> str:
    """A further command, without what the first one said already."""
    return name if known[: len(args)] == args else _line(name, args[1:] or args)
