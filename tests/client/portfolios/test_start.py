"""What is refused before a portfolio is started, and how the starts are carried."""

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest

from client.errors import RefusedError
from client.portfolios import start as start_module
from client.portfolios.order import OrderedPlan, PortfolioOrder
from client.portfolios.start import require_valid, start_portfolio
from contract.execution import StartExecution
from contract.portfolio.start import (
    MAX_INPUT_BYTES,
    StartPortfolio,
    packed_portfolio,
    packed_start,
    unpacked_portfolio,
    unpacked_start,
)
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan, RecoveryRules, Server, Wave
from recovery.portfolio.model import MAX_PLANS, PlanDependency, PortfolioMember
from recovery.portfolio.state import MemberStatus, PortfolioState
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


def big(count: int, names: Callable[[], str]) -> PortfolioOrder:
    """An order of plans of four waves with four servers, each after the three before it."""
    members = []
    for n in range(count):
        waves = [
            Wave(
                wave_id=f"wave-{w}",
                wave_name=names(),
                region="us-west-2",
                depends_on=[f"wave-{w - 1}"] if w else [],
                servers=[Server(source_server_id=f"s-{n * 16 + w * 4 + s:017x}") for s in range(4)],
            )
            for w in range(4)
        ]
        plan = RecoveryPlan(
            plan_id=f"plan-{n:03}", plan_name=names(), region="us-west-2", waves=waves, rto=60
        )
        after = tuple(PlanDependency.of(f"plan-{each:03}/wave-3") for each in range(n)[-3:])
        members.append(PortfolioMember(plan, after))
    return order(*members)


async def test_five_hundred_plans_fit_into_what_temporal_and_dynamodb_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Texts do not compress better than those of people and AWS.
    random = Random(0)

    def words(characters: int = 40) -> str:
        return "".join(random.choices("etaoin shrdlu cmfwyp vbgkjq xz", k=characters))

    asked = big(MAX_PLANS, words)
    started: list[StartPortfolio] = []

    async def begin(_: object, start: StartPortfolio) -> None:
        started.append(start)

    async def idle(_: object) -> None:
        return None

    monkeypatch.setattr(start_module, "_begin", begin)
    monkeypatch.setattr(start_module, "idle_reason", idle)
    monkeypatch.setattr(start_module, "temporal_place", lambda _: "")
    await start_portfolio(cast(Any, None), asked, started_by="ops@example.com")
    (start,) = started
    assert len(start.model_dump_json().encode()) < MAX_INPUT_BYTES
    state = PortfolioState(
        **{**dict(start), "status": PlanStatus.IN_PROGRESS, "plans": start.plans}
    )
    for each in state.plans:
        each.status, each.status_reason = MemberStatus.FAILED, words(400)
        each.report = report(each.plan_id, PlanStatus.FAILED, status_reason=words(300),
                             decisions=[words(200)] * 2, plan_hash=each.plan_hash)  # fmt: skip
    assert len(packed_portfolio(state)) < 400_000
    assert unpacked_portfolio(packed_portfolio(state)) == state
    with pytest.raises(RefusedError, match="split it into several portfolios"):
        start_module._require_size(
            start.model_copy(update={"starts": {"x": "y" * MAX_INPUT_BYTES}})
        )
