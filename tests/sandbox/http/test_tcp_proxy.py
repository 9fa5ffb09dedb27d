"""The TCP proxy forwards data, and simulates two network faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.http.tcp_proxy import NetworkFault, TcpProxy


@asynccontextmanager
async def echo() -> AsyncIterator[TcpProxy]:
    """Yield a proxy to an echo server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = await TcpProxy(server.sockets[0].getsockname()[1]).start()
    try:
        yield proxy
    finally:
        await proxy.stop()
        server.close()


async def connect(proxy: TcpProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through the proxy."""
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a line and return the response, or nothing if the connection is closed."""
    try:
        writer.write(b"hello\n")
        return await reader.readline()
    except OSError:
        return b""


async def test_it_forwards_both_ways() -> None:
    async with echo() as proxy:
        assert await echoed(*await connect(proxy)) == b"hello\n"


async def test_a_reset_closes_open_and_new_connections_until_the_restore() -> None:
    async with echo() as proxy:
        before = await connect(proxy)
        assert await echoed(*before) == b"hello\n"
        proxy.interrupt(NetworkFault.RESET)
        assert await echoed(*before) == b""
        assert await echoed(*await connect(proxy)) == b""
        proxy.restore()
        assert await echoed(*await connect(proxy)) == b"hello\n"


async def test_a_blackhole_keeps_connections_and_delivers_after_the_restore() -> None:
    async with echo() as proxy:
        reader, writer = await connect(proxy)
        proxy.interrupt(NetworkFault.BLACKHOLE)
        response = asyncio.create_task(echoed(reader, writer))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(response), timeout=0.2)
        proxy.restore()
        assert await response == b"hello\n"


async def test_a_client_of_a_server_that_is_down_sees_a_closed_connection() -> None:
    async with echo() as proxy:
        proxy_of_closed = await TcpProxy(proxy.port).start()
        await proxy.stop()
        assert await echoed(*await connect(proxy_of_closed)) == b""
        await proxy_of_closed.stop()
