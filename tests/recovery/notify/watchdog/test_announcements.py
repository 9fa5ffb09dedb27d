"""What the watchdog sends, from one observation to the next."""

from typing import Any

from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, Notification
from recovery.notify.watchdog.announcements import Announcements
from recovery.notify.watchdog.observation import Observation

START = 1_800_000_000.0
MINUTE = 60.0
EVERY = 30.0
NO_WORKER = {"worker": "No worker answers"}
INCIDENT = "watchdog/default/worker"


def channel(name: str, **fields: Any) -> Channel:
    """A channel."""
    return Channel.model_validate({"Name": name, "Apprise": {"Env": "URL"}, **fields})


class Looks:
    """Looks every 30 seconds, and what each channel is sent after each."""

    def __init__(self, *channels: Channel, start: float = START) -> None:
        self.announcements = Announcements(channels, "default", now=start)
        self.now = start

    def take(self, **seen: Any) -> list[Notification]:
        """Look, and take what is to be sent."""
        self.now += EVERY
        self.announcements.update(Observation(time=self.now, **seen))
        return self.announcements.take(now=self.now)

    def send(self, **seen: Any) -> list[tuple[ItemKind, str]]:
        """Look, and deliver what is to be sent: each item's kind and incident."""
        sent = self.take(**seen)
        for each in sent:
            self.announcements.delivered(each)
        return [(item.kind, str(item.incident)) for each in sent for item in each.items]


def test_a_condition_is_sent_at_its_second_look_and_resolved_when_it_is_gone() -> None:
    looks = Looks(channel("mail"))
    assert looks.send(**NO_WORKER) == []
    (message,) = looks.take(**NO_WORKER)
    (item,) = message.items
    assert item.event is not None
    assert (item.event.kind, item.event.reason) == (EventKind.NO_WORKER, "No worker answers")
    assert item.event.time == START + EVERY, "since when it holds"
    looks.announcements.delivered(message)
    assert looks.send(**NO_WORKER) == []
    assert looks.send() == [(ItemKind.RESOLVED, INCIDENT)]
    assert looks.send() == []


def test_one_hiccup_is_not_sent() -> None:
    looks = Looks(channel("mail"))
    for _ in range(3):
        assert looks.send(**NO_WORKER) == []
        assert looks.send() == []


def test_it_repeats_after_10_and_30_minutes_and_then_hourly() -> None:
    looks = Looks(channel("mail"))
    times = []
    while looks.now < START + 160 * MINUTE:
        if looks.send(**NO_WORKER):
            times.append(round((looks.now - START - EVERY) / MINUTE, 1))
    assert times == [0.5, 10, 30, 90, 150]


def test_unknown_is_not_gone() -> None:
    looks = Looks(channel("mail"))
    looks.send(**NO_WORKER)
    looks.send(**NO_WORKER)
    temporal = {"temporal": "Temporal is away"}
    assert looks.send(**temporal) == []
    assert looks.send(**temporal) == [(ItemKind.EVENT, "watchdog/default/temporal")]
    assert sorted(looks.send()) == [
        (ItemKind.RESOLVED, "watchdog/default/temporal"),
        (ItemKind.RESOLVED, INCIDENT),
    ]


def test_another_member_is_sent_once_it_held_twice_and_a_member_less_is_not() -> None:
    looks = Looks(channel("mail"))
    one, two = {"a": "a is away"}, {"a": "a is away", "b": "b is away"}
    event = [(ItemKind.EVENT, "watchdog/default/tables")]
    assert [looks.send(tables=each) for each in (one, one, two, two, one)] == [
        [], event, [], event, [],
    ]  # fmt: skip


def test_two_hiccups_of_different_tables_are_not_one_failure() -> None:
    looks = Looks(channel("mail"))
    assert looks.send(tables={"a": "a is away"}) == []
    assert looks.send(tables={"b": "b is away"}) == []


def test_a_channel_that_fails_is_sent_what_holds_then_and_no_other_waits_for_it() -> None:
    looks = Looks(channel("mail"), channel("chat"))
    looks.take(**NO_WORKER)
    mail, chat = looks.take(**NO_WORKER)
    looks.announcements.delivered(chat)
    assert looks.take(**NO_WORKER) == [], "the mail is on the way"
    looks.announcements.failed(mail)
    (again,) = looks.take(**NO_WORKER)
    assert (again.channel, again.notification_id) == ("mail", mail.notification_id)
    looks.announcements.failed(again)
    (resolved,) = looks.take()
    assert (resolved.channel, resolved.items[0].kind) == ("chat", ItemKind.RESOLVED)


def test_nobody_is_reached_where_each_channel_fails_or_none_takes_it() -> None:
    silent, failing = Looks(channel("mail", Events=["STARTED"])), Looks(channel("mail"))
    for looks in (silent, failing):
        assert not looks.announcements.reaches_nobody
        looks.take(**NO_WORKER)
        for message in looks.take(**NO_WORKER):
            assert not looks.announcements.reaches_nobody
            looks.announcements.failed(message)
        assert looks.announcements.reaches_nobody
        looks.take()
        assert not looks.announcements.reaches_nobody


def test_a_quiet_channel_gets_at_once_that_nothing_works_and_afterwards_its_end() -> None:
    midnight = START - START % 86_400
    looks = Looks(channel("mail", QuietHours="00:00-00:05"), start=midnight)
    sent = []
    while looks.now < midnight + 6 * MINUTE:
        seen = NO_WORKER if looks.now < midnight + 2 * MINUTE else {}
        sent += [(looks.now - midnight, kind) for kind, _ in looks.send(**seen)]
    assert sent == [(2 * EVERY, ItemKind.EVENT), (5 * MINUTE, ItemKind.RESOLVED)]


def test_a_channel_of_other_plans_only_and_one_of_drills_are_not_told() -> None:
    looks = Looks(
        channel("plan", Default=False), channel("drills", ExecutionTypes=["DRILL"]), channel("all")
    )
    looks.take(**NO_WORKER)
    assert [each.channel for each in looks.take(**NO_WORKER)] == ["all"]
