"""Starts executions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.auth.access import Operator, Service
from api.execution_starter import StartRequest
from api.parameters import PlanId
from api.problem_responses import write_responses
from recovery.base_model import Model

router = APIRouter(tags=["Executions"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="A unique key, such as a UUID. A repeat with the same key starts nothing.",
    ),
]


class StartedExecution(Model):
    """The execution that a request started.

    Attributes:
        is_new: false if an earlier request with the same key started it.
        warnings: steps that failed, although the execution was started.
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
        **write_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
        200: {
            "description": "An earlier request with the same Idempotency-Key started the execution",
            "model": StartedExecution,
        },
    },
)
async def start(
    *,
    service: Service,
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
    result = await service.start(caller, plan_id, request, key=idempotency_key)
    if not result.is_new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/api/executions/{result.execution_id}"
    return StartedExecution(
        execution_id=result.execution_id,
        plan_id=result.plan_id,
        is_new=result.is_new,
        warnings=list(result.warnings),
    )
