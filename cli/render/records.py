"""Lines about an execution's operator messages, decisions, clean-up, takeover and tables."""

from collections.abc import Mapping

from cli.render.output import notice, warn
from client.takeover import PreviousExecution
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import SENDERS_NOT_VERIFIED, ExecutionState, MessageRecord
from recovery.report.decisions import decisions_of
from recovery.text_format import count, timestamp
from runtime.exit import ExitCode
from storage.table_check import TableCheck


def operator_lines(state: ExecutionState) -> list[str]:
    """List the messages, the active decisions and the clean-up of an execution."""
    lines: list[str] = []
    if state.messages:
        are_verified = state.has_verified_sender
        lines += ["", "Messages" if are_verified else f"Messages ({SENDERS_NOT_VERIFIED})"]
        names = {wave.wave_id: wave.wave_name for wave in state.waves}
        for message in state.messages:
            lines += _message_lines(message, state.sender_of(message), names)
    if decisions := _decisions(state):
        lines += ["", "Decisions", *decisions]
    if networks := _network_lines(state):
        lines += ["", "Isolation", *networks]
    if state.cleanup is not None:
        lines += ["", *cleanup_lines(state.cleanup, state)]
    return lines


def _network_lines(state: ExecutionState) -> list[str]:
    """Say of each server that concerns an isolated drill where it is, and its template."""
    servers = [server for wave in state.waves for server in wave.servers]
    return [
        f"  {state.server_label(each.source_server_id)}  {each.network.text}"
        for each in servers
        if each.network is not None and each.network.text
    ]


def _message_lines(message: MessageRecord, sender: str, names: Mapping[str, str]) -> list[str]:
    """Describe a message: time, name, wave and sender, then its reason and its effect."""
    wave_id = message.wave_id or ""
    name = names.get(wave_id, wave_id)
    wave = f" {name}" if name == wave_id else f" {name} ({wave_id})"
    step = f", step {message.step_id}" if message.step_id else ""
    lines = [f"  {timestamp(message.time)}  {message.name}{wave.rstrip()}{step}  by {sender}"]
    if message.reason:
        lines.append(f"    because: {message.reason}")
    lines.append(f"    {'effect' if message.accepted else 'REJECTED'}: {message.outcome}")
    return lines


def cleanup_lines(cleanup: CleanupState, state: ExecutionState) -> list[str]:
    """Describe a clean-up: the instances that it terminated and those that are left."""
    when = timestamp(cleanup.end_time or cleanup.start_time)
    lines = [f"Clean-up {cleanup.status} {when}, requested by {cleanup.actor}"]
    if cleanup.status_reason:
        lines.append(f"  {cleanup.status_reason}")
    for outcome, instances in (("terminated", cleanup.terminated), ("LEFT", cleanup.leftovers)):
        for each in instances:
            label = state.server_label(each.source_server_id)
            server = f"of {label}  {each.region}  {each.reason or ''}"
            lines.append(f"  {outcome}  {each.recovery_instance_id}  {server}".rstrip())
    lines += [f"  DIFFERS  {each}" for each in cleanup.differences]
    lines += [f"  applied  {each}" for each in cleanup.applied]
    return lines + revert_lines(state)


def revert_lines(state: ExecutionState) -> list[str]:
    """Say what steps changed and was not put back, which no clean-up does, and the commands."""
    steps = state.steps_to_put_back
    if not steps:
        return []
    changes = count(len(steps), "change")
    stay = "stays" if len(steps) == 1 else "stay"
    title = f"{changes} of DNS or routing controls {stay}; to put back what was there before:"
    return [title, *(f"  drs-waves revert {state.execution_id} {step}" for step in steps)]


def _decisions(state: ExecutionState) -> list[str]:
    lines = [f"  {state.approvals_text}"] if state.approvals_text else []
    for each in decisions_of(state):
        when = "" if each.time is None else timestamp(each.time)
        expiry = f", valid until {timestamp(each.expires)}" if each.expires else ""
        lines.append(f"  {each.sentence} ({when}{expiry})")
    return lines


def print_takeover(previous: PreviousExecution) -> None:
    """Print what is taken over, and how the plan differs."""
    state = previous.state
    if previous.named not in ("", state.execution_id):
        notice(
            f"{previous.named} launched nothing; the execution before it is {state.execution_id}"
        )
    servers = sum(len(wave.servers) for wave in state.waves)
    launched = len(state.servers_up)
    notice(
        f"Continues {state.execution_id} ({state.status}, {timestamp(state.start_time)}): "
        f"{launched} of {count(servers, 'server')} recorded as up; each is checked again"
    )
    if previous.changes:
        notice("Changes of the plan since then:", *(f"  {line}" for line in previous.changes))


def print_table_check(check: TableCheck) -> ExitCode:
    """Print how a table differs from the one that it should be, and return the exit code."""
    for warning in check.warnings:
        warn(warning)
    if check.unfit is None:
        return ExitCode.COMPLETED
    notice(f"error: {check.unfit}", style="red")
    return ExitCode.BAD_INPUT
