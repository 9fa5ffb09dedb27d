"""Puts back what a step replaced."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import StrictBool

from api.auth.access import AuthenticatedRoute, Operator, Service
from api.parameters import ExecutionId
from api.problems import BODY_PROBLEMS, problem_responses
from recovery.base_model import Model, StrictModel
from recovery.steps.replaced import RevertView

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)
_Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class RevertRequest(StrictModel):
    """What is put back.

    Attributes:
        view: as it was shown; if something else is there by now, nothing is done.
        confirmation: `WAVE/STEP`.
        force: also if someone else has changed it since the step.
    """

    view: RevertView
    confirmation: str
    force: StrictBool = False


class RevertedStep(Model):
    """What was done."""

    text: str


@router.get(
    "/steps/{wave_id}/{step_id}/revert",
    summary="Look at what a step replaced",
    responses=problem_responses(HTTPStatus.CONFLICT),
)
async def look_at_step(
    service: Service, caller: Operator, execution_id: ExecutionId, wave_id: _Id, step_id: _Id
) -> RevertView:
    """Return what a Route53Record or RoutingControl step replaced, and what is there now."""
    result = await service.revert_step(caller, execution_id, f"{wave_id}/{step_id}")
    return result.view


@router.post(
    "/steps/{wave_id}/{step_id}/revert",
    summary="Put back what a step replaced",
    responses=problem_responses(HTTPStatus.CONFLICT, *BODY_PROBLEMS),
)
async def put_back(
    *,
    service: Service,
    caller: Operator,
    execution_id: ExecutionId,
    wave_id: _Id,
    step_id: _Id,
    request: RevertRequest,
) -> RevertedStep:
    """Put back what was shown; after a real recovery this needs the role admin."""
    result = await service.revert_step(
        caller,
        execution_id,
        f"{wave_id}/{step_id}",
        view=request.view,
        confirmation=request.confirmation,
        is_forced=request.force,
    )
    return RevertedStep(text=result.text)
