"""The notifier's next run gets what the previous one knew."""

from contract.notify import NotifierInput
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType
from recovery.notify.events import AskedDecision, NotifiedExecution
from recovery.notify.notifier_state import Announced, FollowedExecution, NotifierState

# Temporal's, of a payload.
_MAX_BYTES = 2 * 1024 * 1024


def followed(number: int) -> FollowedExecution:
    execution = NotifiedExecution(
        execution_id=f"plan{number}-0f3b52a1c7d9",
        plan_id=f"plan{number}",
        plan_name=f"Plan {number}",
        execution_type=ExecutionType.RECOVERY,
        started_by="ops",
        start_time=float(number),
    )
    decisions = [
        AskedDecision(
            key=f"APPROVAL/wave-{i}/0/{number}",
            kind=DecisionKind.APPROVAL,
            wave_id=f"wave-{i}",
            wave_name=f"Application {i}",
            since=float(i),
            reason=f"Waiting for an approval of Application {i}",
            if_unanswered="the wave is not launched before the deadline of the plan, and fails",
        )
        for i in range(20)
    ]
    announced = {
        each.key: Announced(decision=each, time=1.0, incident=each.key) for each in decisions
    }
    names = ("pager", "chat", "mail")
    return FollowedExecution(
        execution=execution,
        routes=[],
        speed=1.0,
        decisions=decisions,
        announced=dict.fromkeys(names, announced),
    )


def test_a_hundred_plans_that_ask_are_less_than_temporal_takes() -> None:
    state = NotifierState(executions={str(n): followed(n) for n in range(100)})
    assert len(state.model_dump_json()) > _MAX_BYTES
    start = NotifierInput.of(state)
    assert len(start.model_dump_json()) < _MAX_BYTES / 4
    assert start.state == state
    assert NotifierInput().state == NotifierState()
