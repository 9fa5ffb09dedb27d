"""What changed between two looks at an execution, one line a change."""

from recovery.execution.judge import failures_named
from recovery.execution.progress import detail, progress
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus


def changes(before: ExecutionState | None, after: ExecutionState) -> list[str]:
    """Say what changed, a line a wave or server, without time stamps.

    Args:
        before: the execution as it was last told; None if nothing was told yet.
        after: the execution as it is.
    """
    lines = []
    if before is None:
        lines.append(
            f"{after.plan_name}: {after.execution_type} {after.execution_id}, "
            f"started by {after.started_by}"
        )
    told = before.warnings if before else []
    lines += [f"warning: {each}" for each in after.warnings if each not in told]
    known = {wave.wave_id: wave for wave in before.waves} if before else {}
    for wave in after.waves:
        lines += _wave_changes(known.get(wave.wave_id), wave)
    ended = after.end_time is not None
    if ended and (before is None or before.end_time is None):
        lines.append(f"{after.plan_name}: {after.status} {after.status_reason}".rstrip())
    return lines


def _wave_changes(before: WaveState | None, wave: WaveState) -> list[str]:
    lines = []
    if before is None or _told(before) != _told(wave):
        lines.append(f"{wave.wave_name}: {' '.join(_told(wave))}".rstrip())
    known = {s.source_server_id: s for s in before.servers} if before else {}
    named = _named_in_reason(wave)
    for server in wave.servers:
        was = known.get(server.source_server_id)
        failed = server.launch_status is LaunchStatus.FAILED
        if server.source_server_id in named:
            continue
        if failed and (was is None or _failure(was) != _failure(server)):
            lines.append(f"{wave.wave_name}: {server.source_server_id} {_failure(server)}")
    return lines


def _told(wave: WaveState) -> tuple[str, ...]:
    if wave.start_time is None:
        return wave.status, wave.status_reason
    reason = detail(wave)
    return wave.status, f"{progress(wave)}; {reason}" if reason else progress(wave)


def _named_in_reason(wave: WaveState) -> set[str]:
    """The failed servers that the wave's own line names: those of its verdict, where it has one."""
    judged = wave.status in (WaveStatus.FAILED, WaveStatus.PARTIAL) and wave.cause is None
    return {s.source_server_id for s in failures_named(wave.servers)} if judged else set()


def _failure(server: ServerResult) -> str:
    return f"{server.launch_status}: {server.reason or 'DRS gives no reason'}"
