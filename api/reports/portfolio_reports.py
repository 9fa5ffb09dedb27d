"""The report of a portfolio. Nothing needs Temporal."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.auth.access import AuthenticatedRoute, Caller, Service
from api.parameters import NameOrId
from api.problems import problem_responses
from api.reports.execution_reports import Declared
from api.reports.responses import html_response
from recovery.report.portfolio import PortfolioReport

router = APIRouter(tags=["Reports"], route_class=AuthenticatedRoute)

_PROBLEMS = problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.get(
    "/portfolios/{name}/report.json",
    summary="Get the report of a portfolio",
    responses=_PROBLEMS,
)
async def portfolio_report_json(
    service: Service, caller: Caller, name: NameOrId, declared: Declared = None
) -> PortfolioReport:
    """Return of each plan what it took, reached and left out, from the history alone."""
    return await service.reports.portfolio(name, declared)


@router.get(
    "/portfolios/{name}/report.html",
    summary="Get the report of a portfolio as HTML",
    response_class=HTMLResponse,
    responses=_PROBLEMS,
)
async def portfolio_report_page(
    service: Service, caller: Caller, name: NameOrId, declared: Declared = None
) -> Response:
    """Return one file that loads nothing and prints on A4."""
    found = await service.reports.portfolio(name, declared)
    return await asyncio.to_thread(html_response, found)
