"""What a portfolio needs to know of a plan's execution."""

from collections.abc import Sequence

from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState
from recovery.forecast.remaining import remaining
from recovery.operator.pending_decisions import (
    asked_text,
    deadline_of,
    pending_decisions,
    waits_for_operator,
)
from recovery.portfolio.state import PlanReport
from recovery.text_format import shortened

_DECISIONS = 5
_DECISION_BYTES = 200


def report_of(state: ExecutionState, awaited: Sequence[str], *, now: float) -> PlanReport:
    """The report of an execution.

    Args:
        state: the execution.
        awaited: waves of which other plans wait.
        now: epoch seconds.
    """
    pending = pending_decisions(state)
    due = [deadline_of(state, each) for each in pending]
    texts = [
        f"{each.wave.wave_name if each.wave else 'the execution'} {asked_text(state, each)}"
        for each in pending
    ]
    servers = [server for wave in state.waves for server in wave.servers]
    wanted = set(awaited)
    return PlanReport(
        execution_id=state.execution_id,
        execution_type=state.execution_type,
        started_by=state.started_by,
        status=state.status,
        status_reason=shortened(state.status_reason, max_bytes=300),
        start_time=state.start_time,
        end_time=state.end_time,
        waves=len(state.waves),
        waves_up=sum(wave.status.satisfies for wave in state.waves),
        waves_failed=sum(wave.status.has_failed for wave in state.waves),
        servers=len(servers),
        servers_up=sum(s.launch_status is LaunchStatus.LAUNCHED for s in servers),
        plan_hash=state.plan_hash,
        awaited={w.wave_id: w.status for w in state.waves if w.wave_id in wanted},
        passed=[
            wave.wave_id
            for wave in state.waves
            if wave.wave_id in wanted and wave.releases_dependents and not wave.status.satisfies
        ],
        decisions=[shortened(text, max_bytes=_DECISION_BYTES) for text in texts[:_DECISIONS]],
        decisions_due=min((each for each in due if each is not None), default=None),
        ready_time=None if state.is_over else now + remaining(state, now=now).seconds,
        waits_for_operator=not state.is_over and waits_for_operator(state),
    )


def is_urgent_change(known: PlanReport | None, now: PlanReport) -> bool:
    """Whether a portfolio must hear of a change at once: plans or people may wait for it."""
    if known is None:
        return True
    kept = ("execution_id", "status", "end_time", "waves_up", "waves_failed", "awaited",
            "passed", "decisions", "problem")  # fmt: skip
    return any(getattr(known, name) != getattr(now, name) for name in kept)
