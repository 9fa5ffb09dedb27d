"""The report of a portfolio never says more than those of its plans."""

from typing import Any

import pytest

from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import OperatorDecision
from recovery.portfolio.state import MemberState, MemberStatus, PortfolioState
from recovery.report.declaration import Declaration, MeasuredFrom
from recovery.report.html import portfolio_html
from recovery.report.model import QualificationKind, RtoOutcome
from recovery.report.portfolio.builder import portfolio_report
from recovery.report.portfolio.model import PortfolioRecord, PortfolioReport
from recovery.report.portfolio.timeline import portfolio_picture
from recovery.report.timeline import WIDTH
from recovery.steps.state import StepStatus
from tests.cli.executions import CHAIN, START
from tests.recovery.portfolio.test_scheduler import report as plan_report
from tests.recovery.report.records import (
    SCRIPT,
    action_item,
    completed,
    hostile,
    record,
    step_state,
)
from tests.recovery.report.test_html import Document

NOW = START + 7200.0
PLAN = CHAIN.model_copy(update={"rto": 60})


def member(name: str, status: MemberStatus = MemberStatus.COMPLETED, **more: Any) -> MemberState:
    plan_status = PlanStatus(status) if status.value in list(PlanStatus) else None
    seen = None if plan_status is None else plan_report(name, plan_status)
    given = {
        "plan_id": name,
        "plan_name": name.upper(),
        "priority": 3,
        "execution_id": f"{name}-0123456789ab",
        "status": status,
        "has_started": seen is not None,
        "report": seen,
        "servers": 6,
    }
    return MemberState.model_validate(given | more)


def portfolio(*plans: MemberState, **more: Any) -> PortfolioState:
    given = {
        "execution_id": "all-0123456789ab",
        "portfolio_id": "all",
        "portfolio_name": "All",
        "execution_type": "DRILL",
        "status": PlanStatus.COMPLETED,
        "started_by": "ops",
        "start_time": START,
        "end_time": START + 3600,
        "deadline_seconds": 86_400.0,
        "plans": list(plans),
    }
    return PortfolioState.model_validate(given | more)


def report(state: PortfolioState, *executions: Any, **more: Any) -> PortfolioReport:
    """The report, with the executions of the first plans."""
    ids = [each.current_execution_id for each in state.plans]
    known = {str(key): each for key, each in zip(ids, executions, strict=False)}
    declared = more.pop("declared", None)
    return portfolio_report(
        PortfolioRecord(state=state, executions=known, **more), now=NOW, declared=declared
    )


def execution(state: ExecutionState | None = None) -> Any:
    return record(completed(PLAN) if state is None else state, PLAN)


def kinds(found: PortfolioReport) -> set[QualificationKind]:
    return {each.kind for each in found.verdict.qualifications}


def test_only_what_is_complete_and_in_time_is_unqualified() -> None:
    found = report(portfolio(member("crm"), member("erp")), execution(), execution())
    assert found.verdict.is_unqualified
    assert found.complete is not None
    assert [each.rto.outcome for each in found.plans if each.rto] == [RtoOutcome.MET] * 2


BY = OperatorDecision(actor="ann", time=START + 60, reason="call 4711")
K = QualificationKind


@pytest.mark.parametrize(
    ("second", "kind", "text"),
    [
        (member("erp", MemberStatus.FAILED), K.FAILED_PLAN, "1 plan failed"),
        (member("erp", MemberStatus.FAILED, accepted_by=BY), K.OVERRIDE, "accepted as FAILED"),
        (member("erp", MemberStatus.SKIPPED, status_reason="why"), K.NOT_STARTED_PLAN, "(why)"),
        (member("erp", MemberStatus.SKIPPED, skipped_by=BY), K.OVERRIDE, "by ann: call 4711"),
        (member("erp", released_by=BY), K.OVERRIDE, "whatever it depends on"),
        (member("erp", MemberStatus.CANCELLED), K.CANCELLED_PLAN, "1 plan cancelled"),
        (member("erp", MemberStatus.IN_PROGRESS), K.OPEN_PLAN, "1 plan not ended"),
        (member("erp", is_attached=True), K.FOLLOWED_PLAN, "did not start"),
        (member("erp"), K.UNRECORDED_PLAN, "not in the history"),
    ],
)
def test_whatever_is_less_than_complete_qualifies_the_verdict(
    second: MemberState, kind: QualificationKind, text: str
) -> None:
    # The portfolio's own status is not what is relied on.
    found = report(portfolio(member("crm"), second), execution())
    assert kind in kinds(found)
    assert not found.verdict.is_unqualified
    shown = " ".join(
        f"{each.text} {' '.join(each.subjects)}" for each in found.verdict.qualifications
    )
    assert text in shown
    assert found.complete is None


def test_a_step_that_was_not_tested_in_one_plan_qualifies_all() -> None:
    state = completed(PLAN)
    state.waves[0].steps = [step_state("dns", StepStatus.NOT_TESTED, reason="RECOVERY only")]
    found = report(portfolio(member("crm"), member("erp")), execution(state), execution())
    assert kinds(found) == {K.QUALIFIED_PLAN}
    assert "CRM: 1 step not tested" in found.verdict.qualifications[0].subjects
    assert found.plans[0].not_tested


def test_every_plan_is_measured_from_the_portfolios_declaration() -> None:
    state = portfolio(member("crm"), declared_time=START - 60)
    assert report(state, execution()).measured_from is MeasuredFrom.DECLARED_AT_START
    late = Declaration(time=START - 3000, actor="ann", recorded_time=NOW)
    found = report(state, execution(), declarations=[late])
    assert (found.since, found.measured_from) == (START - 3000, MeasuredFrom.RECORDED)
    rto = found.plans[0].rto
    assert rto is not None
    assert (rto.since, rto.outcome) == (START - 3000, RtoOutcome.MISSED)
    assert kinds(found) == {K.OVER_RTO}
    assert report(state, execution(), declared=START - 10).since == START - 10


def test_action_items_of_all_plans_are_listed() -> None:
    one = record(completed(PLAN), PLAN, action_items=[action_item(1)])
    two = record(completed(PLAN), PLAN, action_items=[action_item(2)])
    found = report(portfolio(member("crm"), member("erp")), one, two)
    assert [item.number for item in found.action_items] == [1, 2]


def test_the_picture_has_a_row_for_each_plan_within_the_axis_at_the_speed_of_drs() -> None:
    found = report(
        portfolio(member("crm"), member("erp", MemberStatus.SKIPPED), speed=10.0), execution()
    )
    drawn = portfolio_picture(found)
    assert [len(row.bars) for row in drawn.rows] == [2, 0]
    assert all(0 <= bar.left <= WIDTH for row in drawn.rows for bar in row.bars)
    # An hour by the clock is ten at the speed of DRS.
    assert drawn.ticks[-1][1] >= 36_000.0


def test_the_file_shows_texts_of_others_as_texts_and_links_within_itself_only() -> None:
    state = portfolio(
        member("crm", MemberStatus.FAILED, status_reason=SCRIPT, accepted_by=BY),
        member("erp", plan_name=SCRIPT),
        portfolio_name=SCRIPT,
        status=PlanStatus.FAILED,
        started_by=SCRIPT,
    )
    text = portfolio_html(report(state, hostile()))
    found = Document(text)
    assert "script" not in found.tags
    assert not {"src", "style", "onclick"} & found.attributes
    assert SCRIPT in "".join(found.words)
    assert text.count('href="') == text.count('href="#plan-')
    assert "Failed: 1 plan failed; 1 override" in "".join(found.words)


def test_sixty_plans_are_one_small_file() -> None:
    plans = [member(f"p{number}") for number in range(60)]
    text = portfolio_html(report(portfolio(*plans), *[execution() for _ in plans]))
    assert len(text) < 400_000
    assert text.count('class="plan"') == 60
