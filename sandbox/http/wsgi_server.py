"""An HTTP server for WSGI applications with keep-alive connections that it can close."""

from __future__ import annotations

import io
import select
import socket
import traceback
from collections.abc import Container
from contextlib import suppress
from http import HTTPStatus
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

LOOPBACK = "127.0.0.1"


class ResponseWithheld(Exception):
    """Raised by an application to close the connection without a response."""


class ResponseTruncated(Exception):
    """Raised by an application to close the connection during the response."""

    def __init__(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.content = status, headers, content


def is_disconnected(connection: socket.socket | None, *, within: float) -> bool:
    """Return whether a caller that waits for a response closes its connection.

    Args:
        connection: The connection; None if it is not known, which counts as closed.
        within: Seconds to wait for the close.
    """
    if connection is None:
        return True
    try:
        watch = select.poll()
        watch.register(connection, select.POLLIN)
        if not watch.poll(within * 1000):
            return False
        return connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


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

    def setup(self) -> None:
        super().setup()
        self.server.add_connection(self.connection)

    def finish(self) -> None:
        self.server.remove_connection(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        try:
            status, headers, content = self._call_application(environ)
        except ResponseTruncated as truncated:
            self._send_response(
                truncated.status,
                truncated.headers,
                truncated.content,
                limit=len(truncated.content) // 2,
            )
            self._drop_connection()
            return
        except ResponseWithheld:
            self._drop_connection()
            return
        except Exception:
            self.server.log("error", f"Error on request:\n{traceback.format_exc()}")
            status, headers, content = "500 Internal Server Error", [], b""
        self._send_response(status, headers, content)

    def _drop_connection(self) -> None:
        self.close_connection = True
        # The caller may have closed the connection.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _call_application(
        self, environ: dict[str, Any]
    ) -> tuple[str, list[tuple[str, str]], bytes]:
        status, headers = "", list[tuple[str, str]]()

        def start_response(
            new_status: str, new_headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            nonlocal status, headers
            status, headers = new_status, list(new_headers)
            return None

        chunks = self.server.app(environ, start_response)
        try:
            return status, headers, b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _send_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        content: bytes,
        *,
        limit: int | None = None,
    ) -> None:
        code, _, reason = status.partition(" ")
        self.log_request(code, len(content))
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        if int(code) != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and int(code) != HTTPStatus.NO_CONTENT:
            self.wfile.write(content[:limit])
        self.wfile.flush()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.server.verbose:
            super().log_request(code, size)


class LoopbackServer(ThreadedWSGIServer):
    """A threaded server on 127.0.0.1. It stops even if clients keep connections open."""

    def __init__(self, app: Any, port: int, *, verbose: bool) -> None:
        self.verbose = verbose
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(LOOPBACK, port, app, handler=ConnectionHandler)

    def add_connection(self, connection: socket.socket) -> None:
        """Add an open connection."""
        with self._lock:
            self._connections.add(connection)

    def remove_connection(self, connection: socket.socket) -> None:
        """Remove a closed connection."""
        with self._lock:
            self._connections.discard(connection)

    def close_connections(self, of: Container[socket.socket] | None = None) -> None:
        """Close the open connections: those in `of`, or all."""
        with self._lock:
            for connection in self._connections:
                if of is not None and connection not in of:
                    continue
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The client has closed the connection.
                    continue
