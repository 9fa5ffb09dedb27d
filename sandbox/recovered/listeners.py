"""Listens in place of the applications on recovered servers."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from threading import Thread

from sandbox.drs.simulation import simulation
from sandbox.recovered.behavior import Answer, Application, recovered_backends

_CHECK_SECONDS = 0.05
_LONGEST_REQUEST = 65_536
# An address and a port.
Place = tuple[str, int]


class ApplicationListeners:
    """A thread that listens for each application while it is up.

    What is up follows from the scenario, the recovery instances and the clock, which it compares
    with what listens every 50 ms.
    """

    def __init__(self) -> None:
        self._listeners: dict[Place, _Listener] = {}
        self._reported: set[Place] = set()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = Thread(target=self._run, name="sandbox-applications", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close all listeners and connections, and end the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._follow())

    async def _follow(self) -> None:
        while not self._stopped.is_set():
            await self._adjust(dict(_applications_up(simulation.now())))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _CHECK_SECONDS)
        await self._adjust({})

    async def _adjust(self, wanted: dict[Place, Application]) -> None:
        for place, listener in list(self._listeners.items()):
            if wanted.get(place) != listener.application:
                listener.close()
                del self._listeners[place]
        for place in wanted.keys() - self._listeners.keys():
            listener = _Listener(wanted[place])
            try:
                await listener.open(place)
            except OSError as error:
                # It is tried again, but reported once.
                if place not in self._reported:
                    print(f"sandbox.aws: cannot listen on {place}: {error}", file=sys.stderr)
                self._reported.add(place)
            else:
                self._listeners[place] = listener


def _applications_up(now: float) -> Iterator[tuple[Place, Application]]:
    accounts = list(recovered_backends.values())
    for backend in [each for account in accounts for each in list(account.values())]:
        for instance, applications in backend.with_applications():
            seconds = instance.running_seconds(now) if instance.is_running(now) else -1.0
            for each in applications:
                if seconds >= each.up_after_seconds:
                    yield (instance.private_ip, each.port), each


class _Listener:
    """The listener of one application, and its connections."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._server: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, place: Place) -> None:
        """Listen.

        Raises:
            OSError: The place is in use, or the port needs more rights.
        """
        if self.application.answer is Answer.HANGS and self.application.protocol == "tcp":
            self._open_full(place)
        else:
            self._server = await asyncio.start_server(self._serve, *place)

    def _open_full(self, place: Place) -> None:
        """Listen with a full queue: Linux drops the packets of further connections."""
        listening = socket.create_server(place, backlog=0)
        self._sockets = [listening, socket.create_connection(place)]

    def close(self) -> None:
        """Close the listener and its connections."""
        if self._server is not None:
            self._server.close()
        for each in self._sockets:
            each.close()
        for task in list(self._connections):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._connections.add(task)
        try:
            await self._respond(reader, writer)
        except (OSError, ValueError, EOFError, asyncio.CancelledError):
            # The client or the instance has gone, or it is no request.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        application = self.application
        if application.protocol == "http":
            await reader.readuntil(b"\r\n\r\n")
        if application.answer is Answer.FAILS:
            return
        if application.protocol == "http" and application.answer is Answer.ANSWERS:
            writer.write(_http_response(application))
            await writer.drain()
            return
        while await reader.read(_LONGEST_REQUEST):
            pass


def _http_response(application: Application) -> bytes:
    status = application.status
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Status"
    body = application.body.encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        **application.headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{key}: {value}" for key, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
