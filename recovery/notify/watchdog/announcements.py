"""What the watchdog has reported to each channel, and what to send. Times are epoch seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recovery.execution.state import ExecutionType
from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from recovery.notify.events import Event, ItemKind, Notification, NotificationItem
from recovery.notify.reminders import next_slot
from recovery.notify.routes import Route, routes_of
from recovery.notify.severity import breaks_quiet_hours
from recovery.notify.watchdog.conditions import (
    Condition,
    ConditionKind,
    conditions_of,
    is_known,
)
from recovery.notify.watchdog.observation import Observation
from recovery.readiness.verdict import ReadinessStatus

# Those that no pager gets.
_EVENTS = {
    ConditionKind.DRILLS: EventKind.DRILL_OVERDUE,
    ConditionKind.READINESS: EventKind.READINESS_LOST,
}


@dataclass
class _Held:
    """A condition that holds.

    Attributes:
        since: when it was first seen.
        is_confirmed: two observations in a row had it, so it is more than a short failure.
        members: those that the last two observations have.
    """

    condition: Condition
    since: float
    is_confirmed: bool = False
    members: frozenset[str] = frozenset()


class _Reported(NamedTuple):
    """What was reported to a channel of a condition, and when."""

    event: Event
    members: frozenset[str]
    time: float


@dataclass
class _ReportedChannel:
    """What was reported to a channel.

    Attributes:
        reported: what it knows.
        sending: what the message says that is on the way, if one is; None: that it is gone.
        sent: how many messages were delivered.
        has_failed: the last one was not.
    """

    reported: dict[ConditionKind, _Reported] = field(default_factory=dict)
    sending: dict[ConditionKind, _Reported | None] = field(default_factory=dict)
    sent: int = 0
    has_failed: bool = False


class Announcements:
    """Decides what the watchdog sends to which channel, from one observation to the next.

    A condition is reported once two observations in a row have it, again as decisions are, and
    when it is gone. A channel whose message failed gets what then holds after the next observation.
    """

    def __init__(self, channels: Sequence[Channel], namespace: str, *, now: float) -> None:
        """Begin; `namespace` is Temporal's, so that installations have incidents of their own."""
        self._channels = channels
        self._namespace = namespace
        self._started = now
        self._held: dict[ConditionKind, _Held] = {}
        self._reported = {each.name: _ReportedChannel() for each in channels}

    @property
    def confirmed(self) -> list[Condition]:
        """The conditions that are reported."""
        return [each.condition for each in self._held.values() if each.is_confirmed]

    @property
    def reported_channels(self) -> list[str]:
        """The names of the channels that take what is reported."""
        return [each.channel for each in self._routes(self._started)]

    @property
    def reaches_nobody(self) -> bool:
        """Whether there is something to report, and no channel takes it."""
        has_failed = [self._reported[name].has_failed for name in self.reported_channels]
        return bool(self.confirmed) and all(has_failed)

    def update(self, seen: Observation) -> None:
        """Apply an observation."""
        found = {each.kind: each for each in conditions_of(seen)}
        for kind in list(self._held):
            if kind not in found and is_known(kind, seen):
                del self._held[kind]
        for kind, condition in found.items():
            held = self._held.setdefault(kind, _Held(condition, seen.time))
            if held.condition is condition:
                continue
            held.members = frozenset(condition.members) & frozenset(held.condition.members)
            held.is_confirmed |= bool(held.members) or not condition.members
            held.condition = condition

    def take(self, *, now: float) -> list[Notification]:
        """What is to be sent now; each is then either `delivered` or `failed`."""
        taken = []
        for route in self._routes(now):
            channel = self._reported[route.channel]
            is_quiet = any(start <= now < end for start, end in route.quiet)
            if channel.sending:
                continue
            items = []
            for kind, reported, item in self._items(route, now):
                if breaks_quiet_hours(item) or not is_quiet:
                    channel.sending[kind] = reported
                    items.append(item)
            if items:
                unique = f"watchdog-{int(self._started)}-{route.channel}-{channel.sent}"
                taken.append(
                    Notification(
                        notification_id=unique, channel=route.channel, time=now, items=items
                    )
                )
        return taken

    def delivered(self, sent: Notification) -> None:
        """A message was delivered."""
        channel = self._reported[sent.channel]
        for kind, reported in channel.sending.items():
            if reported is None:
                del channel.reported[kind]
            else:
                channel.reported[kind] = reported
        channel.sending, channel.has_failed = {}, False
        channel.sent += 1

    def failed(self, sent: Notification) -> None:
        """A message was not delivered."""
        channel = self._reported[sent.channel]
        channel.sending, channel.has_failed = {}, True

    def _routes(self, now: float) -> list[Route]:
        """The channels that take such events: they concern every recovery."""
        kinds = (EventKind.NO_WORKER, *_EVENTS.values())
        events = [Event(kind=kind, key="", time=now) for kind in kinds]
        routes = routes_of(self._channels, [], ExecutionType.RECOVERY, now=now)
        return [each for each in routes if any(map(each.takes, events))]

    def _items(
        self, route: Route, now: float
    ) -> Iterator[tuple[ConditionKind, _Reported | None, NotificationItem]]:
        """What is to be sent, each with what its channel then knows of the condition."""
        channel = self._reported[route.channel]
        for kind, held in self._held.items():
            if not route.takes(self._event(held)):
                continue
            reported = channel.reported.get(kind)
            if reported is None or not held.members <= reported.members:
                item_kind = ItemKind.EVENT
            elif next_slot(held.since, reported.time, speed=1.0) <= now:
                item_kind = ItemKind.REMINDER
            else:
                continue
            if held.is_confirmed:
                event = self._event(held)
                item = NotificationItem(kind=item_kind, event=event, incident=event.key)
                yield kind, _Reported(event, held.members, now), item
        for kind, (event, _, _) in channel.reported.items():
            if kind not in self._held:
                yield (
                    kind,
                    None,
                    NotificationItem(kind=ItemKind.RESOLVED, event=event, incident=event.key),
                )

    def _event(self, held: _Held) -> Event:
        kind = held.condition.kind
        return Event(
            kind=_EVENTS.get(kind, EventKind.NO_WORKER),
            key=f"watchdog/{self._namespace}/{kind}",
            time=held.since,
            reason=held.condition.reason,
            readiness=ReadinessStatus.STALE if kind is ConditionKind.READINESS else None,
        )
