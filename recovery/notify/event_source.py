"""What an execution reports, from one state to the next: one of a plan, or of a portfolio."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from recovery.execution.state import MessageRecord
from recovery.notify.event_kind import EventKind
from recovery.notify.events import AskedDecision, DecisionMaker, Event, NotifiedExecution
from recovery.notify.notifier_state import NotifyUpdate

_MAX_EVENTS = 200


class EventSource(ABC):
    """Compares states of an execution, each with the one before."""

    def __init__(self) -> None:
        """Compare states from now on."""
        self._messages = 0
        # Of what happens once.
        self._reported: set[EventKind] = set()
        # As they were last reported.
        self._asked: list[AskedDecision] = []
        self._unsent: list[Event] = []

    @property
    @abstractmethod
    def execution(self) -> NotifiedExecution:
        """The execution, as its notifications name it."""

    @property
    @abstractmethod
    def is_asking(self) -> bool:
        """Whether it waits for decisions."""

    @property
    @abstractmethod
    def asks_anew(self) -> bool:
        """Whether other decisions are open than in the last report."""

    @property
    @abstractmethod
    def _is_over(self) -> bool: ...

    @property
    @abstractmethod
    def _speed(self) -> float: ...

    @abstractmethod
    def _asked_now(self, now: float) -> list[AskedDecision]: ...

    @abstractmethod
    def _new_events(self, now: float) -> list[Event]: ...

    @abstractmethod
    def _made(self, key: str) -> MessageRecord | None:
        """The message that made a decision; None if none did."""

    def unsent(self, *, now: float, repeat: bool = False) -> NotifyUpdate | None:
        """What is to be reported now: new events, and all open decisions; None if nothing is.

        Args:
            now: epoch seconds.
            repeat: report open decisions although they are as before.
        """
        asked = self._asked_now(now)
        self._unsent += self._new_events(now)
        is_known = _known(asked) == _known(self._asked)
        if is_known and not self._unsent and not (asked and repeat):
            return None
        some, self._unsent = self._unsent[:_MAX_EVENTS], self._unsent[_MAX_EVENTS:]
        open_keys = {each.key for each in asked}
        gone = [each.key for each in self._asked if each.key not in open_keys]
        self._asked = asked
        return NotifyUpdate(
            execution=self.execution,
            speed=self._speed,
            events=some,
            decisions=asked,
            made={key: DecisionMaker.of(self._made(key)) for key in gone},
            is_over=self._is_over and not self._unsent,
        )

    def take_back(self, update: NotifyUpdate) -> None:
        """A report reached nobody: its events are to be reported again."""
        self._unsent = [*update.events, *self._unsent]

    @property
    def has_more(self) -> bool:
        """Whether events are left that did not fit."""
        return bool(self._unsent)

    def _is_first(self, kind: EventKind) -> bool:
        is_new = kind not in self._reported
        self._reported.add(kind)
        return is_new

    def _by_break_glass(self, messages: Sequence[MessageRecord]) -> list[Event]:
        """The messages since the last report that were signed with an offline key."""
        found = []
        for number, message in enumerate(messages[self._messages :], self._messages):
            if message.break_glass is not None and message.accepted:
                reason = f"{message.actor}: {message.name}: {message.break_glass}"
                key = f"{EventKind.BREAK_GLASS}/{number}"
                found.append(
                    Event(kind=EventKind.BREAK_GLASS, key=key, time=message.time, reason=reason)
                )
        self._messages = len(messages)
        return found


def _known(asked: list[AskedDecision]) -> list[tuple[object, ...]]:
    """What of decisions is worth a report; texts alone may change with every attempt."""
    return [(each.key, each.deadline, each.acknowledged_by) for each in asked]
