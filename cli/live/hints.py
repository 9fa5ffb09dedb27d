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
_MAX_HINTS = 4

# A command's name and its arguments.
Command = tuple[str, tuple[str, ...]]


def hints(state: ExecutionState, *, width: int) -> list[str]:
    """List the exact commands for what waits for an operator, most urgent first.

    A command is never cut: one that does not fit beside its wave is on a line of its own.
    """
    pending = pending_decisions(state)
    hint_lines = [
        _hint(_heading(each), commands, width)
        for each in pending
        for commands in _commands(state.plan_id, each)
        if commands
    ]
    more = len(hint_lines) - _MAX_HINTS
    if more > 0:
        rest = f"and {more + 1} more waves wait for an operator"
        hint_lines = [*hint_lines[: _MAX_HINTS - 1], [rest]]
    return [line for lines in hint_lines for line in lines]


def _heading(pending: PendingDecision) -> str:
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
    """The commands that decide it; for launches in doubt, a list of commands a launch."""
    wave = pending.wave
    if wave is None:
        return [[(_COMMANDS[name], (plan_id,)) for name in pending.messages]]
    wave_args = (plan_id, wave.wave_id)
    match pending.kind:
        case DecisionKind.APPROVAL:
            approve = MessageName.APPROVE_WAVE
            return [[(_COMMANDS[approve], (*wave_args, "[--refuse]"))]]
        case DecisionKind.LAUNCH:
            return [
                [_launch_command(wave_args, name, option) for name in pending.messages]
                for option in _launch_options(wave)
            ]
        case _:
            commands: list[Command] = [(_COMMANDS[name], wave_args) for name in pending.messages]
            skip = _COMMANDS[MessageName.SKIP_WAVE]
            commands += [(skip, (plan_id, each.wave_id)) for each in pending.skippable[:1]]
            return [commands]


def _launch_options(wave: WaveState) -> list[tuple[str, ...]]:
    """The option that names a launch; none is needed where only one is in doubt."""
    if len(wave.launches_in_doubt) < 2:
        return [()]
    return [("--launch", launch) for launch in wave.launches_in_doubt]


def _launch_command(
    wave_args: tuple[str, ...], name: MessageName, option: tuple[str, ...]
) -> Command:
    job = ("JOB",) if name is MessageName.ADOPT_JOB else ()
    return _COMMANDS[name], (*wave_args, *job, *option)


def _hint(heading: str, commands: list[Command], width: int) -> list[str]:
    """Join what waits and its commands: in one line if it fits."""
    (name, first_args), *others = commands
    short = [
        _line(name, first_args),
        *(_without_repeated(name, args, first_args) for name, args in others),
    ]
    line = f"{heading}: drs-waves {' · '.join(short)}"
    if cell_len(line) <= width:
        return [line]
    return [f"{heading}:", *(f"  drs-waves {_line(name, args)}" for name, args in commands)]


def _line(name: str, args: tuple[str, ...]) -> str:
    return " ".join((name, *args))


def _without_repeated(name: str, args: tuple[str, ...], first_args: tuple[str, ...]) -> str:
    """A further command, without the arguments that the first one has."""
    return name if first_args[: len(args)] == args else _line(name, args[1:] or args)
