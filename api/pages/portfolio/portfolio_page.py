"""The page of a portfolio: what needs a person first, then its plans."""

import asyncio
import time
from collections.abc import Sequence

from fastapi import FastAPI, HTTPException, Request, Response

from api.auth.tokens import Principal
from api.hub import POLL_SECONDS, Poller, Snapshot, UnknownExecutionError
from api.pages.dialogs import Dialog
from api.pages.live_page import LivePage, add_live_page, failed
from api.pages.portfolio.dialogs import WORDS, portfolio_dialog
from api.pages.rendering import render
from api.pages.sign_in import current_user
from api.portfolios.starter import portfolios_of
from api.reports.responses import ReportFile, html_response, json_response
from api.service import ExecutionService
from client.portfolios.temporal import TemporalPortfolios, UnknownPortfolioError
from recovery.access.roles import Role
from recovery.portfolio.messages import possible_messages
from recovery.portfolio.state import (
    Attention,
    MemberState,
    PortfolioState,
    attention,
    by_urgency,
    rto_risk,
)
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
        needs = [] if state.is_over else attention(state, now=now)
        return {
            "status-line": render("status_line", text=_status_line(state, now=now)),
            "warnings": render("warnings", warnings=warnings),
            "head": render(
                "portfolio_head",
                state=state,
                may=self.user.may(Role.OPERATOR),
                actions=possible_messages(state),
                words=WORDS,
            ),
            "needs": render("portfolio_needs", needs=needs),
            "plans": render(
                "portfolio_plans",
                plans=_urgent_first(state, needs),
                risks=risks,
                may=self.user.may(Role.OPERATOR),
                actions={p.plan_id: possible_messages(state, p.plan_id) for p in state.plans},
                words=WORDS,
                now=now,
                outdated=bool(state.outdated_reason),
            ),
        }

    def old_after(self, snapshot: Snapshot[PortfolioState]) -> float:
        """Longer once it has ended."""
        return _OLD_AFTER_SECONDS + self.poller.pause(snapshot.value)

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog of an action."""
        state = await portfolios_of(self.service, self.user).state(self.title)
        return portfolio_dialog(self.service, state, name, about)


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
        return PortfolioPage(service, user, poller, name)

    add_live_page(app, service, _PATH, "Portfolio · drs-waves", open_page)

    @app.get(f"{_PATH}/report.{{kind}}", include_in_schema=False)
    async def report(request: Request, portfolio: str, kind: ReportFile) -> Response:
        try:
            await current_user(service.authenticator, request)
            found = await service.reports.portfolio(portfolio)
        except Exception as error:
            return failed(error)
        make = html_response if kind is ReportFile.HTML else json_response
        return await asyncio.to_thread(make, found)


def _urgent_first(state: PortfolioState, needs: Sequence[Attention]) -> list[MemberState]:
    """Plans that need a person, in the order of what they need, then the others."""
    place = {each.plan_id: number for number, each in reversed(list(enumerate(needs)))}
    return sorted(by_urgency(state), key=lambda each: place.get(each.plan_id, len(needs)))


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
