"""Starts portfolios of registered plans for callers of the API."""

import asyncio
import time
from dataclasses import replace
from typing import Annotated

from pydantic import Field, StrictBool
from temporalio.client import Client

from api.auth.audited_requests import note
from api.auth.rate_limits import starts
from api.auth.roles import require, require_starter
from api.auth.tokens import Principal
from api.execution_starter import RequestedHash, RequestedPoint, RequestedTime
from api.parameters import EXECUTION_ID_PATTERN, MAX_VERSIONS
from api.problems import raise_if_refused
from api.service import ExecutionService
from client.connection import temporal_place
from client.errors import RefusedError
from client.portfolios.order import OrderedPlan, PortfolioOrder, StartedPortfolio
from client.portfolios.start import (
    require_valid,
    start_portfolio,
    with_findings,
    with_servers,
)
from client.portfolios.temporal import TemporalPortfolios
from client.readiness.before_drill import look_before_drill
from client.recoveries.membership import read_membership
from client.recoveries.snapshots import read_snapshots
from contract.identifiers import new_execution_id
from recovery.access.roles import Role
from recovery.base_model import StrictModel
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import (
    IntendedStart,
    RequestRefusal,
    portfolio_refusal,
    start_options_refusal,
)
from recovery.plan.fields import MAX_SECONDS, Name, PlanOrWaveId
from recovery.plan.membership import unresolved
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.model import (
    DEADLINE_SECONDS,
    MAX_PLANS,
    Dependency,
    PlanDependency,
    PortfolioMember,
    PortfolioPriority,
)
from recovery.readiness.finding import Finding

_AT_ONCE = 8


class RequestedPlan(StrictModel):
    """A registered plan of a portfolio.

    Attributes:
        version: default: the newest.
        depends_on: plans of the portfolio, or waves as `PlanId/WaveId`, that come first.
        priority: instead of the plan's own.
        plan_hash: of the plan as it was shown; if it is another one now, nothing is started.
        points_hash: what was shown of the choice of snapshots; likewise.
    """

    plan_id: PlanOrWaveId
    version: Annotated[int, Field(strict=True, ge=1, le=MAX_VERSIONS)] | None = None
    depends_on: Annotated[list[Dependency], Field(max_length=MAX_PLANS)] = []
    priority: PortfolioPriority | None = None
    plan_hash: RequestedHash | None = None
    points_hash: RequestedHash | None = None


class PortfolioStartRequest(StrictModel):
    """How to run many plans.

    Attributes:
        confirmation: the PortfolioId.
        plans: what to run.
        point_in_time: what all plans are recovered to; chosen once, at the start.
        from_execution: an execution of the portfolio whose plans are continued. `plans` are then
            those that are started, as they were shown; default: whichever did not complete.
        declared_time: when the disaster or the exercise was declared (epoch seconds); the RTOs are
            measured from then. Default: the start.
        accept_findings: start drills although the look before finds what blocks, or cannot look
            at something.
        replace_drills: first cancel running drills of the plans; for a real recovery.
    """

    execution_type: ExecutionType = ExecutionType.DRILL
    confirmation: PlanOrWaveId | None = None
    name: Name | None = None
    plans: Annotated[list[RequestedPlan], Field(max_length=MAX_PLANS)] = []
    deadline_seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)] = DEADLINE_SECONDS
    point_in_time: RequestedPoint | None = None
    from_execution: Annotated[str, Field(pattern=f"^{EXECUTION_ID_PATTERN}$")] | None = None
    declared_time: RequestedTime | None = None
    accept_findings: StrictBool = False
    replace_drills: StrictBool = False


def portfolios_of(service: ExecutionService, caller: Principal) -> TemporalPortfolios:
    """The portfolios, as a caller reads and steers them."""
    return TemporalPortfolios(service.client, service.signing.signer(caller), caller.subject)


async def start(
    service: ExecutionService,
    caller: Principal,
    portfolio_id: str,
    request: PortfolioStartRequest,
    *,
    key: str | None,
) -> StartedPortfolio:
    """Start a portfolio.

    Args:
        service: the API's.
        caller: who starts it.
        portfolio_id: the portfolio.
        request: what to run.
        key: an idempotency key; a repeated request with the same key starts nothing.

    Raises:
        ApiProblem: the request is refused; nothing was started.
        RefusedError: the portfolio runs already, or cannot be run.
    """
    require(caller, Role.OPERATOR)
    unique = key and f"{caller.subject}\n{portfolio_id}\n{key}"
    execution_id = new_execution_id(portfolio_id, unique)
    note(plan_id=portfolio_id, execution_id=execution_id, text=request.execution_type.value)
    refusal = portfolio_refusal(portfolio_id, request.execution_type, request.confirmation)
    raise_if_refused(refusal or _options_refusal(portfolio_id, request), portfolio_id)
    client, portfolios = await service.client(), portfolios_of(service, caller)
    if key is not None and await portfolios.was_started(portfolio_id, execution_id):
        return StartedPortfolio(
            execution_id=execution_id,
            portfolio_id=portfolio_id,
            temporal=temporal_place(client),
        )
    await portfolios.require_startable(portfolio_id, replace_drills=request.replace_drills)
    await service.limits.count(starts(service.settings), caller.subject)
    order = replace(
        await _order(service, portfolios, portfolio_id, request),
        confirmation=request.confirmation,
        declared=request.declared_time,
        replace_drills=request.replace_drills,
    )
    require_valid(order, is_signed=service.signing.signer(caller) is not None)
    if request.execution_type is ExecutionType.RECOVERY:
        for plan in order.to_start:
            require_starter(caller, plan, await service.plans.plan(plan.plan_id))
    else:
        order = await _with_findings(client, order, is_accepted=request.accept_findings)
    return await start_portfolio(
        client,
        order,
        started_by=caller.subject,
        execution_id=execution_id,
        signer=service.signing.signer(caller),
    )


def _options_refusal(portfolio_id: str, request: PortfolioStartRequest) -> RequestRefusal | None:
    point = request.point_in_time
    intended = IntendedStart(
        portfolio_id,
        request.execution_type,
        replaces_drill=request.replace_drills,
        continues=request.from_execution is not None,
        point_in_time=point.point_in_time if point else None,
        declared=request.declared_time,
        now=time.time(),
    )
    return start_options_refusal(intended)


def _require_shown(plan: RecoveryPlan, shown: RequestedPlan) -> None:
    if shown.plan_hash not in (None, plan.plan_hash):
        raise RefusedError(
            f"nothing was started: the registered plan {plan.plan_id} is another one, or has other "
            "servers, than was shown; register the plan that is meant, and look at it again"
        )
    if shown.points_hash not in (None, plan.points_hash):
        raise RefusedError(
            f"nothing was started: other snapshots are chosen for {plan.plan_id} now than were "
            "shown, because DRS has others or could not be read; look at them again"
        )


async def _with_findings(
    client: Client, order: PortfolioOrder, *, is_accepted: bool
) -> PortfolioOrder:
    """The order of drills, with what a look at its plans finds.

    Raises:
        RefusedError: somebody has to accept it.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(plan: RecoveryPlan) -> list[Finding]:
        async with slots:
            found = await look_before_drill(client, plan, None)
            return found.findings if found else []

    found = await asyncio.gather(*map(look, order.to_start))
    by_plan = {plan.plan_id: each for plan, each in zip(order.to_start, found, strict=True)}
    return with_findings(order, by_plan, is_accepted=is_accepted)


async def _order(
    service: ExecutionService,
    portfolios: TemporalPortfolios,
    portfolio_id: str,
    request: PortfolioStartRequest,
) -> PortfolioOrder:
    if request.from_execution is not None:
        order = await portfolios.continuation(request.from_execution, request.execution_type)
        shown = {each.plan_id: each for each in request.plans}
        for plan in order.to_start if shown else ():
            if plan.plan_id not in shown:
                raise RefusedError(
                    f"nothing was started: {plan.plan_id} was running or up when it was shown, and "
                    "is no longer; look at it again"
                )
            _require_shown(plan, shown[plan.plan_id])
        if order.portfolio_id != portfolio_id:
            raise RefusedError(
                f"nothing was started: {request.from_execution} is of {order.portfolio_id}"
            )
        return order
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(each: RequestedPlan) -> OrderedPlan:
        async with slots:
            plan = (await service.plan(each.plan_id, each.version)).plan
            if unresolved(plan):
                known_tags = await read_membership(await service.client(), service.plans, plan)
                is_drill = request.execution_type is ExecutionType.DRILL
                plan = with_servers(plan, known_tags, is_drill=is_drill)
            if request.point_in_time is not None:
                wanted = request.point_in_time.point_in_time
                known = await read_snapshots(await service.client(), plan, wanted.time)
                plan = plan.at_point_in_time(wanted, known.by_server)
            _require_shown(plan, each)
        needed = tuple(PlanDependency.of(one) for one in each.depends_on)
        return OrderedPlan(PortfolioMember(plan, needed, each.priority))

    plans = await asyncio.gather(*map(read, request.plans))
    point = request.point_in_time
    return PortfolioOrder(
        portfolio_id=portfolio_id,
        portfolio_name=request.name or portfolio_id,
        execution_type=request.execution_type,
        plans=plans,
        deadline_seconds=request.deadline_seconds,
        point_in_time=point.point_in_time if point else None,
    )
