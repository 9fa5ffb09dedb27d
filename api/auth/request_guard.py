"""Rejects requests that are too large or of other sites, and sets the headers of responses."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import ApiProblem
from recovery.plan.file.reader import MAX_BYTES

# The largest plan file, plus what JSON adds around it.
MAX_BODY_BYTES = MAX_BYTES + 1_000_000
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


# Pages load nothing from other hosts, run no inline script, and cannot be put into a frame.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}
_HSTS = "max-age=31536000"
# Their contents are the same for everybody.
_STATIC = ("/pages/", "/api/docs/files/")


class ResponseHeaders:
    """Sets the headers of all responses, and keeps them out of caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _HSTS
                if not scope["path"].startswith(_STATIC):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Limits the size of request bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                # FastAPI passes this exception on while it reads a body; others become a 400.
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the request is larger than {MAX_BODY_BYTES // 1_000_000} MB",
                )
            return message

        await self._app(scope, limited_receive, send)


class LocalOnly:
    """Serves only this machine, and no pages of other sites in this machine's browsers.

    For a server without authentication, where every caller may do everything. Two attacks are
    rejected: DNS rebinding, where the Host header names another host, and cross-site request
    forgery, where the Origin header names another site.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or reject it."""
        rejected = None
        if scope["type"] == "http":
            rejected = _rejection(scope["method"], Headers(scope=scope))
        if rejected is None:
            await self._app(scope, receive, send)
        else:
            response = await problems.respond(Request(scope), rejected)
            await response(scope, receive, send)


def _rejection(method: str, headers: Mapping[str, str]) -> ApiProblem | None:
    """Why a request is rejected; None if it is not."""
    host = headers.get("host", "")
    if _host_and_port(f"//{host}")[0] not in _LOOPBACK_NAMES:
        return ApiProblem(
            HTTPStatus.BAD_REQUEST,
            "without authentication drs-waves serves only this machine, under the name localhost",
        )
    if method in _SAFE_METHODS:
        return None
    origin = headers.get("origin")
    is_cross_origin = origin is not None and _host_and_port(origin) != _host_and_port(
        f"http://{host}"
    )
    if is_cross_origin or headers.get("sec-fetch-site") == "cross-site":
        return ApiProblem(
            HTTPStatus.FORBIDDEN,
            "a page of another site may not send requests in your name; without authentication "
            "only the pages of drs-waves and programs on this machine may",
        )
    return None


def _host_and_port(url: str) -> tuple[str | None, int | None]:
    """The host and the port of a URL; None and None if it is not a URL."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
