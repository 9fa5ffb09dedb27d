"""What an execution took and recovered to, against its objectives."""

from collections.abc import Iterable

from recovery.execution.recovery_points import AchievedPoints, recovery_point_lines
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveState
from recovery.report.declaration import measured_from
from recovery.report.model import MeasuredRpo, MeasuredRto, MeasuredTime, ReportRecord, RtoOutcome
from recovery.text_format import rounded_duration

_MINUTE_SECONDS = 60.0
_ENDED_UP = (PlanStatus.COMPLETED, PlanStatus.PARTIAL)


def measured_rto(record: ReportRecord, *, given: float | None, now: float) -> MeasuredRto:
    """The recovery time of an execution.

    Args:
        record: what is recorded.
        given: a declaration for this report only (epoch seconds); None: the recorded one.
        now: epoch seconds.
    """
    state, rto = record.state, record.plan.rto
    since, kind = measured_from(state.start_time, state.declared_time, record.declarations, given)

    def measured(end: float | None) -> MeasuredTime | None:
        if end is None:
            return None
        seconds = round(max(0.0, end - since), 3)
        real_seconds = round(seconds * state.speed, 3)
        return MeasuredTime(end_time=end, seconds=seconds, real_seconds=real_seconds)

    is_up = state.is_over and state.status in _ENDED_UP
    complete = measured(_last_end(state.waves)) if is_up else None
    so_far = measured(now)
    rto_seconds = None if rto is None else rto * _MINUTE_SECONDS
    outcome = _outcome(state, complete, so_far, rto_seconds)
    return MeasuredRto(
        since=since,
        measured_from=kind,
        launched=measured(last_launch(state)),
        complete=complete,
        rto_seconds=rto_seconds,
        outcome=outcome,
        text=_text(state, complete, rto_seconds, outcome),
        declarations=record.declarations,
    )


def last_launch(state: ExecutionState) -> float | None:
    """When the last server was launched, as far as known (epoch seconds)."""
    servers = (server for wave in state.waves for server in wave.servers)
    ends = (s.end_time for s in servers if s.launch_status is LaunchStatus.LAUNCHED)
    return max((end for end in ends if end is not None), default=None)


def _last_end(waves: Iterable[WaveState]) -> float | None:
    return max((w.end_time for w in waves if w.end_time is not None), default=None)


def _outcome(
    state: ExecutionState,
    complete: MeasuredTime | None,
    so_far: MeasuredTime | None,
    rto_seconds: float | None,
) -> RtoOutcome:
    if rto_seconds is None:
        return RtoOutcome.NO_OBJECTIVE
    if complete is not None:
        if complete.real_seconds > rto_seconds:
            return RtoOutcome.MISSED
        is_all = state.status is PlanStatus.COMPLETED
        return RtoOutcome.MET if is_all else RtoOutcome.PARTLY
    if state.is_over:
        return RtoOutcome.NOT_REACHED
    is_late = so_far is not None and so_far.real_seconds > rto_seconds
    return RtoOutcome.MISSED if is_late else RtoOutcome.OPEN


def _text(
    state: ExecutionState,
    complete: MeasuredTime | None,
    rto_seconds: float | None,
    outcome: RtoOutcome,
) -> str:
    took = "" if complete is None else f"recovered in {rounded_duration(complete.real_seconds)}"
    if rto_seconds is None:
        return f"{took}; the plan has no RTO" if took else "the plan has no RTO"
    rto = f"RTO {rounded_duration(rto_seconds)}"
    over = complete.real_seconds - rto_seconds if complete is not None else 0.0
    return {
        RtoOutcome.MET: f"{rto} met: {took}",
        RtoOutcome.PARTLY: f"{took}, within the {rto}, but not everything of the plan is up",
        RtoOutcome.MISSED: f"{rto} missed: {took}, {rounded_duration(over)} more"
        if took
        else f"{rto} missed: it still runs",
        RtoOutcome.NOT_REACHED: f"{rto} not reached: the plan ended {state.status}",
        RtoOutcome.OPEN: f"{rto}: it still runs",
    }[outcome]


def measured_rpo(state: ExecutionState) -> MeasuredRpo:
    """The recovery points of the servers that are up, against the RPO."""
    achieved = AchievedPoints.of(state)
    oldest = min(achieved.known.values(), default=None)
    return MeasuredRpo(
        rpo_seconds=None if state.rpo is None else state.rpo * _MINUTE_SECONDS,
        known=len(achieved.known),
        oldest=oldest,
        newest=max(achieved.known.values(), default=None),
        worst_seconds=None if oldest is None else round(max(0.0, state.start_time - oldest), 3),
        over_rpo=[state.server_label(each) for each in achieved.over_rpo],
        unknown=[state.server_label(each) for each in achieved.unknown],
        latest=[state.server_label(each) for each in achieved.latest],
        other=[state.server_label(each) for each in achieved.other],
        lines=recovery_point_lines(state),
    )
