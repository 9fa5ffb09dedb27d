"""Reads that are shared by all who ask for one while another goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class GatheredReads(Generic[K, V]):
    """Reads one after another, each for all who asked while the one before went on.

    Hundreds of waves end at once, and what they ask is not asked hundreds of times.
    """

    def __init__(self, read: Callable[[list[K]], Awaitable[V]]) -> None:
        self._read = read
        self._wanted: dict[K, None] = {}
        self._running: asyncio.Task[V] | None = None
        self._next: asyncio.Task[V] | None = None

    async def get(self, keys: Iterable[K] = ()) -> V:
        """What a read for these keys, and others' keys, shows that begins after this call."""
        loop = asyncio.get_running_loop()
        if self._next is None or self._next.done() or self._next.get_loop() is not loop:
            self._wanted = {}
            self._next = asyncio.create_task(self._read_after(self._running))
        self._wanted |= dict.fromkeys(keys)
        # A cancelled caller does not cancel the read for the others.
        return await asyncio.shield(self._next)

    async def _read_after(self, running: asyncio.Task[V] | None) -> V:
        if running is not None and running.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        wanted, self._wanted = self._wanted, {}
        return await self._read(list(wanted))
