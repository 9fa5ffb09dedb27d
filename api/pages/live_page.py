"""A page that is updated by server-sent events, and its dialogs."""

import asyncio
import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth.audited_requests import note_wrong_token
from api.auth.provider import ProviderUnavailableError
from api.auth.tokens import EXPIRED, NotAuthenticatedError, Principal
from api.hub import POLL_ERRORS, Poller, Snapshot, UnknownExecutionError
from api.pages.assets import document
from api.pages.dialogs import Dialog
from api.pages.forms import sent_fields
from api.pages.rendering import render
from api.pages.sign_in import current_user, sign_in_address, user_of
from api.problems import problem_of
from api.service import ExecutionService
from client.decisions.inbox_reader import InboxState
from client.errors import RefusedError
from client.executions import last_known_text

T = TypeVar("T")

_AGE_SECONDS = 2.0
_RETRY_SECONDS = 1.0
_AUTHENTICATE_SECONDS = 30.0
_FIRST_SNAPSHOT_SECONDS = 1.5
_MAX_FORM_BYTES = 16_384
_SIGNED_OUT = "your sign-in has ended; sign in in another tab, then press the button here again"
_NOT_POSSIBLE = "This action is no longer possible; see the current state on the page."


class LivePage(ABC, Generic[T]):
    """A page for one user and one request.

    Attributes:
        template: the template of the whole page.
        title: its title in the navigation.
        poller: polls what it shows.
        status: the HTTP status.
    """

    template: ClassVar[str]
    status = HTTPStatus.OK

    def __init__(
        self, service: ExecutionService, user: Principal, poller: Poller[T], title: str
    ) -> None:
        self.service = service
        self.user = user
        self.poller = poller
        self.title = title

    @abstractmethod
    def parts(self, snapshot: Snapshot[T]) -> dict[str, str]:
        """Render the parts that change, by the ID of their element."""

    def frame(self, snapshot: Snapshot[T]) -> dict[str, Any]:
        """The values for the template of the whole page, beside its parts."""
        return {}

    @abstractmethod
    def old_after(self, snapshot: Snapshot[T]) -> float:
        """Seconds without a successful poll after which the page is marked as out of date."""

    @abstractmethod
    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog of an action about a wave or plan; None if the action is not possible now."""

    async def first(self) -> tuple[str, str]:
        """The whole page, and the digest of its parts; sets the HTTP status."""
        try:
            async with self.poller.subscribed():
                snapshot = await self.poller.newer_within(_FIRST_SNAPSHOT_SECONDS, 0)
        except POLL_ERRORS as error:
            # What is only not available now is tried again by the page itself.
            if isinstance(error, UnknownExecutionError):
                self.status = HTTPStatus.NOT_FOUND
            return self._failure(error), ""
        if snapshot is None:
            return self._notice("Loading…", "Waiting for Temporal."), ""
        parts = self.parts(snapshot)
        return self._page(snapshot, parts), _digest(parts)

    async def updates(self, shown: str) -> AsyncIterator[ServerSentEvent]:
        """Send the parts that changed, and the age of the snapshot.

        Args:
            shown: the digest of the parts that the browser shows; "" if it shows a notice.
        """
        is_page, number, sent, sent_count = bool(shown), 0, dict[str, str](), ""
        async with self.poller.subscribed(), self.service.inbox.subscribed() as inbox:
            while True:
                try:
                    # Without a newer snapshot, the age of the last one is sent again.
                    snapshot = (
                        await self.poller.newer_within(_AGE_SECONDS, number) or self.poller.latest
                    )
                    error = snapshot.error if snapshot else ""
                except POLL_ERRORS as failure:
                    snapshot, error = self.poller.latest, problem_of(failure).detail
                    if snapshot is None:
                        is_page = False
                        yield _event("page", {"html": self._failure(failure), "shown": ""})
                    await asyncio.sleep(_RETRY_SECONDS)
                if snapshot is None:
                    continue
                number = snapshot.number
                parts = self.parts(snapshot)
                if not is_page:
                    is_page, sent_count = True, ""
                    html = self._page(snapshot, parts)
                    yield _event("page", {"html": html, "shown": _digest(parts)})
                elif sent or shown != _digest(parts):
                    changed = {key: html for key, html in parts.items() if sent.get(key) != html}
                    if changed:
                        yield _event("parts", changed)
                sent = parts
                count = _open_count(inbox.current)
                if count != sent_count:
                    yield _event("parts", {"open-count": count})
                    sent_count = count
                yield _event("age", self._age(snapshot, error))

    def _age(self, snapshot: Snapshot[T], error: str) -> dict[str, Any]:
        """How old a snapshot is."""
        return {
            "now": time.time(),
            "number": snapshot.number,
            "seenTime": snapshot.seen_time,
            "oldAfter": self.old_after(snapshot),
            "error": error,
        }

    def _page(self, snapshot: Snapshot[T], parts: Mapping[str, str]) -> str:
        outdated = ""
        if snapshot.error:
            age = last_known_text(snapshot.seen_time, time.time())
            outdated = f"{age}: {snapshot.error}. Trying again."
        frame = self.frame(snapshot)
        return self._with_top(self.template, parts=parts, outdated=outdated, **frame)

    def _failure(self, error: Exception) -> str:
        unknown = isinstance(error, UnknownExecutionError)
        title = "Unknown" if unknown else "Not available"
        retry = "" if unknown else " Trying again."
        return self._notice(title, f"{problem_of(error).detail}.{retry}")

    def _notice(self, title: str, text: str) -> str:
        return self._with_top("notice", title=title, text=text)

    def _with_top(self, template: str, **values: Any) -> str:
        """Render a whole page, with the values of its top bar."""
        is_open = self.service.authenticator.is_open
        return render(template, user=self.user, is_open=is_open, here=self.title, **values)


OpenPage = Callable[[Request, Principal], LivePage[Any]]


def add_live_page(
    app: FastAPI, service: ExecutionService, path: str, title: str, open_page: OpenPage
) -> None:
    """Add a page with its updates and dialogs.

    Args:
        app: the application.
        service: reads and controls executions.
        path: the path of the page; "" for the start page.
        title: the title of the window.
        open_page: creates the page for a request of a user.
    """

    async def authenticated(request: Request) -> LivePage[Any]:
        return open_page(request, await current_user(service.authenticator, request))

    @app.get(path or "/", include_in_schema=False)
    async def page(request: Request) -> Response:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        opened = open_page(request, user)
        body, shown = await opened.first()
        return document(title, body, status=opened.status, shown=shown)

    @app.get(f"{path}/events", include_in_schema=False, response_class=EventSourceResponse)
    async def events(request: Request, shown: str = "") -> AsyncIterator[ServerSentEvent]:
        try:
            opened = await authenticated(request)
            next_check = time.monotonic() + _AUTHENTICATE_SECONDS
            async for event in opened.updates(shown):
                if opened.user.has_expired:
                    note_wrong_token(EXPIRED)
                    raise NotAuthenticatedError(EXPIRED)
                yield event
                if await request.is_disconnected():
                    return
                if time.monotonic() > next_check:
                    next_check += _AUTHENTICATE_SECONDS
                    try:
                        opened.user = (await authenticated(request)).user
                    except ProviderUnavailableError:
                        # An authenticated user may continue to read; actions authenticate again.
                        continue
        except NotAuthenticatedError:
            yield _event("signed_out", {})
        except ProviderUnavailableError:
            # The browser connects again.
            return

    @app.get(f"{path}/dialogs/{{name}}", include_in_schema=False)
    async def open_dialog(request: Request, name: str, about: str | None = None) -> Response:
        try:
            dialog = await (await authenticated(request)).dialog(name, about)
        except Exception as error:
            # Without a visible error the user would press the button again and again.
            text, running = _explained(error)
            signed_out = isinstance(error, NotAuthenticatedError)
            address = sign_in_address(request.url.path.partition("/dialogs/")[0])
            return _error_dialog(text, running, address if signed_out else None)
        if dialog is None:
            return _error_dialog(_NOT_POSSIBLE)
        return HTMLResponse(dialog.html)

    @app.get(f"{path}/dialogs/{{name}}/details", include_in_schema=False)
    async def details(request: Request, name: str, about: str | None = None) -> Response:
        try:
            dialog = await (await authenticated(request)).dialog(name, about)
            if dialog is None or dialog.load_details is None:
                return PlainTextResponse(_NOT_POSSIBLE, status_code=409)
            return HTMLResponse(await dialog.load_details())
        except Exception as error:
            return failed(error)

    # Browsers send JSON to another site only after asking it, so no other site can act here.
    @app.post(f"{path}/dialogs/{{name}}", include_in_schema=False)
    async def send(request: Request, name: str, about: str | None = None) -> Response:
        try:
            opened = await authenticated(request)
            fields = await sent_fields(request, max_bytes=_MAX_FORM_BYTES)
            dialog = await opened.dialog(name, about)
            if dialog is None or dialog.send is None:
                return PlainTextResponse(_NOT_POSSIBLE, status_code=409)
            outcome = await dialog.send(opened.user, fields)
        except Exception as error:
            # Even after an unexpected error the user must see that the action failed.
            return failed(error)
        return HTMLResponse(outcome.dialog or render("outcome_dialog", outcome=outcome))


def _error_dialog(text: str, running: str | None = None, sign_in: str | None = None) -> Response:
    return HTMLResponse(render("error_dialog", error=text, running=running, sign_in=sign_in))


def failed(error: Exception) -> Response:
    """The response to a page's script after an error; the page shows its text and its link."""
    text, running = _explained(error)
    headers = {"Content-Location": f"/executions/{quote(running)}"} if running else None
    return PlainTextResponse(text, status_code=problem_of(error).status, headers=headers)


def _explained(error: Exception) -> tuple[str, str | None]:
    """The text of an error in the words of a page, and the running execution that is the cause."""
    if isinstance(error, RefusedError):
        return error.text, error.running
    if isinstance(error, NotAuthenticatedError):
        return _SIGNED_OUT, None
    return problem_of(error).detail, None


def _event(name: str, data: Any) -> ServerSentEvent:
    return ServerSentEvent(event=name, raw_data=json.dumps(data))


def _open_count(snapshot: Snapshot[InboxState] | None) -> str:
    """How many decisions are open, for the navigation; "" if nothing is known."""
    return render("open_count", inbox=snapshot.value.inbox) if snapshot else ""


def _digest(parts: Mapping[str, str]) -> str:
    """A digest of rendered parts."""
    return hashlib.sha256("".join(parts.values()).encode()).hexdigest()
