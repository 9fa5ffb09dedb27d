"""Starts, shows and steers portfolios."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.endpoints.steering import Reason
from api.parameters import ExecutionId, IdempotencyKey, NameOrId
from api.portfolios import starter
from api.portfolios.starter import PortfolioStartRequest, portfolios_of
from api.problems import BODY_PROBLEMS, problem_responses, raise_if_refused
from client.portfolios.order import PortfolioOrder, StartedPortfolio
from recovery.base_model import Model, StrictModel
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import portfolio_cancel_refusal
from recovery.plan.fields import ID_PATTERN, PlanOrWaveId
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.state import PortfolioState

router = APIRouter(tags=["Portfolios"], route_class=AuthenticatedRoute)

_UNKNOWN = problem_responses(HTTPStatus.NOT_FOUND)
_CHANGES = problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *BODY_PROBLEMS)
PortfolioId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", description="A PortfolioId.")]
Limit = Annotated[int, Query(ge=1, le=200, description="The maximum number.")]


class PortfolioList(Model):
    """Executions of portfolios, the newest first."""

    portfolios: list[PortfolioState]


class PortfolioMessageRequest(StrictModel):
    """A message to a portfolio.

    Attributes:
        plan: the PlanId, of a message about a plan.
    """

    plan: PlanOrWaveId | None = None
    reason: Reason = ""


class PortfolioCancelRequest(StrictModel):
    """Cancel a portfolio.

    Attributes:
        confirmation: the PortfolioId.
    """

    reason: Reason = ""
    confirmation: PlanOrWaveId | None = None


class PortfolioEffect(Model):
    """What a message did; `effect` is null until a worker runs."""

    effect: str | None


@router.get("/portfolios", summary="List executions of portfolios")
async def portfolios(service: Service, caller: Caller, limit: Limit = 50) -> PortfolioList:
    """Return the latest executions, from the history."""
    return PortfolioList(portfolios=await portfolios_of(service, caller).executions(limit))


@router.get("/portfolios/{name}", summary="Get the state of a portfolio", responses=_UNKNOWN)
async def portfolio_state(service: Service, caller: Caller, name: NameOrId) -> PortfolioState:
    """Return an execution, or the running or last one of a portfolio."""
    return await portfolios_of(service, caller).state(name)


@router.get(
    "/portfolios/{execution_id}/continuation",
    summary="Get what continues a portfolio",
    responses=problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def portfolio_continuation(
    service: Service,
    caller: Caller,
    execution_id: ExecutionId,
    execution_type: ExecutionType = ExecutionType.DRILL,
) -> PortfolioOrder:
    """Return the plans of an ended execution: which are up, run, are continued or are started."""
    return await portfolios_of(service, caller).continuation(execution_id, execution_type)


@router.post(
    "/portfolios/{portfolio_id}/executions",
    summary="Run many plans",
    status_code=HTTPStatus.ACCEPTED,
    responses=_CHANGES,
)
async def start_portfolio(
    service: Service,
    caller: Operator,
    portfolio_id: PortfolioId,
    request: PortfolioStartRequest,
    idempotency_key: IdempotencyKey = None,
) -> StartedPortfolio:
    """Start each plan's own execution once what it depends on is up."""
    return await starter.start(service, caller, portfolio_id, request, key=idempotency_key)


@router.post("/portfolios/{execution_id}/cancel", summary="Cancel a portfolio", responses=_CHANGES)
async def cancel_portfolio(
    service: Service, caller: Operator, execution_id: ExecutionId, request: PortfolioCancelRequest
) -> PortfolioEffect:
    """Start nothing more, and cancel the executions that it started."""
    own = portfolios_of(service, caller)
    state = await own.state(execution_id)
    refusal = portfolio_cancel_refusal(state.portfolio_id, request.confirmation)
    raise_if_refused(refusal, state.portfolio_id)
    effect = await own.cancel(state, reason=request.reason, confirmation=request.confirmation)
    return PortfolioEffect(effect=effect)


@router.post(
    "/portfolios/{execution_id}/{message}", summary="Steer a portfolio", responses=_CHANGES
)
async def send_portfolio_message(
    service: Service,
    caller: Operator,
    execution_id: ExecutionId,
    message: PortfolioMessageName,
    request: PortfolioMessageRequest,
) -> PortfolioEffect:
    """Pause or resume it; skip, start or accept a plan."""
    own = portfolios_of(service, caller)
    state = await own.state(execution_id)
    meant = PortfolioMessage(plan=request.plan, reason=request.reason)
    return PortfolioEffect(effect=await own.send(state, message, meant))
