"""An execution as a stream of events, one look at Temporal for all who watch."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth.access import Caller, TheHouse
from api.hub import LOOK_SECONDS, Lookout, Sight
from api.parameters import ExecutionId
from api.problem_responses import looking
from recovery.execution.state import ExecutionState

router = APIRouter(tags=["Executions"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Event `state`, with an ExecutionState as its data, at once and on every "
        "change; event `unavailable`, with the error as text, when the state cannot be read; event "
        "`end` when there are no more events. IDs increase within one stream only.",
        # FastAPI adds the form of an event.
        "content": {"text/event-stream": {}},
    }
}


async def watched(
    house: TheHouse, caller: Caller, execution_id: ExecutionId
) -> AsyncIterator[Lookout[ExecutionState]]:
    """The lookout for an execution that somebody knows, until the answer is sent.

    Raises:
        UnknownExecutionError: nobody does.
        UnreachableError: nobody could be asked.
    """
    async with house.hub.execution(execution_id).watching() as lookout:
        await lookout.fresh()
        yield lookout


@router.get(
    "/executions/{execution_id}/events",
    summary="Watch an execution",
    response_class=EventSourceResponse,
    responses={**looking(HTTPStatus.NOT_FOUND), **_STREAM},
)
async def events(
    house: TheHouse,
    request: Request,
    execution_id: ExecutionId,
    lookout: Annotated[Lookout[ExecutionState], Depends(watched)],
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events until the execution has ended and its history has all of it."""
    number, told = 0, 0
    while not (0 < told == number and house.hub.is_settled(execution_id)):
        sight = await _next(lookout, number)
        if sight is not None:
            number = sight.number
            if sight.error:
                # Not `error`: a browser's EventSource uses that name for lost connections.
                yield ServerSentEvent(event="unavailable", data=sight.error, id=str(number))
            else:
                told = number
                state = sight.value.model_dump_json()
                yield ServerSentEvent(event="state", raw_data=state, id=str(number))
        if await request.is_disconnected():
            return
    yield ServerSentEvent(event="end", data="the execution has ended and is recorded")


async def _next(lookout: Lookout[ExecutionState], number: int) -> Sight[ExecutionState] | None:
    """The next sight; None where there is none for a while."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await lookout.newer_than(number)
    except TimeoutError:
        return None
