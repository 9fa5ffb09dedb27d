"""What changed between two states of an execution, one line a change."""

from recovery.execution.judge import named_failures
from recovery.execution.progress import detail, progress
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.launch_settings.isolation import isolation_lines
from recovery.operator.pending_decisions import acknowledged_text
from recovery.steps.progress import step_notes
from recovery.steps.state import StepState, StepStatus


def changes(before: ExecutionState | None, after: ExecutionState) -> list[str]:
    """Describe what changed since the last printed state, a line a wave or server."""
    lines = []
    if before is None:
        lines.append(
            f"{after.plan_name}: {after.execution_type} {after.execution_id}, "
            f"started by {after.started_by}"
        )
        lines += [f"{after.plan_name}: {each}" for each in isolation_lines(after)[:1]]
    printed = before.shown_warnings if before else []
    lines += [f"warning: {each}" for each in after.shown_warnings if each not in printed]
    previous = {wave.wave_id: wave for wave in before.waves} if before else {}
    for wave in after.waves:
        lines += _wave_changes(previous.get(wave.wave_id), wave)
    lines += _acknowledgements(before, after)
    ended = after.end_time is not None
    if ended and (before is None or before.end_time is None):
        lines.append(f"{after.plan_name}: {after.status} {after.status_reason}".rstrip())
    return lines


def _acknowledgements(before: ExecutionState | None, after: ExecutionState) -> list[str]:
    """Who said since then that they take care of an open decision, a line a decision."""
    earlier = {each.key: each.acknowledged_by for each in (before.open_decisions if before else [])}
    names = {wave.wave_id: wave.wave_name for wave in after.waves}
    return [
        f"{names.get(each.wave_id or '', after.plan_name)}: {acknowledged_text(by)}"
        for each in after.open_decisions
        if (by := each.acknowledged_by) is not None and by != earlier.get(each.key)
    ]


def _wave_changes(before: WaveState | None, wave: WaveState) -> list[str]:
    lines, steps = [], _step_changes(before, wave)
    if before is None or _status_and_detail(before) != _status_and_detail(wave):
        lines.append(f"{wave.wave_name}: {' '.join(_status_and_detail(wave))}".rstrip())
    # A wave ends after its last step.
    lines = steps + lines if wave.end_time is not None else lines + steps
    previous = {s.source_server_id: s for s in before.servers} if before else {}
    named = _named_in_reason(wave)
    for server in wave.servers:
        earlier = previous.get(server.source_server_id)
        failed = server.has_failed
        if server.source_server_id in named:
            continue
        if failed and (earlier is None or _failure_text(earlier) != _failure_text(server)):
            label = wave.server_label(server.source_server_id)
            lines.append(f"{wave.wave_name}: {label} {_failure_text(server)}")
    return lines


def _step_changes(before: WaveState | None, wave: WaveState) -> list[str]:
    """The steps that began, ended, or wait for an operator since then, a line a step."""
    previous = {s.step_id: _step_stage(s) for s in before.steps} if before else {}
    unchanged = [(StepStatus.PENDING, 0, False), (StepStatus.NOT_RUN, 0, False)]
    return [
        f"{wave.wave_name}: step {s.step_id} {s.status} {step_notes(s)}".rstrip()
        for s in wave.steps
        if _step_stage(s) != previous.get(s.step_id) and _step_stage(s) not in unchanged
    ]


def _step_stage(step: StepState) -> tuple[StepStatus, int, bool]:
    return step.status, step.attempt, step.awaits_operator


def _status_and_detail(wave: WaveState) -> tuple[str, ...]:
    is_of_steps = wave.steps_under_way and wave.launched_count == len(wave.servers)
    if wave.start_time is None:
        return wave.status, "" if is_of_steps else wave.status_reason
    reason = "" if is_of_steps else detail(wave)
    return wave.status, f"{progress(wave)}; {reason}" if reason else progress(wave)


def _named_in_reason(wave: WaveState) -> set[str]:
    """The failed servers that the wave's status reason names."""
    names_servers = wave.status in (WaveStatus.FAILED, WaveStatus.PARTIAL) and wave.cause is None
    return {s.source_server_id for s in named_failures(wave.servers)} if names_servers else set()


def _failure_text(server: ServerResult) -> str:
    return f"{server.launch_status}: {server.reason or 'DRS gives no reason'}"
