"""The keys and the commands for what an operator can do about an execution now."""

from rich.cells import cell_len

from cli.render.cells import fit
from recovery.execution.state import ExecutionState
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import (
    DecisionKind,
    PendingDecision,
    pending_decisions,
    time_to_decide,
)

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
_MAX_HINTS = 4

# The words of a command, after `drs-waves`.
Command = tuple[str, ...]


def hints(state: ExecutionState, *, now: float, width: int) -> list[str]:
    """List the exact commands for what waits for an operator, most urgent first.

    A command is never cut: one that does not fit beside its wave is on a line of its own.
    `now` is in epoch seconds.
    """
    pending = pending_decisions(state)
    hint_lines = [
        _hint(_heading(state, each, now=now), commands, width)
        for each in pending
        for commands in _commands(state.plan_id, each)
        if commands
    ]
    more = len(hint_lines) - _MAX_HINTS
    if more > 0:
        rest = f"and {more + 1} more waves wait for an operator"
        hint_lines = [*hint_lines[: _MAX_HINTS - 1], [rest]]
    return [line for lines in hint_lines for line in lines]


def _heading(state: ExecutionState, pending: PendingDecision, *, now: float) -> str:
    if pending.wave is None:
        return "PAUSED"
    name = fit(pending.wave.wave_name, 16)
    match pending.kind:
        case DecisionKind.APPROVAL:
            return f"{name} waits for approval"
        case DecisionKind.LAUNCH:
            return f"{name} in doubt"
        case DecisionKind.LASTING_ERROR:
            return f"{name} waits until you remove the cause of its error; or"
        case _:
            accepted = pending.wave.decisions.accepted_by is not None
            status = "accepted" if accepted else str(pending.wave.status)
            left = time_to_decide(state, pending.wave, now=now)
            return f"{name} {status}, {left}" if left else f"{name} {status}"


def _commands(plan_id: str, pending: PendingDecision) -> list[list[Command]]:
    """The commands that decide it; for launches in doubt, a list of commands a launch."""
    wave = pending.wave
    if wave is None:
        return [[_command(name, plan_id) for name in pending.messages]]
    match pending.kind:
        case DecisionKind.APPROVAL:
            return [[_command(MessageName.APPROVE_WAVE, plan_id, wave.wave_id, "[--refuse]")]]
        case DecisionKind.LAUNCH:
            launches = wave.launches_in_doubt
            options = [("--launch", each) for each in launches] if len(launches) > 1 else [()]
            jobs = {MessageName.ADOPT_JOB: ("JOB",)}
            return [
                [
                    _command(name, plan_id, wave.wave_id, *jobs.get(name, ()), *option)
                    for name in pending.messages
                ]
                for option in options
            ]
        case _:
            commands = [_command(name, plan_id, wave.wave_id) for name in pending.messages]
            skippable = pending.skippable[:1]
            skip = MessageName.SKIP_WAVE
            return [commands + [_command(skip, plan_id, each.wave_id) for each in skippable]]


def _command(name: MessageName, *args: str) -> Command:
    return (name.replace("_", "-"), *args)


def _hint(heading: str, commands: list[Command], width: int) -> list[str]:
    """Join what waits and its commands: in one line if it fits."""
    first, *others = commands
    short = [" ".join(first), *(_without_repeated(each, first) for each in others)]
    line = f"{heading}: drs-waves {' · '.join(short)}"
    if cell_len(line) <= width:
        return [line]
    return [f"{heading}:", *(f"  drs-waves {' '.join(each)}" for each in commands)]


def _without_repeated(command: Command, first: Command) -> str:
    """A further command, without the arguments that the first one has."""
    name, *args = command
    if args == list(first[1 : len(command)]):
        return name
    return " ".join((name, *(args[1:] or args)))
