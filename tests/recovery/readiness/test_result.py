"""How long a plan has been ready or not, over its looks."""

from recovery.readiness.report import ReadinessRow
from recovery.readiness.result import PlanReadiness, next_result
from recovery.readiness.verdict import ReadinessStatus

READY, NOT_READY = ReadinessStatus.READY, ReadinessStatus.NOT_READY


def looked(*statuses: ReadinessStatus) -> PlanReadiness:
    """The result after looks at the seconds 0, 1, 2…"""
    result: PlanReadiness | None = None
    for moment, status in enumerate(statuses):
        result = next_result(
            result,
            plan_id="crm",
            plan_hash="0",
            looked_time=float(moment),
            period_seconds=None,
            status=status,
            findings=[],
            worst_lag=None,
        )
    assert result is not None
    return result


def row(*statuses: ReadinessStatus) -> ReadinessRow:
    return ReadinessRow.of("crm", "CRM", "0", looked(*statuses), now=10.0)


def test_a_plan_that_was_always_ready_has_not_changed() -> None:
    assert not row(READY, READY).changed_after(-1.0)


def test_what_a_plan_was_before_it_changed_is_kept_over_later_looks() -> None:
    found = row(READY, NOT_READY, READY, READY)
    assert found.changed_after(1.0)
    assert (found.since, found.previous) == (2.0, NOT_READY)
