"""The page of a portfolio shows what needs a person, and each plan with its execution."""

import re
from typing import Any, cast

import pytest

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.portfolio.dialogs import portfolio_dialog
from api.pages.portfolio.portfolio_page import PortfolioPage, PortfolioPoller
from api.problems import ApiProblem
from recovery.access.roles import Role
from recovery.execution.state import PlanStatus
from recovery.portfolio.state import PortfolioState
from tests.recovery.portfolio.test_scheduler import NOW, RECOVERY, end, report, scheduler


def parts_of(state: PortfolioState, role: Role = Role.VIEWER) -> dict[str, str]:
    service = cast(Any, None)
    user = Principal("ann", frozenset({role}))
    page = PortfolioPage.__new__(PortfolioPage)
    page.service, page.user = service, user
    page.poller = PortfolioPoller.__new__(PortfolioPoller)
    return page.parts(Snapshot(state, NOW + 20, 1))


def test_it_shows_what_needs_a_person_and_links_to_each_execution() -> None:
    found = scheduler("directory", "crm: directory", "shop", kind=RECOVERY)
    end(found, "directory", PlanStatus.FAILED)
    found.request_start("shop")
    asks = report("shop", PlanStatus.IN_PROGRESS, decisions=["<Web> FAILED"], servers=4)
    found.report("shop", asks)
    parts = parts_of(found.state)
    assert "&lt;Web&gt; FAILED" in parts["needs"]
    assert "drs-waves run --from directory-0123456789ab --recovery" in parts["needs"]
    assert 'href="/executions/shop-0123456789ab"' in parts["plans"]
    assert "Waiting for an operator&#39;s decision" in parts["plans"]
    assert "0 of 4" in parts["plans"]
    assert "1 FAILED" in parts["status-line"]


def test_an_ended_portfolio_asks_for_nobody_and_says_how_it_ended() -> None:
    found = scheduler("directory")
    end(found, "directory", PlanStatus.FAILED)
    found.close(now=NOW + 60)
    parts = parts_of(found.state)
    assert "hidden" in parts["needs"]
    assert "Directory FAILED" in parts["status-line"]


def test_a_state_that_may_be_old_is_marked() -> None:
    found = scheduler("directory")
    found.state.outdated_reason = "no worker answers"
    assert "no worker answers" in parts_of(found.state)["warnings"]


def asked(part: str) -> set[tuple[str, str]]:
    """The actions of a part, each with the plan that it is about."""
    return set(re.findall(r'data-ask="(\w+)"(?: data-wave="(\w+)")?', part))


def test_the_buttons_are_what_the_portfolio_would_accept() -> None:
    found = scheduler("directory", "crm: directory", "shop", kind=RECOVERY)
    end(found, "directory", PlanStatus.FAILED)
    parts = parts_of(found.state, Role.OPERATOR)
    assert asked(parts["head"]) == {("pause", ""), ("cancel", "")}
    assert asked(parts["plans"]) == {
        ("accept_plan", "directory"),
        ("skip_plan", "crm"),
        ("start_plan", "crm"),
        ("skip_plan", "shop"),
        ("start_plan", "shop"),
    }
    assert not asked(parts_of(found.state)["plans"])
    service = cast(Any, None)
    assert portfolio_dialog(service, found.state, "accept_plan", "crm") is None
    assert portfolio_dialog(service, found.state, "resume", None) is None
    assert portfolio_dialog(service, found.state, "accept_plan", "directory") is not None
    cancel = portfolio_dialog(service, found.state, "cancel", None)
    assert cancel is not None
    assert 'name="confirmation"' in cancel.html
    found.close(now=NOW + 60)
    ended = parts_of(found.state, Role.OPERATOR)
    assert not asked(ended["head"]) | asked(ended["plans"])


async def test_a_cancellation_without_the_typed_id_is_refused() -> None:
    dialog = portfolio_dialog(cast(Any, None), scheduler("crm").state, "cancel", None)
    assert dialog is not None
    assert dialog.send is not None
    operator = Principal("ann", frozenset({Role.OPERATOR}))
    with pytest.raises(ApiProblem):
        await dialog.send(operator, {"confirmation": "crm"})


def test_plans_that_need_a_person_are_the_first_and_all_can_be_filtered() -> None:
    found = scheduler("a", "b", "c", kind=RECOVERY)
    end(found, "a", PlanStatus.COMPLETED)
    found.request_start("c")
    found.report("c", report("c", PlanStatus.IN_PROGRESS, decisions=["Web FAILED"]))
    plans = parts_of(found.state)["plans"]
    assert re.findall(r'data-key="(\w)"', plans) == ["c", "b", "a"]
    assert 'data-filtered="plans"' in plans
    assert plans.index("data-find") < plans.index("IN_PROGRESS")
