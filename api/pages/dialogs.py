"""The dialogs of pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from api.auth.tokens import Principal

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """The outcome of an action.

    Attributes:
        text: one sentence.
        address: a page to watch; None if there is none.
    """

    text: str
    address: str | None = None


@dataclass(frozen=True)
class Dialog:
    """A dialog.

    Attributes:
        html: the content.
        send: performs the action for a caller, with the fields of the form; None if the dialog only
            shows something.
        load_details: returns the HTML of details that take longer to load; None if there are none.
    """

    html: str
    send: Callable[[Principal, Fields], Awaitable[Outcome]] | None
    load_details: Callable[[], Awaitable[str]] | None = None
