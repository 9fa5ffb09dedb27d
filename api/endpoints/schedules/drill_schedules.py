"""Shows, pauses, resumes, runs, signs and revokes the schedules of drills."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import StringConstraints

from api.auth.access import AuthenticatedRoute, Caller, InRole, Operator, Service
from api.auth.audited_requests import note
from api.auth.tokens import Principal
from api.parameters import PlanId
from api.problems import BODY_PROBLEMS, problem_responses
from client.schedules.view import ScheduleView
from recovery.access.roles import Role
from recovery.base_model import StrictModel
from recovery.plan.fields import TEXT_PATTERN
from recovery.schedule.record import DrillRecord

router = APIRouter(
    tags=["Schedules"],
    route_class=AuthenticatedRoute,
    responses=problem_responses(HTTPStatus.CONFLICT),
)
Approver = Annotated[Principal, Depends(InRole((Role.APPROVER,)))]
_CHANGES = problem_responses(*BODY_PROBLEMS)


class ScheduleChange(StrictModel):
    """A change of a schedule."""

    reason: Annotated[str, StringConstraints(max_length=500, pattern=f"^{TEXT_PATTERN}$")] = ""


@router.get("/schedules", summary="List the schedules of drills")
async def schedules(service: Service, caller: Caller) -> list[ScheduleView]:
    """Return each schedule with its next times and what became of its last drill."""
    return list(await service.schedules.list())


@router.get("/plans/{plan_id}/schedule", summary="Get the schedule of a plan's drills")
async def schedule(service: Service, caller: Caller, plan_id: PlanId) -> ScheduleView:
    """Return it with its last drills."""
    return await service.schedules.show(plan_id)


@router.post("/plans/{plan_id}/schedule/pause", summary="Pause a schedule", responses=_CHANGES)
async def pause_schedule(
    service: Service, caller: Operator, plan_id: PlanId, change: ScheduleChange | None = None
) -> ScheduleView:
    """Start no drill until somebody resumes it; a registration does not."""
    note(plan_id=plan_id, text="schedule pause")
    reason = change.reason if change else ""
    return await service.schedules.pause(plan_id, actor=caller.subject, reason=reason)


@router.post("/plans/{plan_id}/schedule/resume", summary="Resume a schedule", responses=_CHANGES)
async def resume_schedule(
    service: Service, caller: Operator, plan_id: PlanId, change: ScheduleChange | None = None
) -> ScheduleView:
    """Start drills again."""
    note(plan_id=plan_id, text="schedule resume")
    reason = change.reason if change else ""
    return await service.schedules.resume(plan_id, actor=caller.subject, reason=reason)


@router.post("/plans/{plan_id}/schedule/run-now", summary="Have a scheduled drill at once")
async def run_schedule(service: Service, caller: Operator, plan_id: PlanId) -> DrillRecord:
    """Start a drill as the schedule would, unless something skips it; returns what was decided."""
    note(plan_id=plan_id, text="schedule run-now")
    signer = service.signing.signer(caller)
    return await service.schedules.run_now(plan_id, actor=caller.subject, signer=signer)


@router.post("/plans/{plan_id}/schedule/sign", summary="Sign a schedule")
async def sign_schedule(service: Service, caller: Operator, plan_id: PlanId) -> ScheduleView:
    """Sign what the schedule of the registered plan may start, anew."""
    note(plan_id=plan_id, text="schedule sign")
    signer = service.signing.signer(caller)
    return await service.schedules.sign(plan_id, actor=caller.subject, signer=signer)


@router.post("/plans/{plan_id}/schedule/revoke", summary="Revoke a schedule", responses=_CHANGES)
async def revoke_schedule(
    service: Service, caller: Approver, plan_id: PlanId, change: ScheduleChange | None = None
) -> ScheduleView:
    """Revoke the signature of a schedule for good, and pause it."""
    note(plan_id=plan_id, text="schedule revoke")
    reason = change.reason if change else ""
    return await service.schedules.revoke(plan_id, actor=caller.subject, reason=reason)
