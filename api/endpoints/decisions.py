"""The open decisions of all running executions: at once, and as events."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth.access import AuthenticatedRoute, Caller, Service
from api.decisions.decision_list import DecisionList
from api.decisions.inbox_poller import InboxPoller
from api.hub import POLL_SECONDS

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Event `decisions`, with a DecisionList as its data, at once and on every "
        "change. IDs increase within one stream only.",
        # FastAPI adds the schema of an event.
        "content": {"text/event-stream": {}},
    }
}


async def subscribed_inbox(service: Service, caller: Caller) -> AsyncIterator[InboxPoller]:
    """The poller of all decisions; subscribed until the response is sent.

    Raises:
        UnreachableError: neither Temporal nor the history answered.
    """
    async with service.inbox.subscribed() as poller:
        await poller.fresh()
        yield poller


SubscribedInbox = Annotated[InboxPoller, Depends(subscribed_inbox)]


@router.get("/decisions", summary="List the open decisions of all executions")
async def decisions(poller: SubscribedInbox) -> DecisionList:
    """Return what all running executions wait for people to decide, most urgent first.

    An execution whose state cannot be read is in `Unread`, with its last known decisions in the
    list, each with the `RecordedTime` of that state.
    """
    return DecisionList.of(await poller.newer_than(0))


@router.get(
    "/decisions/events",
    summary="Watch the open decisions of all executions",
    response_class=EventSourceResponse,
    responses=_STREAM,
)
async def decision_events(
    request: Request, poller: SubscribedInbox
) -> AsyncIterator[ServerSentEvent]:
    """Send the list at every change, until the caller closes the connection."""
    number = 0
    while not await request.is_disconnected():
        snapshot = await poller.newer_within(POLL_SECONDS, number)
        if snapshot is not None:
            number = snapshot.number
            data = DecisionList.of(snapshot).model_dump_json()
            yield ServerSentEvent(event="decisions", raw_data=data, id=str(number))
