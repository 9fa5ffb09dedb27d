"""What a page asks before it does anything, and what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from api.auth.tokens import Principal
from api.pages.rendering import render

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    Attributes:
        told: in a sentence.
        go: the page that shows it; None to stay.
        link: what that page is called.
    """

    told: str
    go: str | None = None
    link: str = ""


@dataclass(frozen=True)
class Dialog:
    """A question that a page asks.

    Attributes:
        html: what is shown.
        send: does it for a caller, given what was filled in; None where it only tells.
        look: finds out more while the dialog is open; the HTML that is then shown in it.
    """

    html: str
    send: Callable[[Principal, Fields], Awaitable[Outcome]] | None
    look: Callable[[], Awaitable[str]] | None = None


def told(outcome: Outcome) -> str:
    """The dialog that tells what came of it."""
    return render("outcome", outcome=outcome)


def refused(why: str) -> str:
    """The dialog that tells why nothing can be asked."""
    return render("refused", why=why)
