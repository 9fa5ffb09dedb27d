"""The element that all pages consist of: HTML rendered here, changed part by part."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

Answer = Callable[[dict[str, Any]], Awaitable[None]]


class Live(Element, component="static/live.js"):
    """A page's whole content.

    Elements with an `id` can be changed one by one; those that did not change are not sent.
    What the reader has focused, scrolled to or selected stays.
    """

    def __init__(self, html: str, answers: Mapping[str, Answer]) -> None:
        """Show HTML.

        Args:
            html: of the whole page, escaped where it must be.
            answers: what to do when the page tells something: its name, with its fields.
        """
        super().__init__()
        self._props["html"] = html
        self._sent: dict[str, str] = {}
        for name, answer in answers.items():
            self.on(name, _with_fields(answer))

    def whole(self, html: str, parts: Mapping[str, str] | None = None) -> None:
        """Show another content altogether.

        Args:
            html: the content.
            parts: what of it is known to be shown, by ID.
        """
        self._sent = dict(parts or {})
        self.run_method("whole", html)

    def holds(self, parts: Mapping[str, str]) -> None:
        """Note what the first content shows, by ID."""
        self._sent = dict(parts)

    def change(self, parts: Mapping[str, str]) -> None:
        """Change those of these parts that are not shown as they are."""
        changed = {key: html for key, html in parts.items() if self._sent.get(key) != html}
        if changed:
            self._sent |= changed
            self.run_method("change", changed)

    def beat(self, seen: float, seen_text: str, old_after: float, error: str) -> None:
        """Say how old the picture is.

        Args:
            seen: when it was last known to be so (epoch seconds).
            seen_text: the same for people.
            old_after: it is marked as old when it was not seen for so many seconds.
            error: why it could not be looked at since.
        """
        self.run_method("beat", time.time(), seen, seen_text, old_after, error)

    def open_dialog(self, html: str) -> None:
        """Open the dialog with this content, or replace what it shows."""
        self.run_method("openDialog", html)

    def fail(self, why: str) -> None:
        """Say in the open dialog why nothing was done; what was filled in stays."""
        self.run_method("fail", why)

    def go(self, address: str) -> None:
        """Go to another page."""
        self.run_method("go", address)


def _with_fields(answer: Answer) -> Callable[[GenericEventArguments], Awaitable[None]]:
    async def handle(event: GenericEventArguments) -> None:
        if isinstance(event.args, dict):
            await answer(event.args)

    return handle
