"""The session of an open page: follows snapshots and handles the user's actions."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nicegui import Client, background_tasks
from temporalio.service import RPCError

from api.auth.tokens import NotAuthenticatedError, Principal, ProviderUnavailableError
from api.hub import Poller, Snapshot, UnknownExecutionError
from api.pages.dialogs import Dialog, error_dialog, outcome_dialog
from api.pages.page_element import EventHandler, PageElement
from api.pages.rendering import render
from api.pages.sign_in import sign_in_address
from api.problems import problem_of
from api.service import ExecutionService
from client.errors import RefusedError, UnreachableError
from storage.dynamodb import TableError

T = TypeVar("T")

_AGE_SECONDS = 2.0
_RETRY_SECONDS = 1.0
_AUTHENTICATE_SECONDS = 30.0
_FIRST_SNAPSHOT_SECONDS = 1.5
_POLL_ERRORS = (UnknownExecutionError, RefusedError, UnreachableError, RPCError, TableError)


@dataclass(frozen=True)
class PageRequest:
    """The request for a page.

    Attributes:
        service: reads and controls executions.
        user: the authenticated user.
        token: the user's token, which may expire.
    """

    service: ExecutionService
    user: Principal
    token: str | None


class PageSession(ABC, Generic[T]):
    """An open page that shows the snapshots of a poller.

    Attributes:
        user: the authenticated user; authenticated again before each action.
    """

    def __init__(self, page_request: PageRequest, path: str, title: str) -> None:
        """Create a session.

        Args:
            page_request: the request that opened the page.
            path: the path of the page.
            title: the title of the page in the navigation.
        """
        self.service = page_request.service
        self.user = page_request.user
        self._token = page_request.token
        self._path = path
        self._title = title
        self._dialog: Dialog | None = None
        self._authenticated_at = time.monotonic()
        self._shown = False
        self.element: PageElement

    @abstractmethod
    def parts(self, snapshot: Snapshot[T]) -> dict[str, str]:
        """Render the parts that change, by the ID of their element."""

    @abstractmethod
    def page(self, snapshot: Snapshot[T]) -> str:
        """Render the whole page."""

    @abstractmethod
    def old_after(self, snapshot: Snapshot[T]) -> float:
        """Seconds without a successful poll after which the page is marked as out of date."""

    @abstractmethod
    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """The dialog that a button opens; None if its action is no longer possible."""

    def open(
        self,
        client: Client,
        poller: Callable[[], Poller[T]],
        first: Snapshot[T] | None,
        handlers: Mapping[str, EventHandler] | None = None,
    ) -> None:
        """Show the page and update it until the user closes it.

        Args:
            client: the browser's connection.
            poller: returns the poller of what the page shows.
            first: the first snapshot; None if it is not there yet.
            handlers: what to do on further events of the page, by event name.
        """
        html = self.page(first) if first else self.notice("Loading…", "Waiting for Temporal.")
        own = {"ask": self._open_dialog, "send": self._send, "closed": self._close_dialog}
        self.element = PageElement(html, own | dict(handlers or {}))
        if first:
            self._shown = True
            self.element.set_sent(self.parts(first))
        task = background_tasks.create(self._follow(poller), name=f"follow {self._path}")
        client.on_delete(task.cancel)

    def notice(self, title: str, text: str) -> str:
        """Render a page with a single message."""
        return render("notice", title=title, text=text, back=True, **self.top)

    @property
    def top(self) -> dict[str, Any]:
        """The values for the top bar of the page."""
        return {
            "user": self.user,
            "is_open": self.service.authenticator.is_open,
            "here": self._title,
        }

    async def caller(self) -> Principal:
        """Authenticate the user again.

        Raises:
            NotAuthenticatedError: the token is no longer valid.
            ProviderUnavailableError: the token cannot be verified now.
        """
        return await self.service.authenticator.authenticate(self._token)

    async def _follow(self, poller: Callable[[], Poller[T]]) -> None:
        async with poller().subscribed() as source:
            number = 0
            while True:
                await self._authenticate_again()
                try:
                    async with asyncio.timeout(_AGE_SECONDS):
                        snapshot = await source.newer_than(number)
                except TimeoutError:
                    if source.latest is None:
                        continue
                    snapshot = source.latest
                except _POLL_ERRORS as error:
                    self._show_error(source.latest, error)
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                number = snapshot.number
                self.show(snapshot)

    def show(self, snapshot: Snapshot[T]) -> None:
        """Update the page to a snapshot, with its age."""
        if self._shown:
            self.element.update_parts(self.parts(snapshot))
        else:
            self._shown = True
            self.element.replace_page(self.page(snapshot), self.parts(snapshot))
        self.show_age(snapshot, snapshot.error)

    def show_age(self, snapshot: Snapshot[T], error: str) -> None:
        """Show how old the snapshot is."""
        seen_text = render("time", at=snapshot.seen_time).strip()
        self.element.set_age(snapshot.seen_time, seen_text, self.old_after(snapshot), error)

    def _show_error(self, snapshot: Snapshot[T] | None, error: Exception) -> None:
        if snapshot is not None:
            self.show_age(snapshot, problem_of(error).detail)
            return
        self._shown = False
        unknown = isinstance(error, UnknownExecutionError)
        title = "Unknown" if unknown else "Not available"
        retry = "" if unknown else " Trying again."
        self.element.replace_page(self.notice(title, f"{problem_of(error).detail}.{retry}"))

    async def _authenticate_again(self) -> None:
        if time.monotonic() - self._authenticated_at < _AUTHENTICATE_SECONDS:
            return
        self._authenticated_at = time.monotonic()
        try:
            self.user = await self.caller()
        except NotAuthenticatedError:
            self.element.go_to(sign_in_address(self._path))
        except ProviderUnavailableError:
            # An authenticated user may continue to read; each action authenticates again.
            return

    async def _open_dialog(self, fields: dict[str, Any]) -> None:
        try:
            self._dialog = dialog = await self.dialog(fields)
        except Exception as error:
            # Without a visible error the user would press the button again and again.
            self.element.open_dialog(error_dialog(problem_of(error).detail))
            return
        if dialog is None:
            text = "This action is no longer possible; see the current state on the page."
            self.element.open_dialog(error_dialog(text))
            return
        self.element.open_dialog(dialog.html)
        if dialog.load_details is None:
            return
        details = await dialog.load_details()
        if self._dialog is dialog:
            self.element.update_parts({"dialog-details": details})

    async def _send(self, fields: dict[str, Any]) -> None:
        dialog = self._dialog
        if dialog is None or dialog.send is None:
            return
        try:
            caller = await self.caller()
            texts = {str(k): v for k, v in fields.items() if isinstance(v, str)}
            outcome = await dialog.send(caller, texts)
        except Exception as error:
            # Even after an unexpected error the user must see that the action failed.
            self.element.show_dialog_error(problem_of(error).detail)
            return
        self._dialog = None
        self.element.open_dialog(outcome_dialog(outcome))

    async def _close_dialog(self, _: dict[str, Any]) -> None:
        self._dialog = None


async def first_snapshot(poller: Callable[[], Poller[T]]) -> Snapshot[T] | None:
    """The snapshot to render a page with; None if it takes longer than a user likes to wait."""
    try:
        async with poller().subscribed() as source, asyncio.timeout(_FIRST_SNAPSHOT_SECONDS):
            return await source.newer_than(0)
    except (TimeoutError, *_POLL_ERRORS):
        return None
