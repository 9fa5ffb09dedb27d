"""Forecasts and readiness checks of registered plans."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.auth.access import Caller, Service
from api.parameters import PlanId
from api.problem_responses import read_responses, write_responses
from client.readiness import check_readiness
from contract.readiness import Readiness
from recovery.base_model import StrictModel
from recovery.forecast.report import ForecastReport
from recovery.plan.model import PlanOrWaveId

router = APIRouter(tags=["Plans"])

_MAX_PLANS = 200


class ForecastRequest(StrictModel):
    """The plans to forecast as if all start at the same time."""

    plan_ids: Annotated[list[PlanOrWaveId], Field(min_length=1, max_length=_MAX_PLANS)]


@router.get(
    "/plans/{plan_id}/forecast",
    summary="Forecast a plan",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def forecast_of_plan(service: Service, caller: Caller, plan_id: PlanId) -> ForecastReport:
    """Estimate the duration from recorded executions, and from defaults for other servers."""
    return await service.forecast([(await service.plan(plan_id)).plan])


@router.post(
    "/forecast",
    summary="Forecast several plans that start together",
    responses=write_responses(HTTPStatus.NOT_FOUND),
)
async def forecast_of_plans(
    service: Service, caller: Caller, request: ForecastRequest
) -> ForecastReport:
    """Estimate each plan alone, and all together under DRS's quotas. Starts nothing."""
    plan_ids = dict.fromkeys(request.plan_ids)
    return await service.forecast([(await service.plan(plan_id)).plan for plan_id in plan_ids])


@router.get(
    "/plans/{plan_id}/readiness",
    summary="Check the readiness of a plan",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def readiness(service: Service, caller: Caller, plan_id: PlanId) -> Readiness:
    """Return what the worker, which has the AWS credentials, finds. Launches nothing."""
    plan = (await service.plan(plan_id)).plan
    return await check_readiness(await service.client(), plan)
