"""Checks of the recorded waves and servers against the ledger."""

from bench.chaos.drill_record import LAUNCHED, DrillRecord, Launch, PlanLedger
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.model import Impact

# Timestamps of the job log have microseconds; the rest is rounding.
_TOLERANCE_SECONDS = 0.005


def check_waves(drill: DrillRecord) -> list[str]:
    """The recorded status of a wave follows from the launches of its servers."""
    found = []
    for wave in drill.state.waves:
        launches = drill.plan_ledger.of_wave(wave.wave_id)
        if not wave.status.is_settled:
            found.append(f"{wave.wave_id} is still {wave.status}")
        elif wave.status is WaveStatus.SKIPPED and launches and wave.attempt == 0:
            found.append(f"{wave.wave_id} is SKIPPED but {launches[0].job_id} launched it")
        elif wave.status in (WaveStatus.COMPLETED, WaveStatus.PARTIAL, WaveStatus.FAILED):
            found += _check_status(drill, wave)
    return found


def _check_status(drill: DrillRecord, wave: WaveState) -> list[str]:
    planned = drill.plan.wave(wave.wave_id)
    down = [
        server.source_server_id
        for server in planned.servers
        if not _is_up(drill.plan_ledger, server.source_server_id)
    ]
    critical = [
        s.source_server_id
        for s in planned.servers
        if s.impact is Impact.CRITICAL and s.source_server_id in down
    ]
    expected = WaveStatus.COMPLETED
    if down:
        expected = WaveStatus.FAILED if critical else WaveStatus.PARTIAL
    if wave.status is expected:
        return []
    reason = f"not up: {', '.join(down)}" if down else "every server is up"
    return [f"{wave.wave_id} is recorded {wave.status}, but it is {expected} ({reason})"]


def _is_up(plan_ledger: PlanLedger, server_id: str) -> bool:
    launches = plan_ledger.of_server(server_id)
    if not launches or launches[-1].outcome != LAUNCHED:
        return False
    return launches[-1].instance_id in plan_ledger.instances_up.get(server_id, [])


def check_servers(drill: DrillRecord) -> list[str]:
    """The record of each server agrees with its last job."""
    found = []
    for wave in drill.state.waves:
        for server in wave.servers:
            launches = drill.plan_ledger.of_server(server.source_server_id)
            found += _check_server(server, launches[-1] if launches else None)
    return found


def _check_server(server: ServerResult, last: Launch | None) -> list[str]:
    name = server.source_server_id
    if last is None:
        if server.recovery_job_id or server.launch_status is LaunchStatus.LAUNCHED:
            return [f"{name} is recorded {server.launch_status}, but AWS never launched it"]
        return []
    if server.recovery_job_id != last.job_id:
        return [f"{name} is recorded with job {server.recovery_job_id}, its last is {last.job_id}"]
    if server.launch_status != last.outcome:
        return [
            f"{name} is recorded {server.launch_status}, but {last.job_id} left it {last.outcome}"
        ]
    if last.outcome == LAUNCHED and server.recovery_instance_id != last.instance_id:
        return [
            f"{name} is recorded with instance {server.recovery_instance_id}, "
            f"but {last.job_id} launched {last.instance_id}"
        ]
    return []


def check_times(drill: DrillRecord) -> list[str]:
    """Recorded times agree with the ledger."""
    found = []
    for wave in drill.state.waves:
        launches = drill.plan_ledger.of_wave(wave.wave_id)
        for server in wave.servers:
            found += _check_server_time(server, launches)
        first = min((x.created for x in launches if x.attempt == wave.attempt), default=None)
        started = wave.start_time
        # A retry that first watches an earlier job has a StartTime before its launch.
        is_retry = wave.attempt > 1 or first is None
        if started is None or first is None:
            if first is not None:
                found.append(f"{wave.wave_id} has no StartTime, but was launched at {first:.3f}")
        elif not _same(started, first) and (not is_retry or started > first):
            found.append(f"{wave.wave_id} has StartTime {started:.3f}, launched at {first:.3f}")
        if wave.status in (WaveStatus.COMPLETED, WaveStatus.PARTIAL) and wave.end_time is not None:
            ends = [x.ended for s in wave.servers if (x := _last(launches, s)) and x.ended]
            if ends and wave.end_time < max(ends) - _TOLERANCE_SECONDS:
                found.append(
                    f"{wave.wave_id} has EndTime {wave.end_time:.3f}, its last server ended at "
                    f"{max(ends):.3f}"
                )
    return found


def _check_server_time(server: ServerResult, launches: list[Launch]) -> list[str]:
    last = _last(launches, server)
    if last is None or last.ended is None or last.job_id != server.recovery_job_id:
        return []
    if server.launch_status is not LaunchStatus.LAUNCHED or server.end_time is None:
        return []
    if _same(server.end_time, last.ended):
        return []
    return [
        f"{server.source_server_id} is recorded up at {server.end_time:.3f}, but was launched at "
        f"{last.ended:.3f}"
    ]


def _last(launches: list[Launch], server: ServerResult) -> Launch | None:
    own = [launch for launch in launches if launch.server_id == server.source_server_id]
    return own[-1] if own else None


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE_SECONDS
