"""What is refused before a portfolio is started, and how the starts are carried."""

import time
from dataclasses import replace

import pytest

from client.errors import RefusedError
from client.portfolios.order import OrderedPlan, PortfolioOrder
from client.portfolios.start import require_valid
from contract.execution import StartExecution
from contract.portfolio.start import packed_start, unpacked_start
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.model import RecoveryRules
from recovery.portfolio.model import PortfolioMember
from tests.recovery.portfolio.test_model import member
from tests.recovery.portfolio.test_scheduler import report


def order(*members: PortfolioMember, **fields: object) -> PortfolioOrder:
    return PortfolioOrder(
        portfolio_id="all",
        portfolio_name="All",
        execution_type=ExecutionType.RECOVERY,
        plans=[OrderedPlan(each) for each in members],
        confirmation="all",
        **fields,  # type: ignore[arg-type]
    )


def test_a_valid_order_is_not_refused() -> None:
    require_valid(order(member("a"), member("b", "a/dns")), is_signed=False)


@pytest.mark.parametrize("confirmation", [None, "ALL", "a"])
def test_the_confirmation_is_the_portfolios_id(confirmation: str | None) -> None:
    asked = replace(order(member("a")), confirmation=confirmation)
    with pytest.raises(RefusedError, match="PortfolioId"):
        require_valid(asked, is_signed=False)
    require_valid(asked, is_signed=False, is_confirmed=False)


def test_all_problems_are_named_at_once() -> None:
    strict = member("a")
    plan = strict.plan.model_copy(update={"recovery": RecoveryRules(approvers=1)})
    with pytest.raises(RefusedError) as caught:
        require_valid(order(replace(strict, plan=plan), member("b", "c")), is_signed=False)
    assert "depends on c" in str(caught.value)
    assert "only if the start is signed" in str(caught.value)


def test_nothing_to_start_is_refused() -> None:
    up = OrderedPlan(member("a"), report=report("a", PlanStatus.COMPLETED))
    with pytest.raises(RefusedError, match="runs or is up"):
        require_valid(replace(order(), plans=[up]), is_signed=False)


def test_a_packed_start_has_the_same_subject() -> None:
    plan = member("a").plan
    start = StartExecution(
        execution_id="a-0123456789ab", plan=plan, started_by="ops", start_time=time.time()
    )
    again = unpacked_start(packed_start(start))
    assert again.subject == start.subject
    assert again.plan == plan


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"declared": time.time() + 3600}, "is after the start"),
        ({"execution_type": ExecutionType.DRILL, "replace_drills": True}, "only a real RECOVERY"),
    ],
)
def test_options_that_no_start_may_have_are_refused(
    fields: dict[str, object], problem: str
) -> None:
    with pytest.raises(RefusedError, match=problem):
        require_valid(replace(order(member("a")), **fields), is_signed=False)  # type: ignore[arg-type]


def test_what_continues_a_portfolio_counts_from_its_declaration_unless_another_is_given() -> None:
    continued = order(member("a"), continued_from=100.0)
    assert continued.counted_from == 100.0
    assert replace(continued, declared=50.0).counted_from == 50.0
