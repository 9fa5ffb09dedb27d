"""The health check. It needs no token."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter

from api.auth.access import Service
from api.hub import POLL_ERRORS
from api.service import ExecutionService
from recovery.base_model import Model

router = APIRouter(tags=["Health"])

# A worker has 2 s of them to answer.
_ANSWER_SECONDS = 4.0


class Health(Model):
    """What the server can reach. Without names and errors, because it is public.

    Attributes:
        temporal: Temporal answers.
        worker: a worker answers, and runs new executions; None if Temporal does not answer.
        launches: a worker answers, and no launcher is lost or stuck; None if Temporal does not
            answer.
        history: the history table can be read.
    """

    temporal: bool
    worker: bool | None
    launches: bool | None
    history: bool


@router.get("/health", summary="Get the health of the server")
async def health(service: Service) -> Health:
    """Return what the server can reach. The status is always 200."""
    worker, launches, history = await asyncio.gather(
        _with_timeout(_worker(service)),
        _with_timeout(_launches(service)),
        _with_timeout(_history(service)),
    )
    return Health(
        temporal=worker is not None, worker=worker, launches=launches, history=bool(history)
    )


async def _worker(service: ExecutionService) -> bool:
    return await service.health.has_worker(await service.client())


async def _launches(service: ExecutionService) -> bool:
    return not await service.health.problems(await service.client())


async def _history(service: ExecutionService) -> bool:
    await service.history.executions(limit=1)
    return True


async def _with_timeout(check: Awaitable[bool]) -> bool | None:
    """The result of a check; None if it fails or takes too long."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await check
    except (TimeoutError, *POLL_ERRORS):
        return None
