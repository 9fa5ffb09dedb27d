"""The waves of a report: when each ran, what it waited for, its servers and its steps."""

from collections.abc import Mapping

from recovery.execution.progress import attempt_text
from recovery.execution.recovery_points import recovery_point_text
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.report.model import ReportedServer, ReportedStep, ReportedWave
from recovery.steps.progress import step_notes
from recovery.steps.state import StepState
from recovery.text_format import listed, rounded_duration

# A shorter time between the end of its dependencies and DRS's acceptance is no wait.
_NOTABLE_SECONDS = 60.0


def reported_waves(state: ExecutionState) -> list[ReportedWave]:
    """All waves, in the order in which they began; those that did not begin come last."""
    known = {wave.wave_id: wave for wave in state.waves}
    waves = [_reported(state, wave, known) for wave in state.waves]
    return sorted(waves, key=lambda w: (w.start_time is None, w.start_time or 0.0))


def _reported(
    state: ExecutionState, wave: WaveState, known: Mapping[str, WaveState]
) -> ReportedWave:
    before = [known[each] for each in wave.depends_on if each in known]
    ends = [each.end_time for each in before]
    # Of waves that never ran, nobody knows since when this one was ready.
    ready = max((e for e in ends if e is not None), default=state.start_time) if all(ends) else None
    start = wave.first_start_time
    return ReportedWave(
        wave_id=wave.wave_id,
        wave_name=wave.wave_name,
        status=wave.status,
        status_reason=wave.status_reason,
        late=wave.late,
        account_id=wave.account_id,
        region=wave.region,
        waited_for=[each.wave_name for each in before],
        ready_time=ready,
        start_time=start,
        launch_end_time=wave.launch_end_time,
        end_time=wave.end_time,
        seconds=wave.total_duration,
        launched=wave.launched_count,
        waits=_waits(wave, [each.wave_name for each in before], ready, state),
        attempts=[attempt_text(each) for each in wave.attempts] if wave.past_attempts else [],
        servers=[_server(state, wave, server) for server in wave.servers],
        steps=[_step(step) for step in wave.steps],
    )


def _waits(
    wave: WaveState, before: list[str], ready: float | None, state: ExecutionState
) -> list[str]:
    start, waits = wave.first_start_time, []
    if before:
        after = "" if ready is None else f", {rounded_duration(ready - state.start_time)}"
        waits.append(f"for {listed(before, shown=5)}{after}")
    if start is None or ready is None:
        return waits
    approval = wave.decisions.approved_by
    if approval is not None and ready < approval.time <= start:
        waits.append(
            f"for the approval of {approval.actor}, {rounded_duration(approval.time - ready)}"
        )
        ready = approval.time
    if start - ready > _NOTABLE_SECONDS / state.speed:
        took = rounded_duration(start - ready)
        waits.append(f"to begin, {took} (steps before it, quota, other jobs, a pause)")
    return waits


def _server(state: ExecutionState, wave: WaveState, server: ServerResult) -> ReportedServer:
    is_up = server.launch_status is LaunchStatus.LAUNCHED
    return ReportedServer(
        source_server_id=server.source_server_id,
        name=wave.server_names.get(server.source_server_id),
        impact=server.impact,
        launch_status=server.launch_status,
        verified=server.verified,
        post_launch=server.post_launch,
        recovery_instance_id=server.recovery_instance_id,
        recovery_job_id=server.recovery_job_id,
        taken_over=server.taken_over,
        launch_time=server.launch_time,
        end_time=server.end_time,
        recovery_point=server.recovery_point if is_up else None,
        recovery_point_text=recovery_point_text(state, server),
        network=server.network.text if server.network is not None else "",
        reason=server.reason or "",
    )


def _step(step: StepState) -> ReportedStep:
    return ReportedStep(
        step_id=step.step_id,
        kind=step.kind,
        phase=step.phase,
        impact=step.impact,
        status=step.status,
        result=step.result,
        is_overridden=step.is_overridden,
        notes=step_notes(step),
        attempt=step.attempt,
        start_time=step.start_time,
        end_time=step.end_time,
        decided_by=step.actor,
        decision=step.decision,
        link=step.link,
    )
