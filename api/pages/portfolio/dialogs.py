"""The dialogs that steer a portfolio: the same messages as those of the terminal and the API."""

from api.auth.roles import require
from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.portfolios.starter import portfolios_of
from api.problems import raise_if_refused
from api.service import ExecutionService
from recovery.access.roles import Role
from recovery.operator.confirmation import portfolio_cancel_refusal
from recovery.portfolio.messages import (
    PortfolioMessage,
    PortfolioMessageName,
    possible_messages,
    required_role,
)
from recovery.portfolio.state import PortfolioState

CANCEL = "cancel"
_TITLES = {
    PortfolioMessageName.PAUSE: "Pause: start no further plan",
    PortfolioMessageName.RESUME: "Resume: start plans again",
    PortfolioMessageName.SKIP_PLAN: "Do not start this plan",
    PortfolioMessageName.START_PLAN: "Start this plan now, whatever it depends on",
    PortfolioMessageName.ACCEPT_PLAN: "Accept this plan as it is, and start what depends on it",
}
WORDS = {
    PortfolioMessageName.PAUSE: "Pause…",
    PortfolioMessageName.RESUME: "Resume…",
    PortfolioMessageName.SKIP_PLAN: "Skip…",
    PortfolioMessageName.START_PLAN: "Start now…",
    PortfolioMessageName.ACCEPT_PLAN: "Accept…",
}


def portfolio_dialog(
    service: ExecutionService, state: PortfolioState, name: str, about: str | None
) -> Dialog | None:
    """The dialog of an action on a portfolio, or on its plan `about`; None if there is none."""
    if name == CANCEL:
        return _cancel_dialog(service, state)
    if name not in list(PortfolioMessageName):
        return None
    known = PortfolioMessageName(name)
    plan_id = about if known.is_about_a_plan else None
    if known not in possible_messages(state, plan_id):
        return None

    async def send(caller: Principal, fields: Fields) -> Outcome:
        require(caller, required_role(known))
        message = PortfolioMessage(plan=plan_id, reason=fields.get("reason", "").strip())
        return Outcome.of(await portfolios_of(service, caller).send(state, known, message))

    plan = state.member(plan_id) if plan_id else None
    return Dialog(_form(state, _TITLES[known], plan_name=plan.plan_name if plan else ""), send)


def _cancel_dialog(service: ExecutionService, state: PortfolioState) -> Dialog | None:
    if state.is_over:
        return None

    async def send(caller: Principal, fields: Fields) -> Outcome:
        require(caller, Role.OPERATOR)
        typed = fields.get("confirmation", "").strip()
        raise_if_refused(portfolio_cancel_refusal(state.portfolio_id, typed), state.portfolio_id)
        reason = fields.get("reason", "").strip()
        own = portfolios_of(service, caller)
        return Outcome.of(await own.cancel(state, reason=reason, confirmation=typed))

    title = "Cancel: start nothing more, and cancel the executions that it started"
    return Dialog(_form(state, title, confirmation=state.portfolio_id), send)


def _form(state: PortfolioState, title: str, *, plan_name: str = "", confirmation: str = "") -> str:
    values = {"title": title, "plan_name": plan_name, "confirmation": confirmation}
    return render("portfolio_dialog", state=state, **values)
