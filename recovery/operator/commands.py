"""The commands of `drs-waves` that send operators' messages."""

from recovery.execution.open_decision import DecisionKind
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import PendingDecision
from recovery.operator.step_rules import steps_about
from recovery.steps.state import StepState


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
            commands = [
                each
                for name in pending.messages
                for each in _commands(name, plan_id, wave, pending.step)
            ]
            skip = MessageName.SKIP_WAVE
            commands += [command(skip, plan_id, each.wave_id) for each in pending.skippable[:3]]
            if pending.kind is DecisionKind.APPROVAL:
                commands[0] += " [--refuse]"
            return commands


def _commands(
    name: MessageName, plan_id: str, wave: WaveState, asked: StepState | None
) -> list[str]:
    """The commands that send a message about a wave; about its steps, one for each."""
    if not name.is_about_a_step:
        return [command(name, plan_id, wave.wave_id)]
    steps = steps_about(wave, name) if asked is None else [asked]
    return [
        command(name, plan_id, wave.wave_id, step.step_id, *_outputs_of(step, name))
        for step in steps
    ]


def _outputs_of(step: StepState, name: MessageName) -> list[str]:
    """The options for what a manual step asks; those that may be left out are in brackets."""
    if step.manual is None or name is not MessageName.COMPLETE_STEP:
        return []
    options = [(f"--output {each.name}={each.type}", each) for each in step.manual.inputs]
    return [text if each.required else f"[{text}]" for text, each in options]


def command(name: MessageName, *args: str) -> str:
    """The command that sends a message with these arguments."""
    return " ".join(("drs-waves", name.command, *args))
