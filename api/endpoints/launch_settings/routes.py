"""Compares the launch settings of plans with DRS and EC2, and applies them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.auth.rate_limits import READINESS
from api.auth.tokens import Principal
from api.endpoints.registration import BODY, read_body
from api.parameters import MAX_VERSIONS, IdempotencyKey, PlanId, Version
from api.problems import BODY_PROBLEMS, problem_responses, raise_if_refused
from api.service import ExecutionService
from client.launch_settings.settings import apply_state, read_settings, start_apply
from contract.identifiers import new_execution_id
from recovery.base_model import Model, StrictModel
from recovery.launch_settings.report import ApplyState, ServerSettings
from recovery.operator.confirmation import launch_settings_refusal
from recovery.plan.fields import PlanOrWaveId
from recovery.plan.model import RecoveryPlan

router = APIRouter(tags=["Plans"], route_class=AuthenticatedRoute)
_UNKNOWN_PLAN = problem_responses(HTTPStatus.NOT_FOUND)


class SettingsComparison(Model):
    """What DRS and EC2 have for each server of a plan, and how it differs from the plan."""

    servers: list[ServerSettings]


class ApplyLaunchSettings(StrictModel):
    """What is applied.

    Attributes:
        version: the registered version of the plan; default: the newest.
        confirmation: the PlanId.
    """

    version: Annotated[int, Field(ge=1, le=MAX_VERSIONS)] | None = None
    confirmation: PlanOrWaveId | None = None


class StartedApply(Model):
    """What was started; get its state from the URL in `Location`."""

    apply_id: str
    plan_id: str


@router.get(
    "/plans/{plan_id}/launch-settings",
    summary="Compare launch settings with a plan",
    responses=_UNKNOWN_PLAN,
)
async def launch_settings(
    service: Service, caller: Caller, plan_id: PlanId, version: Version = None
) -> SettingsComparison:
    """Return what a worker finds in DRS and EC2. Changes nothing."""
    return await _compared(service, caller, (await service.plan(plan_id, version)).plan)


@router.post(
    "/plans/launch-settings",
    summary="Compare launch settings with a plan file",
    responses=problem_responses(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, *BODY_PROBLEMS),
    openapi_extra=BODY,
)
async def launch_settings_of_file(
    service: Service, caller: Operator, request: Request
) -> SettingsComparison:
    """Return what a worker finds for a plan that need not be registered. Changes nothing."""
    return await _compared(service, caller, (await read_body(request)).plan)


@router.post(
    "/plans/{plan_id}/launch-settings",
    summary="Apply the launch settings of a plan",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *BODY_PROBLEMS),
)
async def apply_launch_settings(
    *,
    service: Service,
    caller: Operator,
    plan_id: PlanId,
    response: Response,
    request: ApplyLaunchSettings | None = None,
    idempotency_key: IdempotencyKey = None,
) -> StartedApply:
    """Give DRS and EC2 what the plan names; what it does not name is not touched."""
    given = request or ApplyLaunchSettings()
    plan = (await service.plan(plan_id, given.version)).plan
    raise_if_refused(launch_settings_refusal(plan_id, given.confirmation), plan_id)
    key = idempotency_key and f"{caller.subject}\n{plan_id}\n{idempotency_key}"
    start = await start_apply(
        await service.client(),
        plan,
        actor=caller.subject,
        confirmation=given.confirmation,
        signer=service.signing.signer(caller),
        apply_id=new_execution_id(plan_id, key),
    )
    response.headers["Location"] = f"/api/plans/{plan_id}/launch-settings/applied"
    return StartedApply(apply_id=start.apply_id, plan_id=plan_id)


@router.get(
    "/plans/{plan_id}/launch-settings/applied",
    summary="Get how far launch settings are applied",
    responses=_UNKNOWN_PLAN | problem_responses(HTTPStatus.CONFLICT),
)
async def applied_launch_settings(service: Service, caller: Caller, plan_id: PlanId) -> ApplyState:
    """Return what became of each server that had not what the plan wants."""
    await service.plan(plan_id)
    return await apply_state(await service.client(), plan_id)


async def _compared(
    service: ExecutionService, caller: Principal, plan: RecoveryPlan
) -> SettingsComparison:
    await service.limits.count(READINESS, caller.subject)
    found: list[ServerSettings] = []
    async for some in read_settings(await service.client(), plan):
        found += some
    return SettingsComparison(servers=found)
