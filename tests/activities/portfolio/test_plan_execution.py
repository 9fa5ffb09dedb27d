"""What is said of a plan's execution whose workflow is closed."""

import pytest

from activities.portfolio.plan_execution import FoundExecution, ended_report
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.portfolio.state import PlanReport

KNOWN = PlanReport(
    execution_id="crm-0123456789ab",
    execution_type=ExecutionType.RECOVERY,
    start_time=1.0,
    decisions=["Web FAILED"],
    ready_time=9.0,
)


def closed(status: PlanStatus | None, how: str) -> FoundExecution:
    return FoundExecution(
        execution_id=KNOWN.execution_id,
        execution_type=ExecutionType.RECOVERY,
        run_id="1",
        status=status,
        closed=how,
        close_time=5.0,
        start_time=1.0,
        length=10,
    )


@pytest.mark.parametrize("found", [closed(PlanStatus.IN_PROGRESS, "TERMINATED"), None])
def test_a_workflow_that_was_closed_from_outside_has_failed_and_asks_for_nothing(
    found: FoundExecution | None,
) -> None:
    report = ended_report(KNOWN, found, ExecutionType.RECOVERY)
    assert report.status is PlanStatus.FAILED
    assert report.end_time is not None
    assert report.decisions == []
    assert "drs-waves run --from crm-0123456789ab --recovery" in report.status_reason


def test_a_state_without_an_end_ends_as_its_workflow_says() -> None:
    report = ended_report(KNOWN, closed(PlanStatus.PARTIAL, "COMPLETED"), ExecutionType.RECOVERY)
    assert (report.status, report.end_time) == (PlanStatus.PARTIAL, 5.0)


def test_what_has_an_end_keeps_it() -> None:
    ended = KNOWN.model_copy(update={"end_time": 3.0, "status": PlanStatus.COMPLETED})
    assert ended_report(ended, None, ExecutionType.RECOVERY) == ended
