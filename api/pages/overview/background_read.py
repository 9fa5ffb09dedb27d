"""Reads now and then for all open overviews, without making them wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from api.hub import POLL_ERRORS

T = TypeVar("T")


class BackgroundRead(Generic[T]):
    """The last value of something that is read again once it is old.

    Attributes:
        known: None until it is read for the first time.
        error: why it could not be read last.
    """

    def __init__(
        self, read: Callable[[], Awaitable[T]], seconds: float, *, after_error: float = 0.0
    ) -> None:
        """Create it; it is old after some seconds, or others after an error."""
        self._source = read
        self._seconds = seconds
        self._after_error = after_error
        self._reading: asyncio.Task[None] | None = None
        self._read_again_at = 0.0
        self.known: T | None = None
        self.error = ""

    async def refresh(self, wait_seconds: float | None, *, at_once: bool = False) -> None:
        """Begin to read it, if what is known is old, and wait for a moment; the read goes on.

        Args:
            wait_seconds: how long; None until it is read.
            at_once: also if what is known is not old.
        """
        if self._reading is None and (at_once or time.monotonic() >= self._read_again_at):
            self._reading = asyncio.create_task(self._read())
        if self._reading is None:
            return
        await asyncio.wait([self._reading], timeout=wait_seconds)
        if self._reading.done():
            done, self._reading = self._reading, None
            # An unexpected error is one of the poll.
            done.result()

    async def _read(self) -> None:
        seconds = self._seconds
        try:
            self.known, self.error = await self._source(), ""
        except POLL_ERRORS as error:
            self.error, seconds = str(error), self._after_error
        self._read_again_at = time.monotonic() + seconds

    def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
