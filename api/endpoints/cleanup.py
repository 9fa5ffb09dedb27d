"""Starts and reports clean-ups."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import StrictBool

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.parameters import ExecutionId
from api.problems import BODY_PROBLEMS, problem_responses
from recovery.base_model import Model, StrictModel
from recovery.execution.cleanup_state import CleanupState
from recovery.plan.fields import PlanOrWaveId

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)


class CleanupRequest(StrictModel):
    """How to clean up.

    Attributes:
        force: terminate the instances of a real recovery; needs the role admin.
        confirmation: the PlanId; required after a real recovery.
    """

    force: StrictBool = False
    confirmation: PlanOrWaveId | None = None


class StartedCleanup(Model):
    """A clean-up that was started; get its state from the URL in `Location`."""

    execution_id: str


@router.post(
    "/cleanup",
    summary="Terminate the instances of an execution",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(HTTPStatus.CONFLICT, *BODY_PROBLEMS),
)
async def clean_up(
    service: Service,
    caller: Operator,
    execution_id: ExecutionId,
    response: Response,
    request: CleanupRequest | None = None,
) -> StartedCleanup:
    """Terminate the recovery instances that the history records for this execution, no others."""
    options = request or CleanupRequest()
    await service.clean_up(
        caller, execution_id, force=options.force, confirmation=options.confirmation
    )
    response.headers["Location"] = f"/api/executions/{execution_id}/cleanup"
    return StartedCleanup(execution_id=execution_id)


@router.get("/cleanup", summary="Get the state of a clean-up")
async def cleanup(service: Service, caller: Caller, execution_id: ExecutionId) -> CleanupState:
    """Return the terminated and the remaining instances, from Temporal or the history."""
    return await service.cleanup(execution_id)
