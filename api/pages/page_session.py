"""The session of an open page: follows snapshots and handles the user's actions."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from fastapi import Request
from nicegui import Client, background_tasks

from api.auth.tokens import NotAuthenticatedError, Principal, ProviderUnavailableError
from api.hub import POLL_ERRORS, Poller, Snapshot, UnknownExecutionError
from api.pages.dialogs import Dialog
from api.pages.page_element import EventHandler, PageElement
from api.pages.rendering import render
from api.pages.sign_in import sign_in_address, token_of
from api.problems import problem_of
from api.service import ExecutionService

T = TypeVar("T")

_AGE_SECONDS = 2.0
_RETRY_SECONDS = 1.0
_AUTHENTICATE_SECONDS = 30.0
_FIRST_SNAPSHOT_SECONDS = 1.5


class PageSession(ABC, Generic[T]):
    """An open page that shows the snapshots of a poller.

    Attributes:
        template: the template of the whole page.
        service: reads and controls executions.
        user: the authenticated user; authenticated again before each action.
    """

    template: ClassVar[str]

    def __init__(
        self, service: ExecutionService, request: Request, user: Principal, title: str
    ) -> None:
        """Create a session for a request; `title` is the page's in the navigation."""
        self.service = service
        self.user = user
        # It may expire.
        self._token = token_of(request)
        self._path = request.url.path
        self._title = title
        self._dialog: Dialog | None = None
        self._dialog_number = 0
        self._authenticated_at = time.monotonic()
        self._shown = False
        self.element: PageElement

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
    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """The dialog that a button opens; None if its action is no longer possible."""

    async def open(
        self, client: Client, poller: Poller[T], handlers: Mapping[str, EventHandler] | None = None
    ) -> None:
        """Show the page and update it until the user closes it.

        Args:
            client: the browser's connection.
            poller: polls what the page shows.
            handlers: what to do on further events of the page, by event name.
        """
        first = await _first_snapshot(poller)
        self._shown = first is not None
        parts = self.parts(first) if first else {}
        own = {"ask": self._open_dialog, "send": self._send, "closed": self._close_dialog}
        html = (
            self._page(first, parts) if first else self._notice("Loading…", "Waiting for Temporal.")
        )
        self.element = PageElement(html, parts, own | dict(handlers or {}))
        task = background_tasks.create(self._follow(poller), name=f"follow {self._path}")
        client.on_delete(task.cancel)

    def _page(self, snapshot: Snapshot[T], parts: Mapping[str, str]) -> str:
        return self._with_top(self.template, parts=parts, **self.frame(snapshot))

    def _notice(self, title: str, text: str) -> str:
        return self._with_top("notice", title=title, text=text)

    def _with_top(self, template: str, **values: Any) -> str:
        """Render a whole page, with the values of its top bar."""
        is_open = self.service.authenticator.is_open
        return render(template, user=self.user, is_open=is_open, here=self._title, **values)

    async def _caller(self) -> Principal:
        """Authenticate the user again.

        Raises:
            NotAuthenticatedError: the token is no longer valid.
            ProviderUnavailableError: the token cannot be verified now.
        """
        return await self.service.authenticator.authenticate(self._token)

    async def _follow(self, poller: Poller[T]) -> None:
        async with poller.subscribed():
            number = 0
            while True:
                await self._authenticate_again()
                try:
                    # Without a newer snapshot, the age of the last one is shown again.
                    snapshot = await poller.newer_within(_AGE_SECONDS, number) or poller.latest
                except POLL_ERRORS as error:
                    self._show_error(poller.latest, error)
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if snapshot is not None:
                    number = snapshot.number
                    self._show(snapshot)

    def _show(self, snapshot: Snapshot[T]) -> None:
        parts = self.parts(snapshot)
        if self._shown:
            self.element.update_parts(parts)
        else:
            self._shown = True
            self.element.replace_page(self._page(snapshot, parts), parts)
        self._show_age(snapshot, snapshot.error)

    def _show_age(self, snapshot: Snapshot[T], error: str) -> None:
        seen_text = render("time", at=snapshot.seen_time).strip()
        self.element.set_age(snapshot.seen_time, seen_text, self.old_after(snapshot), error)

    def _show_error(self, snapshot: Snapshot[T] | None, error: Exception) -> None:
        if snapshot is not None:
            self._show_age(snapshot, problem_of(error).detail)
            return
        self._shown = False
        unknown = isinstance(error, UnknownExecutionError)
        title = "Unknown" if unknown else "Not available"
        retry = "" if unknown else " Trying again."
        self.element.replace_page(self._notice(title, f"{problem_of(error).detail}.{retry}"), {})

    async def _authenticate_again(self) -> None:
        if time.monotonic() - self._authenticated_at < _AUTHENTICATE_SECONDS:
            return
        self._authenticated_at = time.monotonic()
        try:
            self.user = await self._caller()
        except NotAuthenticatedError:
            self.element.go_to(sign_in_address(self._path))
        except ProviderUnavailableError:
            # An authenticated user may continue to read; each action authenticates again.
            return

    async def _open_dialog(self, fields: dict[str, Any]) -> None:
        try:
            dialog = await self.dialog(fields)
        except Exception as error:
            # Without a visible error the user would press the button again and again.
            self._show_dialog(render("error_dialog", error=problem_of(error).detail))
            return
        if dialog is None:
            text = "This action is no longer possible; see the current state on the page."
            self._show_dialog(render("error_dialog", error=text))
            return
        self._show_dialog(dialog.html, dialog)
        if dialog.load_details is None:
            return
        details = await dialog.load_details()
        if self._dialog is dialog:
            self.element.update_parts({"dialog-details": details})

    def _show_dialog(self, html: str, dialog: Dialog | None = None) -> None:
        self._dialog = dialog
        self._dialog_number += 1
        self.element.open_dialog(html, self._dialog_number)

    def _is_open(self, event: dict[str, Any]) -> bool:
        """Whether an event is of the dialog that is open, not of one before it."""
        return event.get("dialog") == self._dialog_number

    async def _send(self, event: dict[str, Any]) -> None:
        dialog, fields = self._dialog, event.get("fields")
        if not self._is_open(event) or dialog is None or dialog.send is None:
            text = "this dialog is no longer open; close it, and open it again"
            self.element.show_dialog_error(text)
            return
        try:
            caller = await self._caller()
            given = fields if isinstance(fields, dict) else {}
            texts = {str(k): v for k, v in given.items() if isinstance(v, str)}
            outcome = await dialog.send(caller, texts)
        except Exception as error:
            # Even after an unexpected error the user must see that the action failed.
            self.element.show_dialog_error(problem_of(error).detail)
            return
        self._show_dialog(render("outcome_dialog", outcome=outcome))

    async def _close_dialog(self, event: dict[str, Any]) -> None:
        if self._is_open(event):
            self._dialog = None


async def _first_snapshot(poller: Poller[T]) -> Snapshot[T] | None:
    """The snapshot to render a page with; None if it takes longer than a user likes to wait."""
    try:
        async with poller.subscribed():
            return await poller.newer_within(_FIRST_SNAPSHOT_SECONDS, 0)
    except POLL_ERRORS:
        return None
