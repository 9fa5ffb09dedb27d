"""What the server can reach, for load balancers and for people; nobody is asked for a token."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from temporalio.service import RPCError

from api.auth.access import TheHouse
from api.service import House
from client.errors import RefusedError, UnreachableError
from client.workers import why_idle
from recovery.base_model import Model
from storage.dynamodb import TableError

router = APIRouter(tags=["Health"])

_ANSWER_SECONDS = 2.0


class Health(Model):
    """What answers; names and errors are not told, because anybody may ask.

    Attributes:
        temporal: Temporal answers.
        worker: a worker would take up a new execution; None where Temporal cannot be asked.
        history: the history table can be read.
    """

    temporal: bool
    worker: bool | None
    history: bool


@router.get("/health", summary="What the server can reach")
async def health(house: TheHouse) -> Health:
    """Always 200: the server itself is up, and what it cannot reach may not be its fault."""
    worker, history = await asyncio.gather(_within(_worker(house)), _within(_history(house)))
    return Health(temporal=worker is not None, worker=worker, history=bool(history))


async def _worker(house: House) -> bool:
    client = await house.client()
    return await why_idle(client) is None


async def _history(house: House) -> bool:
    await house.history.executions(limit=1)
    return True


async def _within(asked: Awaitable[bool]) -> bool | None:
    """The answer; None where there is none in time."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await asked
    except (TimeoutError, RPCError, TableError, RefusedError, UnreachableError):
        return None
