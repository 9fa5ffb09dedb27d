"""Starting executions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.auth.access import Operator, TheHouse
from api.parameters import PlanId
from api.problem_responses import acting
from api.starts import StartRequest
from recovery.base_model import Model

router = APIRouter(tags=["Executions"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Asking again with the same key starts nothing more; a UUID, say.",
    ),
]


class StartedExecution(Model):
    """An execution that was asked for.

    Attributes:
        is_new: it was started by this request, not by an earlier one with the same key.
        warnings: what did not go as it should; the execution was started all the same.
    """

    execution_id: str
    plan_id: str
    is_new: bool
    warnings: list[str] = []


@router.post(
    "/plans/{plan_id}/executions",
    summary="Start a drill or a recovery",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        **acting(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
        200: {
            "description": "The same request, by its Idempotency-Key, has started it before",
            "model": StartedExecution,
        },
    },
)
async def start(
    *,
    house: TheHouse,
    caller: Operator,
    plan_id: PlanId,
    request: StartRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> StartedExecution:
    """Start an execution of a registered plan.

    A real recovery needs the PlanId as its Confirmation. Relaunch, which may destroy live
    instances, needs the role admin.
    """
    started = await house.start(caller, plan_id, request, key=idempotency_key)
    if not started.is_new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/api/executions/{started.execution_id}"
    return StartedExecution(
        execution_id=started.execution_id,
        plan_id=started.plan_id,
        is_new=started.is_new,
        warnings=list(started.warnings),
    )
