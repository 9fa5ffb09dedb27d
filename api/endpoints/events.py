"""The event stream of an execution."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth.access import Caller, Service
from api.hub import POLL_SECONDS, ExecutionPoller, Snapshot
from api.parameters import ExecutionId
from api.problem_responses import read_responses
from recovery.execution.state import ExecutionState

router = APIRouter(tags=["Executions"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Event `state`, with an ExecutionState as its data, at once and on every "
        "change; event `unavailable`, with the error as text, when the state cannot be read; event "
        "`end` when there are no more events. IDs increase within one stream only.",
        # FastAPI adds the schema of an event.
        "content": {"text/event-stream": {}},
    }
}


async def subscribed_poller(
    service: Service, caller: Caller, execution_id: ExecutionId
) -> AsyncIterator[ExecutionPoller]:
    """The poller of an existing execution; subscribed until the response is sent.

    Raises:
        UnknownExecutionError: neither Temporal nor the history has the execution.
        UnreachableError: neither Temporal nor the history answered.
    """
    async with service.hub.execution(execution_id).subscribed() as poller:
        await poller.fresh()
        yield poller


@router.get(
    "/executions/{execution_id}/events",
    summary="Watch an execution",
    response_class=EventSourceResponse,
    responses={**read_responses(HTTPStatus.NOT_FOUND), **_STREAM},
)
async def events(
    service: Service,
    request: Request,
    execution_id: ExecutionId,
    poller: Annotated[ExecutionPoller, Depends(subscribed_poller)],
) -> AsyncIterator[ServerSentEvent]:
    """Send events until the execution has ended and the history has its final state."""
    number, sent = 0, 0
    while not (0 < sent == number and service.hub.is_settled(execution_id)):
        snapshot = await _next(poller, number)
        if snapshot is not None:
            number = snapshot.number
            if snapshot.error:
                # Not `error`: a browser's EventSource uses that name for lost connections.
                yield ServerSentEvent(event="unavailable", data=snapshot.error, id=str(number))
            else:
                sent = number
                state = snapshot.value.model_dump_json()
                yield ServerSentEvent(event="state", raw_data=state, id=str(number))
        if await request.is_disconnected():
            return
    yield ServerSentEvent(event="end", data="the execution has ended and is recorded")


async def _next(poller: ExecutionPoller, number: int) -> Snapshot[ExecutionState] | None:
    """The next snapshot; None if there is none within `POLL_SECONDS`."""
    try:
        async with asyncio.timeout(POLL_SECONDS):
            return await poller.newer_than(number)
    except TimeoutError:
        return None
