"""What is not taken in at all: too much of it, or what a page of another site sends."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import ApiProblem
from recovery.plan.file.reader import MAX_BYTES

# A plan in a JSON text of its own, at most.
MOST_BYTES = MAX_BYTES + 1_000_000
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class BodyLimit:
    """Reads no more of a request than any of ours can need; before anybody asks who calls."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def take() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES:
                # One of Starlette's own, which FastAPI lets pass while it reads a body.
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the request is larger than {MOST_BYTES // 1_000_000} MB",
                )
            return message

        await self._app(scope, take, send)


class LocalOnly:
    """Serves this machine's user, and no page of another site in this user's browser.

    For a server that asks nobody for a token: whoever reaches it may do everything. A page
    elsewhere may resolve its own name to this machine (its requests then name a host that is not
    ours), and it may send requests here whose answers it cannot read (they then name its origin).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket, or refuse it."""
        refused = None
        if scope["type"] in ("http", "websocket"):
            refused = _refusal(scope.get("method"), Headers(scope=scope))
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before it is accepted: the server answers 403.
            await send({"type": "websocket.close", "code": 1008, "reason": refused.detail})
        else:
            answer = await problems.answer(Request(scope), refused)
            await answer(scope, receive, send)


def _refusal(method: str | None, headers: Mapping[str, str]) -> ApiProblem | None:
    """Why a request is refused; None where it is not.

    Args:
        method: its method; None for a WebSocket.
        headers: its headers.
    """
    host = headers.get("host", "")
    if _place(f"//{host}")[0] not in _LOOPBACK_NAMES:
        return ApiProblem(
            HTTPStatus.BAD_REQUEST,
            "without authentication only this machine is served, under the name localhost",
        )
    if method in _HARMLESS:
        return None
    origin = headers.get("origin")
    elsewhere = origin is not None and _place(origin) != _place(f"http://{host}")
    if elsewhere or headers.get("sec-fetch-site") == "cross-site":
        return ApiProblem(
            HTTPStatus.FORBIDDEN,
            "a page of another site must not act here in your name; without authentication only "
            "our own pages and programs of this machine may",
        )
    return None


def _place(url: str) -> tuple[str | None, int | None]:
    """The host and the port of a URL; of one that is none, neither."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
