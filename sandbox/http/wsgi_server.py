"""An HTTP server for WSGI applications with keep-alive connections that it can close."""

from __future__ import annotations

import io
import select
import socket
import traceback
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

LOOPBACK = "127.0.0.1"


class ResponseWithheld(Exception):
    """Raised by an application to close the connection without a response."""


class ResponseTruncated(Exception):
    """Raised by an application to close the connection during the response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def is_disconnected(connection: socket.socket, *, within: float) -> bool:
    """Return whether a caller closes its connection in `within` seconds instead of waiting."""
    try:
        watch = select.poll()
        watch.register(connection, select.POLLIN)
        if not watch.poll(within * 1000):
            return False
        return connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


def close_connections(connections: Iterable[socket.socket]) -> None:
    """Close connections, even during a request."""
    for connection in connections:
        # The client may have closed the connection.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class ConnectionHandler(MotoRequestHandler):
    """Serves the requests of one connection.

    Werkzeug's handler closes the connection after each response, and waits 10 ms for the rest of
    the request. Both slow down clients that poll. This handler reads the whole body and sends a
    Content-Length, so the connection stays open.
    """

    protocol_version = "HTTP/1.1"
    # Headers and body are separate writes; Nagle's algorithm delays the second one by 40 ms.
    disable_nagle_algorithm = True
    server: LoopbackServer

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        try:
            chunks, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except ResponseTruncated as truncated:
            response = truncated.response
            content = response.get_data()
            self._send(response.status, response.headers, content, limit=len(content) // 2)
            self._close()
        except ResponseWithheld:
            self._close()
        except Exception:
            self.server.log("error", f"Error on request:\n{traceback.format_exc()}")
            self._send("500 Internal Server Error", Headers(), b"")
        else:
            self._send(status, headers, b"".join(chunks))

    def _close(self) -> None:
        self.close_connection = True
        close_connections([self.connection])

    def _send(
        self, status: str, headers: Headers, content: bytes, *, limit: int | None = None
    ) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        # As AWS does; callers compare their clock with it.
        if "date" not in {name.lower() for name, _ in headers}:
            self.send_header("Date", self.date_time_string())
        if int(code) != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and int(code) != HTTPStatus.NO_CONTENT:
            self.wfile.write(content[:limit])
        self.wfile.flush()


class LoopbackServer(ThreadedWSGIServer):
    """A threaded server on 127.0.0.1. It stops even if clients keep connections open."""

    def __init__(self, app: Any, port: int) -> None:
        self._connections: set[Any] = set()
        super().__init__(LOOPBACK, port, app, handler=ConnectionHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close all open connections."""
        close_connections(list(self._connections))
