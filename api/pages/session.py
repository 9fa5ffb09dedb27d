"""An open page: who reads it, what it asks and what it is told."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nicegui import Client, background_tasks
from temporalio.service import RPCError

from api.auth.tokens import NotAuthenticatedError, Principal, ProviderAwayError
from api.hub import Lookout, Sight, UnknownExecutionError
from api.pages.dialogs import Dialog, refused, told
from api.pages.live import Live
from api.pages.rendering import render
from api.pages.sign_in import sign_in_address
from api.problems import problem_of
from api.service import House
from client.errors import RefusedError, UnreachableError
from storage.dynamodb import TableError

T = TypeVar("T")

# How often a page is told how old its picture is.
_BEAT_SECONDS = 2.0
_AGAIN_SECONDS = 1.0
_ADMIT_SECONDS = 30.0
FIRST_LOOK_SECONDS = 1.5
_FORESEEN = (UnknownExecutionError, RefusedError, UnreachableError, RPCError, TableError)


@dataclass(frozen=True)
class Reading:
    """Who reads a page.

    Attributes:
        house: does what is asked.
        reader: who looks.
        token: the reader's, which may expire.
    """

    house: House
    reader: Principal
    token: str | None


class Visit(ABC, Generic[T]):
    """A page that follows something and asks before it acts.

    Attributes:
        reader: who looks; asked anew before anything is done.
    """

    def __init__(self, reading: Reading, path: str, here: str) -> None:
        """Prepare.

        Args:
            reading: who reads, and from which house.
            path: the page's own.
            here: what the page is called.
        """
        self.house = reading.house
        self.reader = reading.reader
        self._token = reading.token
        self._path = path
        self._here = here
        self._dialog: Dialog | None = None
        self._admitted = time.monotonic()
        self._shown = False
        self.live: Live

    # What each page says for itself.

    @abstractmethod
    def parts(self, sight: Sight[T]) -> dict[str, str]:
        """What changes on the page, by the ID of its element."""

    @abstractmethod
    def page(self, sight: Sight[T]) -> str:
        """The whole page."""

    @abstractmethod
    def old_after(self, sight: Sight[T]) -> float:
        """After how many seconds without a look the picture is marked as old."""

    @abstractmethod
    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """What is asked when a button is pressed; None where it makes no sense any more."""

    # The rest is the same for all.

    def open(
        self,
        client: Client,
        lookout: Callable[[], Lookout[T]],
        first: Sight[T] | None,
        answers: Mapping[str, Callable[[dict[str, Any]], Awaitable[None]]] | None = None,
    ) -> None:
        """Show the page and follow what it shows until the reader leaves."""
        html = self.page(first) if first else self.notice("Looking…", "Temporal is being asked.")
        own = {"ask": self._ask, "send": self._send, "gone": self._gone}
        self.live = Live(html, own | dict(answers or {}))
        if first:
            self._shown = True
            self.live.holds(self.parts(first))
        task = background_tasks.create(self._follow(lookout), name=f"follow {self._path}")
        client.on_delete(task.cancel)

    def notice(self, title: str, text: str) -> str:
        """A page that says but one thing."""
        return render("notice", title=title, told=text, back=True, **self.top)

    @property
    def top(self) -> dict[str, Any]:
        """What the top of the page is rendered with."""
        return {"reader": self.reader, "is_open": self.house.gate.is_open, "here": self._here}

    async def caller(self) -> Principal:
        """The reader, by a token that is valid now.

        Raises:
            NotAuthenticatedError: it is not valid any more.
            ProviderAwayError: that cannot be decided now.
        """
        return await self.house.gate.admit(self._token)

    async def _follow(self, lookout: Callable[[], Lookout[T]]) -> None:
        async with lookout().watching() as watched:
            number = 0
            while True:
                await self._admit_again()
                try:
                    async with asyncio.timeout(_BEAT_SECONDS):
                        sight = await watched.newer_than(number)
                except TimeoutError:
                    if watched.sight is None:
                        continue
                    sight = watched.sight
                except _FORESEEN as error:
                    self._tell_failure(watched.sight, error)
                    await asyncio.sleep(_AGAIN_SECONDS)
                    continue
                number = sight.number
                self.show(sight)

    def show(self, sight: Sight[T]) -> None:
        """Show a sight, as far as it is not shown, and say how old it is."""
        if self._shown:
            self.live.change(self.parts(sight))
        else:
            self._shown = True
            self.live.whole(self.page(sight), self.parts(sight))
        self.beat(sight, sight.error)

    def beat(self, sight: Sight[T], error: str) -> None:
        """Say how old the picture is."""
        seen = render("moment", at=sight.seen_time).strip()
        self.live.beat(sight.seen_time, seen, self.old_after(sight), error)

    def _tell_failure(self, sight: Sight[T] | None, error: Exception) -> None:
        if sight is not None:
            self.beat(sight, problem_of(error).detail)
            return
        self._shown = False
        unknown = isinstance(error, UnknownExecutionError)
        title = "Unknown" if unknown else "It cannot be looked at"
        again = "" if unknown else " Trying again."
        self.live.whole(self.notice(title, f"{problem_of(error).detail}.{again}"))

    async def _admit_again(self) -> None:
        if time.monotonic() - self._admitted < _ADMIT_SECONDS:
            return
        self._admitted = time.monotonic()
        try:
            self.reader = await self.caller()
        except NotAuthenticatedError:
            self.live.go(sign_in_address(self._path))
        except ProviderAwayError:
            # Whoever was known a moment ago may go on looking; acts are checked on their own.
            return

    async def _ask(self, fields: dict[str, Any]) -> None:
        try:
            self._dialog = asked = await self.dialog(fields)
        except Exception as error:
            # A button that seems to do nothing would be pressed again and again.
            self.live.open_dialog(refused(problem_of(error).detail))
            return
        if asked is None:
            self.live.open_dialog(refused("This makes no sense any more; look at the page."))
            return
        self.live.open_dialog(asked.html)
        if asked.look is None:
            return
        found = await asked.look()
        if self._dialog is asked:
            self.live.change({"dialog-look": found})

    async def _send(self, fields: dict[str, Any]) -> None:
        asked = self._dialog
        if asked is None or asked.send is None:
            return
        try:
            caller = await self.caller()
            filled = {str(k): v for k, v in fields.items() if isinstance(v, str)}
            outcome = await asked.send(caller, filled)
        except Exception as error:
            # Whatever it was, the reader must know that nothing can be relied on.
            self.live.fail(problem_of(error).detail)
            return
        self._dialog = None
        self.live.open_dialog(told(outcome))

    async def _gone(self, _: dict[str, Any]) -> None:
        self._dialog = None


async def first_sight(lookout: Callable[[], Lookout[T]]) -> Sight[T] | None:
    """What a page begins with; None where that takes longer than a reader likes to wait."""
    try:
        async with lookout().watching() as watched, asyncio.timeout(FIRST_LOOK_SECONDS):
            return await watched.newer_than(0)
    except (TimeoutError, *_FORESEEN):
        return None
