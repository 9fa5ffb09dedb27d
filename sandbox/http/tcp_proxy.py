"""A TCP proxy that simulates network faults between a client and a server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Self

_LOOPBACK = "127.0.0.1"
_CHUNK = 65_536


class NetworkFault(StrEnum):
    """The type of a network fault.

    RESET: open connections are closed, and new ones are closed at once.
    BLACKHOLE: connections stay open and transfer no data until `restore`, as with packet loss.
    """

    RESET = "reset"
    BLACKHOLE = "silent"


class TcpProxy:
    """A TCP proxy on 127.0.0.1 to a server on the same host.

    Attributes:
        port: The port that clients connect to.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._forwarding = asyncio.Event()
        self._forwarding.set()
        self._refusing = False

    async def start(self) -> Self:
        """Start the proxy."""
        self._server = await asyncio.start_server(self._relay, _LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        self._close_connections()

    def interrupt(self, fault: NetworkFault) -> None:
        """Interrupt the network until `restore`."""
        if fault is NetworkFault.BLACKHOLE:
            self._forwarding.clear()
            return
        self._refusing = True
        self._close_connections()

    def restore(self) -> None:
        """End the network fault."""
        self._refusing = False
        self._forwarding.set()

    def _close_connections(self) -> None:
        for task in list(self._connections):
            task.cancel()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._connections.add(task)
        writers = [writer]
        try:
            if not self._refusing:
                from_server, to_server = await asyncio.open_connection(_LOOPBACK, self._server_port)
                writers.append(to_server)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._forward(reader, to_server))
                    group.create_task(self._forward(from_server, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # The server is down, or a fault is active: the client sees a closed connection.
            pass
        finally:
            self._connections.discard(task)
            for each in writers:
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._forwarding.wait()
            writer.write(chunk)
            await writer.drain()
        await self._forwarding.wait()
        with suppress(OSError):
            writer.write_eof()
