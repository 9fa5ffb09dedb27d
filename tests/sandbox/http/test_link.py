"""A network link: it carries, it can be cut in two ways, and it can be mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.http.tcp_proxy import Cut, Link


@asynccontextmanager
async def echo() -> AsyncIterator[Link]:
    """Yield a link to a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = await Link(server.sockets[0].getsockname()[1]).start()
    try:
        yield link
    finally:
        await link.stop()
        server.close()


async def connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through the link."""
    return await asyncio.open_connection("127.0.0.1", link.port)


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a line and return what comes back; nothing if the connection broke."""
    try:
        writer.write(b"hello\n")
        return await reader.readline()
    except OSError:
        return b""


async def test_it_forwards_both_ways() -> None:
    async with echo() as link:
        assert await asked(*await connect(link)) == b"hello\n"


async def test_a_reset_closes_open_and_new_connections_until_the_restore() -> None:
    async with echo() as link:
        before = await connect(link)
        assert await asked(*before) == b"hello\n"
        link.cut(Cut.RESET)
        assert await asked(*before) == b""
        assert await asked(*await connect(link)) == b""
        link.mend()
        assert await asked(*await connect(link)) == b"hello\n"


async def test_a_blackhole_keeps_connections_and_delivers_after_the_restore() -> None:
    async with echo() as link:
        reader, writer = await connect(link)
        link.cut(Cut.SILENT)
        response = asyncio.create_task(asked(reader, writer))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(response), timeout=0.2)
        link.mend()
        assert await response == b"hello\n"


async def test_a_client_of_a_server_that_is_down_sees_a_closed_connection() -> None:
    async with echo() as link:
        away = await Link(link.port).start()
        await link.stop()
        assert await asked(*await connect(away)) == b""
        await away.stop()
