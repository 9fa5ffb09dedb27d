"""How long plans will take, and whether they could be launched now."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.auth.access import Caller, TheHouse
from api.parameters import PlanId
from api.problem_responses import acting, looking
from client.readiness import check_readiness
from contract.readiness import Readiness
from recovery.base_model import StrictModel
from recovery.forecast.report import ForecastReport
from recovery.plan.model import PlanOrWaveId

router = APIRouter(tags=["Plans"])

_MOST_PLANS = 200


class ForecastRequest(StrictModel):
    """Which plans are to be forecast as if all started at once."""

    plan_ids: Annotated[list[PlanOrWaveId], Field(min_length=1, max_length=_MOST_PLANS)]


@router.get(
    "/plans/{plan_id}/forecast",
    summary="How long a plan will take",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def forecast_of_plan(house: TheHouse, caller: Caller, plan_id: PlanId) -> ForecastReport:
    """By what its servers took in recorded executions, and by what is usual for the others."""
    return await house.forecast([(await house.plan(plan_id)).plan])


@router.post(
    "/forecast",
    summary="How long plans will take that start at once",
    responses=acting(HTTPStatus.NOT_FOUND),
)
async def forecast_of_plans(
    house: TheHouse, caller: Caller, request: ForecastRequest
) -> ForecastReport:
    """Each alone, and all at once under DRS's quotas. Nothing is started."""
    wanted = dict.fromkeys(request.plan_ids)
    return await house.forecast([(await house.plan(plan_id)).plan for plan_id in wanted])


@router.get(
    "/plans/{plan_id}/readiness",
    summary="Whether a plan could be launched now",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def readiness(house: TheHouse, caller: Caller, plan_id: PlanId) -> Readiness:
    """What the worker, which has the credentials, sees of a plan; nothing is launched."""
    plan = (await house.plan(plan_id)).plan
    return await check_readiness(await house.client(), plan)
