"""Starts and lists executions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.execution_export import ExportFormat
from api.execution_starter import StartRequest
from api.export import ExecutionList, exported_list
from api.parameters import IdempotencyKey, NameOrId, PlanId, PlanIdFilter
from api.problems import BODY_PROBLEMS, problem_responses
from client.executions import require_running
from client.overview import MAX_ROWS
from client.recoveries.protocol import StartedExecution
from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)

State = Annotated[PlanStatus | None, Query(description="Only executions in this state.")]
Limit = Annotated[int, Query(ge=1, le=MAX_ROWS, description="The maximum number of executions.")]
_START_PROBLEMS = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


class RecordedExecutions(Model):
    """Recorded executions without their waves, the newest first."""

    executions: list[ExecutionState]


class Running(Model):
    """A running execution, as Temporal has it without a worker."""

    plan_id: str
    execution_id: str
    execution_type: ExecutionType | None = None


@router.get("/executions", summary="List executions")
async def executions(
    service: Service,
    caller: Caller,
    plan_id: PlanIdFilter = None,
    state: State = None,
    limit: Limit = 50,
) -> ExecutionList:
    """List running executions from Temporal and past ones from the history.

    If one of the two does not answer, `Warnings` says what is missing.
    """
    return ExecutionList.of(await service.executions(plan_id=plan_id, state=state, limit=limit))


@router.get(
    "/executions.csv",
    summary="Export a list of executions",
    response_class=PlainTextResponse,
    responses={200: {"description": "A row an execution", "content": {"text/csv": {}}}},
)
async def executions_csv(
    service: Service,
    caller: Caller,
    plan_id: PlanIdFilter = None,
    state: State = None,
    limit: Limit = MAX_ROWS,
) -> Response:
    """Return a row an execution, with times in UTC; nothing if the list is not complete."""
    known = await service.executions(plan_id=plan_id, state=state, limit=limit)
    return exported_list(known, ExportFormat.CSV)


@router.get("/history", summary="List recorded executions")
async def history(
    service: Service, caller: Caller, plan_id: PlanIdFilter = None, limit: Limit = 50
) -> RecordedExecutions:
    """Return what DynamoDB has, without Temporal."""
    found = await service.history.executions(plan_id=plan_id, limit=limit)
    return RecordedExecutions(executions=found)


@router.get(
    "/running/{name}",
    summary="Find the running execution of a plan",
    responses=problem_responses(HTTPStatus.CONFLICT),
)
async def running(service: Service, caller: Caller, name: NameOrId) -> Running:
    """Return the execution that a PlanId or an execution's ID names, if it runs."""
    found = await require_running(await service.client(), name)
    return Running(
        plan_id=found.plan_id,
        execution_id=found.execution_id,
        execution_type=found.execution_type,
    )


@router.post(
    "/plans/{plan_id}/executions",
    summary="Start a drill or a recovery",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        **problem_responses(*_START_PROBLEMS, *BODY_PROBLEMS),
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
    started = await service.starter.start(caller, plan_id, request, key=idempotency_key)
    if not started.is_new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/api/executions/{started.execution_id}"
    return started
