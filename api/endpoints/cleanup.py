"""Terminating what an execution launched."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from api.auth.access import Caller, Operator, TheHouse
from api.parameters import ExecutionId
from api.problem_responses import acting, looking
from recovery.base_model import Model, StrictModel
from recovery.execution.cleanup_state import CleanupState
from recovery.plan.model import PlanOrWaveId

router = APIRouter(tags=["Executions"])


class CleanupRequest(StrictModel):
    """What is to be cleaned up.

    Attributes:
        force: terminate what a real recovery launched; needs the role admin.
        confirmation: the PlanId, which that needs too.
    """

    force: Annotated[bool, Field(strict=True)] = False
    confirmation: PlanOrWaveId | None = None


class CleanupBegun(Model):
    """A clean-up that was started; ask for it to see what it does."""

    execution_id: str


@router.post(
    "/executions/{execution_id}/cleanup",
    summary="Terminate what an execution launched",
    status_code=HTTPStatus.ACCEPTED,
    responses=acting(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def clean_up(
    house: TheHouse,
    caller: Operator,
    execution_id: ExecutionId,
    response: Response,
    request: CleanupRequest | None = None,
) -> CleanupBegun:
    """Terminate exactly the recovery instances that an execution launched, by its history."""
    asked = request or CleanupRequest()
    await house.clean_up(caller, execution_id, force=asked.force, confirmation=asked.confirmation)
    response.headers["Location"] = f"/api/executions/{execution_id}/cleanup"
    return CleanupBegun(execution_id=execution_id)


@router.get(
    "/executions/{execution_id}/cleanup",
    summary="How a clean-up stands",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def cleanup(house: TheHouse, caller: Caller, execution_id: ExecutionId) -> CleanupState:
    """What is terminated and what is still there, by the running clean-up or the history."""
    return await house.cleanup(execution_id)
