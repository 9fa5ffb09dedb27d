"""What operators did to an execution, and its clean-up, as lines."""

from collections.abc import Sequence

from cli.render.output import tell
from client.takeover import PreviousExecution
from recovery.execution.cleanup_state import CleanupState, LaunchedInstance
from recovery.execution.state import ExecutionState, MessageRecord
from recovery.execution.wave import OperatorAct
from recovery.text_format import count, moment, visible


def operator_lines(state: ExecutionState) -> list[str]:
    """The messages, the decisions in force and the clean-up of an execution."""
    lines: list[str] = []
    if state.messages:
        lines += ["", "Messages"]
        for message in state.messages:
            lines += message_lines(message)
    if decisions := _decisions(state):
        lines += ["", "Decisions", *decisions]
    if state.cleanup is not None:
        lines += ["", *cleanup_lines(state.cleanup)]
    return [visible(line) for line in lines]


def message_lines(message: MessageRecord) -> list[str]:
    """A message: when, what and who; then its reason and its effect."""
    about = f" {message.wave_id}" if message.wave_id else ""
    who = message.actor if message.actor_verified else f"{message.actor} (unverified)"
    lines = [f"  {moment(message.time)}  {message.name}{about}  by {who}"]
    if message.reason:
        lines.append(f"    because: {message.reason}")
    lines.append(f"    {'effect' if message.accepted else 'REJECTED'}: {message.effect}")
    return lines


def cleanup_lines(cleanup: CleanupState) -> list[str]:
    """A clean-up: what is gone and what is left."""
    when = moment(cleanup.end_time or cleanup.start_time)
    lines = [f"Clean-up {cleanup.status} {when}, asked for by {cleanup.actor}"]
    if cleanup.status_reason:
        lines.append(f"  {cleanup.status_reason}")
    lines += _instances("terminated", cleanup.terminated)
    lines += _instances("LEFT", cleanup.leftovers)
    return [visible(line) for line in lines]


def _instances(word: str, instances: Sequence[LaunchedInstance]) -> list[str]:
    return [
        f"  {word}  {each.recovery_instance_id}  of {each.source_server_id}  {each.region}"
        + (f"  {each.reason}" if each.reason else "")
        for each in instances
    ]


def _decisions(state: ExecutionState) -> list[str]:
    lines = []
    for wave in state.waves:
        decided = {
            "skipped": wave.decisions.skipped_by,
            "accepted": wave.decisions.accepted_by,
            "approved": wave.decisions.approved_by,
            "refused": wave.decisions.refused_by,
        }
        lines += [
            f"  {wave.wave_name} {what} by {_act(act)}" for what, act in decided.items() if act
        ]
    return lines


def _act(act: OperatorAct) -> str:
    held = f", holds until {moment(act.expires)}" if act.expires is not None else ""
    return f"{act} ({moment(act.time)}{held})"


def takeover_line(state: ExecutionState) -> str:
    """What a new execution finds of an earlier one."""
    servers = [server for wave in state.waves for server in wave.servers]
    up = sum(wave.launched_count for wave in state.waves)
    return (
        f"Goes on from {state.execution_id} ({state.status}, {moment(state.start_time)}): "
        f"{up} of {count(len(servers), 'server')} recorded as launched; each is looked at again"
    )


def show_takeover(earlier: PreviousExecution) -> None:
    """Say what is taken over, and how the plan differs."""
    tell(takeover_line(earlier.state))
    if earlier.changes:
        tell("The plan was changed since:")
        for line in earlier.changes:
            tell(f"  {line}")
