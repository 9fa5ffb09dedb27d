"""The summary of an execution that has ended."""

from cli.render.steps import not_tested_lines
from contract.cleanup import own_servers
from recovery.execution.recovery_points import recovery_point_lines
from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.forecast.fast_mode import fast_lines
from recovery.launch_settings.isolation import isolation_lines
from recovery.plan.membership import membership_lines
from recovery.text_format import count, rounded_duration, visible

_MAX_SERVERS = 50


def summary(state: ExecutionState) -> list[str]:
    """Summarize an execution: outcome, failed servers, late waves, unverified servers."""
    lines = [_outcome(state), *_incomplete(state), *_failures(state)]
    for wave in state.waves:
        if wave.late:
            took = wave.completion_duration
            after = "unknown" if took is None else rounded_duration(took)
            lines.append(f"  {wave.wave_name} came up late: {after} after its launch")
    lines += [*_unverified(state), *not_tested_lines(state)]
    points = [*membership_lines(state.membership), *recovery_point_lines(state)]
    lines += [f"  {line}" for line in (*isolation_lines(state), *fast_lines(state), *points)]
    return [visible(line) for line in lines]


def _outcome(state: ExecutionState) -> str:
    took = ""
    if state.end_time is not None:
        took = f" after {rounded_duration(state.end_time - state.start_time)}"
    reason = f": {state.status_reason}" if state.status_reason else ""
    return f"{state.execution_type} of {state.plan_name} {state.status}{took}{reason}"


def _incomplete(state: ExecutionState) -> list[str]:
    """The settled waves that are not COMPLETED, each with its reason."""
    lines = []
    for wave in state.waves:
        if wave.status.is_settled and wave.status is not WaveStatus.COMPLETED:
            # The failed servers are listed one by one; the reason would repeat them.
            failed = any(s.launch_status is LaunchStatus.FAILED for s in wave.servers)
            reason = "" if failed else f": {wave.status_reason}"
            lines.append(f"  {wave.wave_name} {wave.status}{reason}")
            if failed:
                steps = [s for s in wave.steps if s.fails_wave or s.makes_partial]
                lines += [
                    f"  {wave.wave_name}: step {s.step_id} {s.status}: {s.reason}".rstrip(": ")
                    for s in steps
                ]
    return lines


def _failures(state: ExecutionState) -> list[str]:
    failed = [
        f"  {wave.wave_name}: {wave.server_label(server.source_server_id)} {server.launch_status}: "
        f"{server.reason or 'DRS gives no reason'}"
        for wave in state.waves
        for server in wave.servers
        if server.has_failed
    ]
    more = len(failed) - _MAX_SERVERS
    return failed[:_MAX_SERVERS] + ([f"  and {more} more failed servers"] if more > 0 else [])


def _unverified(state: ExecutionState) -> list[str]:
    servers = [
        (wave, server)
        for wave in state.waves
        for server in wave.servers
        if server.launch_status is LaunchStatus.LAUNCHED
        and (server.verified is not Verified.YES or server.is_unverified)
    ]
    if not servers:
        return []
    lines = [f"  {count(len(servers), 'server')} launched but not verified; check the instances:"]
    for wave, server in servers[:_MAX_SERVERS]:
        instance = server.recovery_instance_id or "instance not known"
        reason = f": {server.reason}" if server.reason else ""
        label = wave.server_label(server.source_server_id)
        lines.append(f"    {wave.wave_name}: {label} ({instance}){reason}")
    return lines


def next_steps(state: ExecutionState) -> list[str]:
    """Name the commands that make sense after the end, the harmless ones first."""
    commands = {"Details:": f"drs-waves history {state.execution_id}"}
    servers = sum(len(wave.servers) for wave in state.waves)
    up = sum(wave.launched_count for wave in state.waves)
    recorded = sum(wave.recorded_count for wave in state.waves)
    if up < servers:
        kept = f"Keep the {up} up" if up or not recorded else f"Check the {recorded} recorded as up"
        if up and recorded:
            kept += f", check the {recorded} recorded as up"
        rest = servers - up - recorded
        what = f"{kept}, launch the other {rest}:" if rest else f"{kept}:"
        commands[what] = state.continue_command
    own = sum(s.launch_status is LaunchStatus.LAUNCHED for s in own_servers(state.waves))
    if own and state.execution_type is ExecutionType.DRILL:
        clean_up = f"drs-waves cleanup {state.execution_id}"
        commands[f"Terminate the {count(own, 'instance')} of this drill:"] = clean_up
    # On a line of its own, a command is seldom wrapped.
    lines = [line for what, command in commands.items() for line in (what, f"  {command}")]
    if state.status is not PlanStatus.COMPLETED and any(
        wave.status in (WaveStatus.TIMED_OUT, WaveStatus.CANCELLED) and wave.open_job_ids
        for wave in state.waves
    ):
        lines.append("DRS jobs that still run are observed and recorded for up to 24 hours.")
    return lines
