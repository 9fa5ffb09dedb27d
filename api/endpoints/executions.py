"""Lists executions and returns their state."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.access import Caller, Service
from api.parameters import ExecutionId, PlanIdFilter
from api.problem_responses import read_responses
from api.views import ExecutionView, view_of
from client.overview import MAX_ROWS, ExecutionRow
from recovery.base_model import Model
from recovery.execution.state import MessageRecord, PlanStatus

router = APIRouter(tags=["Executions"])

State = Annotated[PlanStatus | None, Query(description="Only executions in this state.")]
Limit = Annotated[int, Query(ge=1, le=MAX_ROWS, description="The maximum number of executions.")]


class ExecutionList(Model):
    """Executions: running ones first, then the newest.

    Attributes:
        warnings: what is missing because Temporal or the history did not answer.
    """

    executions: list[ExecutionRow]
    warnings: list[str] = []


class MessageList(Model):
    """The messages of operators to an execution, oldest first."""

    messages: list[MessageRecord]


@router.get("/executions", summary="List executions", responses=read_responses())
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
    known = await service.executions(plan_id=plan_id, state=state, limit=limit)
    return ExecutionList(executions=known.rows, warnings=list(known.warnings))


@router.get(
    "/executions/{execution_id}",
    summary="Get an execution",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def execution(service: Service, caller: Caller, execution_id: ExecutionId) -> ExecutionView:
    """Return its state, its remaining time, and links to Temporal's Web UI."""
    async with service.hub.execution(execution_id).subscribed() as poller:
        snapshot = await poller.fresh()
    return await view_of(service, snapshot)


@router.get(
    "/executions/{execution_id}/messages",
    summary="List the messages to an execution",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def messages(service: Service, caller: Caller, execution_id: ExecutionId) -> MessageList:
    """Return each message with its actor and its effect, or why it was rejected."""
    return MessageList(messages=(await service.hub.state(execution_id)).messages)
