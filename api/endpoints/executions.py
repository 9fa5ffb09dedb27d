"""Executions: which there are, and how one stands."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.access import Caller, TheHouse
from api.parameters import ExecutionId, OfPlan
from api.problem_responses import looking
from api.views import ExecutionView, view_of
from client.overview import MOST, ExecutionRow
from recovery.base_model import Model
from recovery.execution.state import MessageRecord, PlanStatus

router = APIRouter(tags=["Executions"])

State = Annotated[PlanStatus | None, Query(description="Only executions in this state.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many.")]


class ExecutionList(Model):
    """Executions, those that run first and the newest first.

    Attributes:
        warnings: which side could not be asked, and what is therefore not known.
    """

    executions: list[ExecutionRow]
    warnings: list[str] = []


class MessageList(Model):
    """What operators sent to an execution, in order, each with what it did."""

    messages: list[MessageRecord]


@router.get("/executions", summary="Executions that run or have run", responses=looking())
async def executions(
    house: TheHouse,
    caller: Caller,
    plan_id: OfPlan = None,
    state: State = None,
    limit: Limit = 50,
) -> ExecutionList:
    """What runs by Temporal, what has run by the history; either may be away, which is said."""
    known = await house.executions(plan_id=plan_id, state=state, limit=limit)
    return ExecutionList(executions=known.rows, warnings=list(known.warnings))


@router.get(
    "/executions/{execution_id}",
    summary="How an execution stands",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def execution(house: TheHouse, caller: Caller, execution_id: ExecutionId) -> ExecutionView:
    """Its whole state, what it still needs, and links to Temporal's Web UI."""
    async with house.hub.execution(execution_id).watching() as lookout:
        sight = await lookout.fresh()
    return await view_of(house, sight)


@router.get(
    "/executions/{execution_id}/messages",
    summary="What operators sent",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def messages(house: TheHouse, caller: Caller, execution_id: ExecutionId) -> MessageList:
    """Every message with who sent it, and what it did or why it was rejected."""
    return MessageList(messages=(await house.hub.state(execution_id)).messages)
