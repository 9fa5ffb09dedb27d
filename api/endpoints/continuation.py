"""What a new execution would take over from an earlier one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.auth.access import AuthenticatedRoute, Operator
from api.endpoints.registration import BODY, read_body
from api.parameters import ExecutionId
from api.problems import BODY_PROBLEMS, problem_responses
from client.takeover import previous_execution
from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.plan.model import RecoveryPlan

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)


class Continuation(Model):
    """An execution to continue.

    Attributes:
        execution: whose servers are taken over.
        plan: what would run.
        changes: how the plan differs from that of the execution, a line each.
        named: the execution that the request names; another one if that launched nothing.
    """

    execution: ExecutionState
    plan: RecoveryPlan
    changes: list[str]
    named: str


@router.post(
    "/continuation",
    summary="Show what continuing an execution takes over",
    responses=problem_responses(HTTPStatus.CONFLICT, *BODY_PROBLEMS),
    openapi_extra={"requestBody": {**BODY["requestBody"], "required": False}},
)
async def continuation(
    caller: Operator,
    execution_id: ExecutionId,
    request: Request,
    execution_type: Annotated[ExecutionType, Query(description="Of the new execution.")],
    replace_drill: Annotated[
        bool, Query(description="A running drill of the plan ends first.")
    ] = False,
) -> Continuation:
    """Return what is taken over by its own plan, or by the corrected one in the body.

    Starts nothing.
    """
    corrected = (await read_body(request)).plan if await request.body() else None
    found = await previous_execution(
        execution_id, corrected, execution_type, replace_drill=replace_drill
    )
    return Continuation(
        execution=found.state, plan=found.plan, changes=list(found.changes), named=found.named
    )
