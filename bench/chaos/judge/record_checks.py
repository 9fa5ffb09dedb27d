"""Checks of the recorded waves and servers against the ledger."""

from collections.abc import Iterable, Iterator

from bench.chaos.judge.drill_record import LAUNCHED, DrillRecord, Launch
from bench.chaos.judge.step_checks import expected_by_steps
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.fields import Impact

# Timestamps of the job log have microseconds; the rest is rounding.
_TOLERANCE_SECONDS = 0.005


def check_waves(drill: DrillRecord) -> Iterator[str]:
    """The recorded status of a wave follows from the launches of its servers."""
    for wave in drill.state.waves:
        launches = drill.last_launches_of(wave.wave_id)
        if not wave.status.is_settled:
            yield f"{wave.wave_id} is still {wave.status}"
        elif wave.status is WaveStatus.SKIPPED and launches and wave.attempt == 0:
            yield f"{wave.wave_id} is SKIPPED but {launches[0].job_id} launched it"
        elif wave.status in (WaveStatus.COMPLETED, WaveStatus.PARTIAL, WaveStatus.FAILED):
            yield from _check_status(drill, wave)


def _check_status(drill: DrillRecord, wave: WaveState) -> Iterator[str]:
    servers = drill.plan.wave(wave.wave_id).servers
    down = [server for server in servers if not _is_up(drill, server.source_server_id)]
    expected = WaveStatus.COMPLETED
    if down:
        critical = any(server.impact is Impact.CRITICAL for server in down)
        expected = WaveStatus.FAILED if critical else WaveStatus.PARTIAL
    by_steps = expected_by_steps(wave)
    if WaveStatus.FAILED in (expected, by_steps):
        expected = WaveStatus.FAILED
    elif by_steps is WaveStatus.PARTIAL:
        expected = WaveStatus.PARTIAL
    if wave.status is not expected:
        ids = ", ".join(server.source_server_id for server in down)
        reason = f"not up: {ids}" if down else "every server is up"
        yield f"{wave.wave_id} is recorded {wave.status}, but it is {expected} ({reason})"


def _is_up(drill: DrillRecord, server_id: str) -> bool:
    last = drill.plan_ledger.last_of(server_id)
    if last is None or last.outcome != LAUNCHED:
        return False
    return last.instance_id in drill.plan_ledger.instances_up.get(server_id, [])


def check_servers(drill: DrillRecord) -> Iterator[str]:
    """The record of each server agrees with its last job."""
    for wave in drill.state.waves:
        for server in wave.servers:
            last = drill.plan_ledger.last_of(server.source_server_id)
            if last is not None and _was_cancelled_before(wave, server, last):
                continue
            if last is not None and _is_of_earlier(drill, wave, server, last):
                continue
            yield from _check_server(server, last)


def _was_cancelled_before(wave: WaveState, server: ServerResult, last: Launch) -> bool:
    """Whether the wave's last attempt was cancelled before it launched the server."""
    cancelled = wave.status is WaveStatus.CANCELLED and last.attempt < wave.attempt
    unlaunched = server.recovery_job_id is None and server.launch_status is LaunchStatus.PENDING
    return cancelled and unlaunched


def _is_of_earlier(drill: DrillRecord, wave: WaveState, server: ServerResult, last: Launch) -> bool:
    """Whether an earlier execution launched a server that this one did not take over, or watch."""
    is_earlier = last.execution_id != drill.state.execution_id
    is_claimed = server.launch_status is LaunchStatus.LAUNCHED
    if wave.attempt == 0:
        return is_earlier and not is_claimed
    # What had failed is not taken over.
    return is_earlier and server.recovery_job_id is None and last.outcome != LAUNCHED


def _check_server(server: ServerResult, last: Launch | None) -> Iterator[str]:
    name, status = server.source_server_id, server.launch_status
    if last is None:
        if server.recovery_job_id or status is LaunchStatus.LAUNCHED:
            yield f"{name} is recorded {status}, but AWS never launched it"
    elif server.recovery_job_id != last.job_id:
        yield f"{name} is recorded with job {server.recovery_job_id}, its last is {last.job_id}"
    elif status != last.outcome:
        yield f"{name} is recorded {status}, but {last.job_id} left it {last.outcome}"
    elif last.outcome == LAUNCHED and server.recovery_instance_id != last.instance_id:
        yield (
            f"{name} is recorded with instance {server.recovery_instance_id}, "
            f"but {last.job_id} launched {last.instance_id}"
        )


def check_times(drill: DrillRecord) -> Iterator[str]:
    """Recorded times agree with the ledger."""
    for wave in drill.state.waves:
        launches = drill.last_launches_of(wave.wave_id)
        last = {launch.server_id: launch for launch in launches}
        for server in wave.servers:
            yield from _check_server_time(server, last.get(server.source_server_id))
        yield from _check_start(drill, wave, launches)
        yield from _check_end(wave, last.values())


def _check_start(drill: DrillRecord, wave: WaveState, launches: list[Launch]) -> Iterator[str]:
    started, is_first = wave.start_time, wave.attempt <= 1 and not drill.earlier
    first = min((x.created for x in launches if x.attempt == wave.attempt), default=None)
    if first is None:
        return
    if started is None:
        yield f"{wave.wave_id} has no StartTime, but was launched at {first:.3f}"
    # One that first watches an earlier job has a StartTime before its launch.
    elif not _same(started, first) and (is_first or started > first):
        yield f"{wave.wave_id} has StartTime {started:.3f}, launched at {first:.3f}"


def _check_end(wave: WaveState, last_launches: Iterable[Launch]) -> Iterator[str]:
    if wave.status not in (WaveStatus.COMPLETED, WaveStatus.PARTIAL) or wave.end_time is None:
        return
    end = max((x.ended for x in last_launches if x.ended), default=wave.end_time)
    if wave.end_time < end - _TOLERANCE_SECONDS:
        yield f"{wave.wave_id} has EndTime {wave.end_time:.3f}, its last server ended at {end:.3f}"


def _check_server_time(server: ServerResult, last: Launch | None) -> Iterator[str]:
    if last is None or last.ended is None or last.job_id != server.recovery_job_id:
        return
    if server.launch_status is not LaunchStatus.LAUNCHED or server.end_time is None:
        return
    if not _same(server.end_time, last.ended):
        yield (
            f"{server.source_server_id} is recorded up at {server.end_time:.3f}, but was "
            f"launched at {last.ended:.3f}"
        )


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE_SECONDS
