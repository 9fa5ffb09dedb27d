"""A network link to a server that can be cut and mended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Self

_LOOPBACK = "127.0.0.1"
_CHUNK = 65_536


class Cut(StrEnum):
    """How a link is cut.

    RESET: connections break, and new ones are refused.
    SILENT: connections stay and carry nothing until the link is mended, as when packets are lost.
    """

    RESET = "reset"
    SILENT = "silent"


class Link:
    """A TCP relay on 127.0.0.1 to a server there.

    Attributes:
        port: Where clients connect.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._carries = asyncio.Event()
        self._carries.set()
        self._refuses = False

    async def start(self) -> Self:
        """Begin to relay."""
        self._server = await asyncio.start_server(self._relay, _LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close all connections and accept no more."""
        if self._server is not None:
            self._server.close()
        self._break()

    def cut(self, how: Cut) -> None:
        """Cut the link until `mend`."""
        if how is Cut.SILENT:
            self._carries.clear()
            return
        self._refuses = True
        self._break()

    def mend(self) -> None:
        """Let the link work again."""
        self._refuses = False
        self._carries.set()

    def _break(self) -> None:
        for task in list(self._passing):
            task.cancel()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._passing.add(task)
        writers = [writer]
        try:
            if not self._refuses:
                there, to_server = await asyncio.open_connection(_LOOPBACK, self._server_port)
                writers.append(to_server)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass_on(reader, to_server))
                    group.create_task(self._pass_on(there, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # The server is away, or the link was cut: the client sees a broken connection.
            pass
        finally:
            self._passing.discard(task)
            for each in writers:
                each.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._carries.wait()
            writer.write(chunk)
            await writer.drain()
        await self._carries.wait()
        with suppress(OSError):
            writer.write_eof()
