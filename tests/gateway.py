"""A gateway between DRS and its client, which may change DRS's answers."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.aws_in_process import LocalAws

HTML = b"<html><body>Request blocked.</body></html>"

Answer = tuple[int, str, bytes]
Change = Callable[[str, Answer], Answer]


@asynccontextmanager
async def gateway(aws: LocalAws, change: Change) -> AsyncIterator[str]:
    """A gateway before DRS that passes requests on and may change the answers; its URL."""
    behind = str(urlsplit(aws.server.endpoint_url).netloc)

    def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(behind, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers.get("x-amzn-errortype", ""), answer.read()
        finally:
            connection.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        size = next((int(v) for k, v in headers.items() if k.lower() == "content-length"), 0)
        body = await reader.readexactly(size)
        answer = await asyncio.to_thread(ask, method, path, headers, body)
        status, error, content = change(path.strip("/"), answer)
        kind = "text/html" if content.startswith(b"<") else "application/json"
        told = [
            f"HTTP/1.1 {status} Any",
            f"Content-Type: {kind}",
            f"Content-Length: {len(content)}",
        ]
        if content != HTML:
            told += ["x-amzn-requestid: 0f3b52a1-c7d9"]
            told += [f"x-amzn-errortype: {error}"] if error else []
        writer.write("\r\n".join([*told, "Connection: close", "", ""]).encode() + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
