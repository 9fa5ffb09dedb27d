"""The commands of `drs-waves` that send operators' messages."""

from recovery.execution.open_decision import DecisionKind
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import PendingDecision


def deciding_commands(plan_id: str, pending: PendingDecision) -> list[str]:
    """The commands that make a decision; for each launch in doubt, commands of its own."""
    wave = pending.wave
    if wave is None:
        commands = [command(name, plan_id) for name in pending.messages]
        if pending.kind is DecisionKind.RECOVERY_APPROVAL:
            commands[0] += " [--refuse] --break-glass REASON --key FILE"
        return commands
    match pending.kind:
        case DecisionKind.LAUNCH:
            jobs = {MessageName.ADOPT_JOB: ("JOB_ID",)}
            return [
                command(name, plan_id, wave.wave_id, *jobs.get(name, ()), "--launch", launch)
                for launch in wave.launches_in_doubt
                for name in pending.messages
            ]
        case _:
            commands = [command(name, plan_id, wave.wave_id) for name in pending.messages]
            skip = MessageName.SKIP_WAVE
            commands += [command(skip, plan_id, each.wave_id) for each in pending.skippable[:3]]
            if pending.kind is DecisionKind.APPROVAL:
                commands[0] += " [--refuse]"
            return commands


def command(name: MessageName, *args: str) -> str:
    """The command that sends a message with these arguments."""
    return " ".join(("drs-waves", name.replace("_", "-"), *args))
