"""The report of a portfolio: what all plans proved together, and never more than each of them."""

from typing import Any

import pytest

from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision
from recovery.portfolio.state import MemberState, MemberStatus, PlanReport, PortfolioState
from recovery.report.declaration import MeasuredFrom
from recovery.report.model import QualificationKind, ReportRecord, RtoOutcome
from recovery.report.portfolio import PortfolioRecord, PortfolioReport, portfolio_report
from recovery.report.timeline import WIDTH, portfolio_picture
from tests.cli.executions import CHAIN, START
from tests.recovery.report.records import MINUTE, action_item, completed, hostile, record

NOW = START + 7200.0
Kind = QualificationKind


def member(plan_id: str, status: MemberStatus = MemberStatus.COMPLETED, **more: Any) -> MemberState:
    execution_id = f"{plan_id}-0f3b52a1c7d9"
    known = status not in (MemberStatus.SKIPPED, MemberStatus.WAITING)
    ran = PlanReport(execution_id=execution_id, execution_type=ExecutionType.DRILL)
    return MemberState(
        plan_id=plan_id,
        plan_name=plan_id.upper(),
        priority=3,
        execution_id=execution_id,
        status=status,
        has_started=known,
        report=ran if known else None,
        **more,
    )


def portfolio(*plans: MemberState, **more: Any) -> PortfolioState:
    given = {
        "execution_id": "all-0f3b52a1c7d9",
        "portfolio_id": "all",
        "portfolio_name": "All",
        "execution_type": ExecutionType.DRILL,
        "status": PlanStatus.COMPLETED,
        "started_by": "ann",
        "start_time": START - 10 * MINUTE,
        "end_time": START + 40 * MINUTE,
        "deadline_seconds": 86_400.0,
        "plans": list(plans),
    }
    return PortfolioState.model_validate(given | more)


def proved() -> ReportRecord:
    """An execution that proved everything, with an RTO of an hour."""
    return record(completed(), CHAIN.model_copy(update={"rto": 60}))


def report(state: PortfolioState, **records: ReportRecord) -> PortfolioReport:
    known = {f"{plan_id}-0f3b52a1c7d9": each for plan_id, each in records.items()}
    return portfolio_report(PortfolioRecord(state, known), now=NOW)


def kinds(found: PortfolioReport) -> dict[QualificationKind, list[str]]:
    return {each.kind: each.subjects for each in found.verdict.qualifications}


def test_a_portfolio_of_which_every_plan_proved_everything_is_unqualified() -> None:
    found = report(portfolio(member("crm"), member("erp")), crm=proved(), erp=proved())
    assert found.verdict.is_unqualified
    assert found.verdict.sentence == "Completed: every plan completed without a qualification."
    assert found.complete is not None
    assert found.complete.end_time == START + 30 * MINUTE - 5


def test_the_time_of_each_plan_counts_from_the_portfolio() -> None:
    found = report(portfolio(member("crm")), crm=proved())
    (crm,) = found.plans
    assert crm.report is not None
    assert crm.report.rto.since == found.since == START - 10 * MINUTE
    assert crm.report.rto.measured_from is MeasuredFrom.PORTFOLIO
    assert crm.report.rto.complete is not None
    assert crm.report.rto.complete.seconds == 40 * MINUTE - 5


def test_a_plan_that_is_late_for_the_portfolio_misses_its_rto() -> None:
    state = portfolio(member("crm"), declared_time=START - 60 * MINUTE)
    found = report(state, crm=proved())
    assert found.plans[0].report is not None
    assert found.plans[0].report.rto.outcome is RtoOutcome.MISSED
    assert kinds(found)[Kind.OVER_RTO] == found.over_rto == ["CRM"]
    assert not found.verdict.is_unqualified


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (MemberStatus.FAILED, Kind.FAILED_PLAN),
        (MemberStatus.CANCELLED, Kind.CANCELLED_PLAN),
        (MemberStatus.SKIPPED, Kind.SKIPPED_PLAN),
        (MemberStatus.PARTIAL, Kind.PARTIAL_PLAN),
    ],
)
def test_each_plan_that_did_not_complete_is_named(
    status: MemberStatus, kind: QualificationKind
) -> None:
    state = portfolio(member("crm"), member("erp", status), status=PlanStatus.PARTIAL)
    found = report(state, crm=proved(), erp=proved())
    assert kinds(found)[kind] == ["ERP"]
    assert found.verdict.sentence.startswith("Completed in part: ")


def test_a_plan_that_completed_with_qualifications_qualifies_the_portfolio() -> None:
    found = report(portfolio(member("crm"), member("erp")), crm=proved(), erp=hostile())
    assert kinds(found)[Kind.QUALIFIED_PLAN] == ["ERP"]
    assert not found.verdict.is_unqualified
    assert found.not_tested


def test_an_execution_that_is_not_recorded_proves_nothing() -> None:
    found = report(portfolio(member("crm"), member("erp")), crm=proved())
    assert kinds(found) == {Kind.UNKNOWN_PLAN: ["ERP"]}
    assert found.complete is None


def test_what_operators_decided_is_a_qualification_and_is_said() -> None:
    who = OperatorDecision(actor="bob", time=START, reason="runs elsewhere")
    state = portfolio(member("crm"), member("erp", accepted_by=who))
    found = report(state, crm=proved(), erp=proved())
    assert kinds(found)[Kind.OVERRIDE] == ["ERP"]
    (line,) = found.plans[1].decisions
    assert "accepted although it is not up, by bob" in line
    assert line.endswith(": runs elsewhere")


def test_another_version_than_was_confirmed_is_a_qualification() -> None:
    crm = member("crm", plan_hash="a" * 64)
    assert crm.report is not None
    crm.report.plan_hash = "b" * 64
    assert kinds(report(portfolio(crm), crm=proved()))[Kind.OTHER_VERSION] == ["CRM"]


def test_action_items_of_all_plans_are_listed_the_first_due_first() -> None:
    records = {
        name: proved().model_copy(update={"action_items": [action_item(execution_id=name)]})
        for name in ("crm", "erp")
    }
    found = report(portfolio(member("crm"), member("erp")), **records)
    assert [each.execution_id for each in found.action_items] == ["crm", "erp"]


def test_the_timeline_of_a_sandbox_has_the_clock_of_its_objectives() -> None:
    ran = completed()
    ran.speed = 2.0
    plan = CHAIN.model_copy(update={"rto": 60})
    state = portfolio(member("crm"), start_time=START, speed=2.0)
    picture = portfolio_picture(report(state, crm=record(ran, plan)))
    (row,) = picture.rows
    (bar,) = row.bars
    assert row.rto is not None
    # It took half an hour by the sandbox's clock: an hour of DRS's.
    assert bar.left == 0.0
    assert bar.width == pytest.approx(row.rto, abs=WIDTH / 100)
