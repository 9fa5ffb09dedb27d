"""The page of a portfolio: what needs a person first, then its plans."""

import time

from fastapi import FastAPI, HTTPException, Request

from api.auth.tokens import Principal
from api.hub import POLL_SECONDS, Poller, Snapshot, UnknownExecutionError
from api.pages.dialogs import Dialog
from api.pages.live_page import LivePage, add_live_page
from api.pages.rendering import render
from api.service import ExecutionService
from client.portfolios.temporal import TemporalPortfolios, UnknownPortfolioError
from recovery.portfolio.state import PortfolioState, attention, rto_risk
from recovery.text_format import count

_PATH = "/portfolios/{portfolio}"
_OLD_AFTER_SECONDS = 8.0
_ENDED_POLL_SECONDS = 10.0
_MAX_POLLERS = 100


class PortfolioPoller(Poller[PortfolioState]):
    """Polls the state of a portfolio once for all who look at it."""

    def __init__(self, service: ExecutionService, name: str) -> None:
        super().__init__()
        self._portfolios = TemporalPortfolios(service.client, actor="pages")
        self._name = name

    def pause(self, known: PortfolioState | None) -> float:
        """Less often once it has ended."""
        return _ENDED_POLL_SECONDS if known is not None and known.is_over else POLL_SECONDS

    async def fetch(self, known: PortfolioState | None) -> PortfolioState:
        """Read its state."""
        try:
            return await self._portfolios.state(self._name)
        except UnknownPortfolioError as error:
            raise UnknownExecutionError(str(error)) from error


class PortfolioPage(LivePage[PortfolioState]):
    """A portfolio for a user."""

    template = "portfolio"

    def parts(self, snapshot: Snapshot[PortfolioState]) -> dict[str, str]:
        """Render the parts that change."""
        state = snapshot.value
        now = min(time.time(), snapshot.seen_time + self.old_after(snapshot))
        warnings = [state.outdated_reason] if state.outdated_reason else []
        risks = {each.plan_id: rto_risk(state, each, now=now) for each in state.plans}
        return {
            "status-line": render("status_line", text=_status_line(state, now=now)),
            "warnings": render("warnings", warnings=warnings),
            "needs": render(
                "portfolio_needs",
                needs=[] if state.is_over else attention(state, now=now),
            ),
            "plans": render(
                "portfolio_plans",
                plans=state.plans,
                risks=risks,
                now=now,
                outdated=bool(state.outdated_reason),
            ),
        }

    def old_after(self, snapshot: Snapshot[PortfolioState]) -> float:
        """Longer once it has ended."""
        return _OLD_AFTER_SECONDS + self.poller.pause(snapshot.value)

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """None: a portfolio is steered by commands and by the API."""
        return None


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page."""
    pollers: dict[str, PortfolioPoller] = {}

    def open_page(request: Request, user: Principal) -> PortfolioPage:
        name = str(request.path_params["portfolio"])
        for known in [each for each, poller in pollers.items() if poller.is_idle]:
            del pollers[known]
        if len(pollers) >= _MAX_POLLERS and name not in pollers:
            raise HTTPException(503, "too many portfolios are open")
        poller = pollers.setdefault(name, PortfolioPoller(service, name))
        return PortfolioPage(service, user, poller, "portfolio")

    add_live_page(app, service, _PATH, "Portfolio · drs-waves", open_page)


def _status_line(state: PortfolioState, *, now: float) -> str:
    servers = sum(each.servers for each in state.plans)
    up = sum(each.report.servers_up for each in state.plans if each.report)
    text = f"{state.execution_type} of {state.portfolio_name} ({state.execution_id}) is "
    text += f"{state.status}. {count(len(state.plans), 'plan')}: {state.counts_text}; "
    text += f"{up} of {servers} servers up"
    if state.is_over:
        return f"{text}. {state.status_reason}"
    outlook = state.outlook(now=now)
    return f"{text}; {outlook}" if outlook else text
