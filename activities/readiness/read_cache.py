"""Evidence that plans share: read once for all looks of a worker."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Any, TypeVar, cast

T = TypeVar("T")
SHARED_SECONDS = 600.0


class ReadCache:
    """Results of reads by key; a read that runs is waited for, not repeated.

    A read that failed is not kept.
    """

    def __init__(self, seconds: float = SHARED_SECONDS) -> None:
        self._seconds = seconds
        self._reads: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(
        self, key: Hashable, read: Callable[[], Awaitable[T]], *, fresh: bool = False
    ) -> T:
        """The result of a read.

        Args:
            key: what is read, and where.
            read: reads it.
            fresh: read it even if it is known.
        """
        until, task = self._reads.get(key, (0.0, None))
        if task is None or fresh or time.monotonic() >= until or _has_failed(task):
            self._drop_old()
            task = asyncio.create_task(_awaited(read), context=Context())
            self._reads[key] = time.monotonic() + self._seconds, task
        # A cancelled caller does not cancel the read for the others.
        return cast(T, await asyncio.shield(task))

    def _drop_old(self) -> None:
        now = time.monotonic()
        self._reads = {k: (until, t) for k, (until, t) in self._reads.items() if now < until}


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
