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
        is_queued: it has had no effect yet; a worker takes it up when one is available.
        dialog: the HTML of the dialog that follows, where the action takes another step.
    """

    text: str
    address: str | None = None
    is_queued: bool = False
    dialog: str | None = None

    @classmethod
    def of(cls, effect: str | None) -> "Outcome":
        """The outcome of a message with this effect; None if no worker has answered."""
        if effect is None:
            return cls("It has no effect yet. `drs-waves worker` starts one.", is_queued=True)
        return cls(effect)


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
