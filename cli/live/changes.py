"""What changed between two looks at an execution, one line a change."""

from recovery.execution.progress import own_reason, progress
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState


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
    for server in wave.servers:
        was = known.get(server.source_server_id)
        failed = server.launch_status is LaunchStatus.FAILED
        if server.reason and f"{server.source_server_id}: {server.reason}" in wave.status_reason:
            continue
        if failed and (was is None or _failure(was) != _failure(server)):
            lines.append(f"{wave.wave_name}: {server.source_server_id} {_failure(server)}")
    return lines


def _told(wave: WaveState) -> tuple[str, ...]:
    if wave.start_time is None:
        return wave.status, wave.status_reason
    reason = own_reason(wave)
    return wave.status, f"{progress(wave)}; {reason}" if reason else progress(wave)


def _failure(server: ServerResult) -> str:
    return f"{server.launch_status}: {server.reason or 'DRS gives no reason'}"
