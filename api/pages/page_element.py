"""The element that contains a whole page: HTML rendered on the server, updated part by part."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

EventHandler = Callable[[dict[str, Any]], Awaitable[None]]


class PageElement(Element, component="static/page_element.js"):
    """The content of a page.

    Parts are elements with an `id`. Only parts that changed are sent, and the browser keeps focus,
    scroll position and selection.
    """

    def __init__(
        self, html: str, parts: Mapping[str, str], handlers: Mapping[str, EventHandler]
    ) -> None:
        """Show HTML.

        Args:
            html: the whole page; values in it are already escaped.
            parts: the parts that it contains, by ID.
            handlers: what to do on events from the browser, by event name; each gets the event's
                fields.
        """
        super().__init__()
        self._props["html"] = html
        self._sent = dict(parts)
        for name, handler in handlers.items():
            self.on(name, _with_fields(handler))

    def replace_page(self, html: str, parts: Mapping[str, str]) -> None:
        """Replace the whole page by one with these parts, by ID."""
        self._sent = dict(parts)
        self.run_method("replacePage", html)

    def update_parts(self, parts: Mapping[str, str]) -> None:
        """Send the parts that changed."""
        changed = {key: html for key, html in parts.items() if self._sent.get(key) != html}
        if changed:
            self._sent |= changed
            self.run_method("updateParts", changed)

    def set_age(self, seen_time: float, seen_text: str, old_after: float, error: str) -> None:
        """Send how old the snapshot on the page is.

        Args:
            seen_time: when the state was last confirmed (epoch seconds).
            seen_text: the same as text.
            old_after: seconds after which the page is marked as out of date.
            error: why the last poll failed; "" if it succeeded.
        """
        self.run_method("setAge", time.time(), seen_time, seen_text, old_after, error)

    def open_dialog(self, html: str, number: int) -> None:
        """Open the dialog with this content, or replace the content of the open dialog.

        The events `send` and `closed` return the dialog's number.
        """
        self.run_method("openDialog", html, number)

    def show_dialog_error(self, error: str) -> None:
        """Show in the open dialog why the action failed; the form keeps its input."""
        self.run_method("showDialogError", error)

    def go_to(self, address: str) -> None:
        """Go to another page."""
        self.run_method("goTo", address)


def _with_fields(handler: EventHandler) -> Callable[[GenericEventArguments], Awaitable[None]]:
    async def handle(event: GenericEventArguments) -> None:
        if isinstance(event.args, dict):
            await handler(event.args)

    return handle
