"""Starts and reports clean-ups."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from api.auth.access import Caller, Operator, Service
from api.parameters import ExecutionId
from api.problem_responses import read_responses, write_responses
from recovery.base_model import Model, StrictModel
from recovery.execution.cleanup_state import CleanupState
from recovery.plan.model import PlanOrWaveId

router = APIRouter(tags=["Executions"])


class CleanupRequest(StrictModel):
    """How to clean up.

    Attributes:
        force: terminate the instances of a real recovery; needs the role admin.
        confirmation: the PlanId; required after a real recovery.
    """

    force: Annotated[bool, Field(strict=True)] = False
    confirmation: PlanOrWaveId | None = None


class StartedCleanup(Model):
    """A clean-up that was started; get its state from the URL in `Location`."""

    execution_id: str


@router.post(
    "/executions/{execution_id}/cleanup",
    summary="Terminate the instances of an execution",
    status_code=HTTPStatus.ACCEPTED,
    responses=write_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
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


@router.get(
    "/executions/{execution_id}/cleanup",
    summary="Get the state of a clean-up",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def cleanup(service: Service, caller: Caller, execution_id: ExecutionId) -> CleanupState:
    """Return the terminated and the remaining instances, from Temporal or the history."""
    return await service.cleanup(execution_id)
