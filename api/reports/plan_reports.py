"""A plan over time, portfolios, and the open action items of all executions."""

import asyncio
import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from api.auth.access import AuthenticatedRoute, Caller, Service
from api.parameters import MAX_TIME, NameOrId, PlanId
from api.problems import problem_responses
from api.reports.execution_reports import ActionItemList, Declared
from api.reports.responses import html_response
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary

router = APIRouter(tags=["Reports"], route_class=AuthenticatedRoute)

_UNKNOWN_PORTFOLIO = problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_YEAR_SECONDS = 365 * 86_400.0
Since = Annotated[
    float | None,
    Query(
        ge=0,
        le=MAX_TIME,
        allow_inf_nan=False,
        description="Executions that started since then, in epoch seconds. Default: a year ago.",
    ),
]


@router.get("/plans/{plan_id}/report.json", summary="Get the executions of a plan over time")
async def plan_report_json(
    service: Service, caller: Caller, plan_id: PlanId, since: Since = None
) -> PlanSummary:
    """Return of each what it took, reached and left out, and what changed."""
    return await service.reports.summary(plan_id, _start(since))


@router.get(
    "/plans/{plan_id}/report.html",
    summary="Get the executions of a plan over time as HTML",
    response_class=HTMLResponse,
)
async def plan_report_page(
    service: Service, caller: Caller, plan_id: PlanId, since: Since = None
) -> Response:
    """Return one file that loads nothing and prints on A4."""
    found = await service.reports.summary(plan_id, _start(since))
    return await asyncio.to_thread(html_response, found)


@router.get(
    "/portfolios/{name}/report.json",
    summary="Get the report of a portfolio",
    responses=_UNKNOWN_PORTFOLIO,
)
async def portfolio_report_json(
    service: Service, caller: Caller, name: NameOrId, declared: Declared = None
) -> PortfolioReport:
    """Return what each plan took, reached and left out, from the history alone."""
    return await service.reports.portfolio(name, declared)


@router.get(
    "/portfolios/{name}/report.html",
    summary="Get the report of a portfolio as HTML",
    response_class=HTMLResponse,
    responses=_UNKNOWN_PORTFOLIO,
)
async def portfolio_report_page(
    service: Service, caller: Caller, name: NameOrId, declared: Declared = None
) -> Response:
    """Return one file that loads nothing and prints on A4."""
    found = await service.reports.portfolio(name, declared)
    return await asyncio.to_thread(html_response, found)


@router.get("/action-items", summary="List the open action items")
async def open_action_items(service: Service, caller: Caller) -> ActionItemList:
    """Return those of all executions, the overdue ones first."""
    return ActionItemList(action_items=await service.reports.action_items(None))


def _start(since: float | None) -> float:
    return time.time() - _YEAR_SECONDS if since is None else since
