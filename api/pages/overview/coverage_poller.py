"""Reads coverage now and then for all open overviews, without making them wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio.client import Client

from api.hub import POLL_ERRORS
from client.recoveries.coverage import read_coverage
from recovery.coverage.gaps import Coverage

# It reads all source servers of all targets.
_SECONDS = 900.0
_AFTER_ERROR_SECONDS = 60.0


class CoveragePoller:
    """The last coverage that a worker found.

    Attributes:
        known: None until it is read for the first time.
        error: why it could not be read last.
    """

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        """Create it; `connect` returns the connection to Temporal."""
        self._connect = connect
        self._reading: asyncio.Task[None] | None = None
        self._read_again_at = 0.0
        self.known: Coverage | None = None
        self.error = ""

    def refresh(self) -> None:
        """Begin to read it, if what is known is old."""
        if self._reading is None and time.monotonic() >= self._read_again_at:
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            self.known, self.error = await read_coverage(await self._connect()), ""
            self._read_again_at = time.monotonic() + _SECONDS
        except POLL_ERRORS as error:
            self.error = str(error)
            self._read_again_at = time.monotonic() + _AFTER_ERROR_SECONDS
        finally:
            self._reading = None

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
