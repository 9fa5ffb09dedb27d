"""The page of a portfolio shows what needs a person, and each plan with its execution."""

from typing import Any, cast

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.portfolio.portfolio_page import PortfolioPage, PortfolioPoller
from recovery.access.roles import Role
from recovery.execution.state import PlanStatus
from recovery.portfolio.state import PortfolioState
from tests.recovery.portfolio.test_scheduler import NOW, RECOVERY, end, report, scheduler


def parts_of(state: PortfolioState) -> dict[str, str]:
    service = cast(Any, None)
    user = Principal("ann", frozenset({Role.VIEWER}))
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
