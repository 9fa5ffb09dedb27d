"""What goes to a channel and when: at once, in digests, again, and until it is resolved."""

import itertools
import random

import pytest

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision
from recovery.notify.event_kind import EventKind
from recovery.notify.events import (
    AskedDecision,
    DecisionMaker,
    Event,
    ItemKind,
    Notification,
    NotifiedExecution,
)
from recovery.notify.notifier_state import NotifierState, NotifyUpdate
from recovery.notify.outbox import Outbox
from recovery.notify.routes import Route

MINUTE = 60.0
PAGER = Route(
    channel="pager",
    events=[EventKind.DECISION_NEEDED, EventKind.WAVE_FAILED],
    is_pager=True,
)
CHAT = Route(channel="chat", events=list(EventKind))
QUIET = CHAT.model_copy(update={"quiet": [(0.0, 8 * 3600.0)]})


def execution(number: int = 1, kind: ExecutionType = ExecutionType.RECOVERY) -> NotifiedExecution:
    return NotifiedExecution(
        execution_id=f"plan{number}-1",
        plan_id=f"plan{number}",
        plan_name=f"Plan {number}",
        execution_type=kind,
        started_by="ops",
        start_time=0.0,
    )


def asked(since: float = 0.0, **fields: object) -> AskedDecision:
    values = {"key": "FAILURE/web/1", "kind": DecisionKind.FAILURE, "since": since}
    return AskedDecision.model_validate(values | fields)


def update(
    number: int = 1,
    *,
    decisions: list[AskedDecision] | None = None,
    routes: tuple[Route, ...] = (PAGER, CHAT),
    events: list[Event] | None = None,
    is_over: bool = False,
    kind: ExecutionType = ExecutionType.RECOVERY,
) -> NotifyUpdate:
    return NotifyUpdate(
        execution=execution(number, kind),
        routes=list(routes),
        events=events or [],
        decisions=decisions,
        is_over=is_over,
    )


def event(kind: EventKind, key: str = "", time: float = 0.0) -> Event:
    return Event(kind=kind, key=key or kind.value, time=time)


class Channels:
    """Channels that deliver at once, with the time of each message."""

    def __init__(self, now: float = 0.0) -> None:
        self.outbox = Outbox(NotifierState())
        self.now = now
        self.sent: list[tuple[float, Notification]] = []
        self.refuse: set[str] = set()
        self.failed: list[Notification] = []

    def apply(self, each: NotifyUpdate) -> None:
        self.outbox.apply(each, now=self.now)

    def run(self, until: float) -> None:
        """Send what is due, until a time."""
        while (due := self.outbox.next_time()) is not None and due <= until:
            self.now = max(self.now, due)
            for message in self.outbox.take(now=self.now):
                if message.channel in self.refuse:
                    self.failed.append(message)
                    self.outbox.failed(message, "refused", now=self.now)
                else:
                    self.sent.append((self.now, message))
                    self.outbox.delivered(message, now=self.now)
        self.now = until

    def kinds(self, channel: str) -> list[list[ItemKind]]:
        return [[i.kind for i in m.items] for _, m in self.sent if m.channel == channel]


def test_a_decision_is_sent_within_10_seconds_repeated_and_resolved() -> None:
    channels = Channels()
    channels.apply(update(decisions=[asked()]))
    channels.run(35 * MINUTE)
    assert channels.sent[0][0] <= 10
    assert channels.kinds("pager") == [[ItemKind.ASKED], [ItemKind.REMINDER], [ItemKind.REMINDER]]
    incidents = {i.incident for _, m in channels.sent if m.channel == "pager" for i in m.items}
    assert len(incidents) == 1
    channels.apply(update(decisions=[]))
    channels.run(3 * 60 * MINUTE)
    (resolved,) = channels.sent[-1][1].items
    assert (resolved.kind, resolved.incident) == (ItemKind.RESOLVED, incidents.pop())
    assert channels.kinds("pager")[3:] == [[ItemKind.RESOLVED]]


def test_the_same_report_again_sends_nothing_again() -> None:
    channels = Channels()
    for _ in range(3):
        channels.apply(update(decisions=[asked()], events=[event(EventKind.WAVE_FAILED)]))
    channels.run(5 * MINUTE)
    assert len(channels.kinds("pager")) == 1


def test_a_hundred_plans_asking_at_once_are_one_message_a_channel_and_minute() -> None:
    channels = Channels()
    for number in range(100):
        channels.run(number * 0.03)
        channels.apply(update(number, decisions=[asked(channels.now)]))
    channels.run(9 * MINUTE)
    for channel in ("pager", "chat"):
        messages = [m for _, m in channels.sent if m.channel == channel]
        assert [len(m.items) for m in messages] == [100]
        assert len({i.incident for i in messages[0].items}) == 1, "one incident in the pager"
    for number in range(100):
        channels.apply(update(number, is_over=True))
    channels.run(20 * MINUTE)
    incidents = [i.incident for _, m in channels.sent if m.channel == "pager" for i in m.items]
    assert sum(i is not None for i in incidents[100:]) == 1, "resolved once, with the last one"
    assert channels.outbox.is_empty


def test_the_most_urgent_item_is_first() -> None:
    channels = Channels()
    late, soon = asked(deadline=9000.0), asked(key="LAUNCH/db/1", deadline=5000.0)
    drill = NotifyUpdate(
        execution=execution(2, ExecutionType.DRILL),
        routes=[CHAT],
        decisions=[asked(deadline=60.0)],
        events=[event(EventKind.STARTED)],
    )
    channels.apply(drill)
    channels.apply(update(decisions=[late, soon], events=[event(EventKind.WAVE_FAILED)]))
    channels.run(5)
    (message,) = [m for _, m in channels.sent if m.channel == "chat"]
    shown = [(i.execution and i.execution.plan_id, i.decision and i.decision.key) for i in
             message.items]  # fmt: skip
    assert shown == [
        ("plan1", "LAUNCH/db/1"),
        ("plan1", "FAILURE/web/1"),
        ("plan1", None),
        ("plan2", "FAILURE/web/1"),
        ("plan2", None),
    ]


def test_a_refused_message_is_composed_again_as_things_then_are() -> None:
    channels = Channels()
    channels.refuse = {"pager"}
    channels.apply(update(decisions=[asked()], routes=(PAGER,)))
    channels.run(2 * MINUTE)
    state = channels.outbox.state
    assert state.channels["pager"].failures > 2
    (record,) = state.records
    assert (record.error, record.attempts) == ("refused", state.channels["pager"].failures)
    channels.refuse = set()
    channels.apply(update(decisions=[asked(), asked(key="LAUNCH/db/1")], routes=(PAGER,)))
    channels.run(9 * MINUTE)
    assert channels.kinds("pager") == [[ItemKind.ASKED, ItemKind.ASKED]]
    assert state.channels["pager"].failing_since is None


def test_what_was_decided_while_the_channel_was_away_is_not_asked_any_more() -> None:
    channels = Channels()
    channels.refuse = {"pager"}
    channels.apply(update(decisions=[asked()], routes=(PAGER,)))
    channels.run(MINUTE)
    channels.apply(update(decisions=[], routes=(PAGER,)))
    channels.refuse = set()
    channels.run(60 * MINUTE)
    # The question may have arrived, although the channel did not say so.
    assert channels.kinds("pager") == [[ItemKind.RESOLVED]]


def test_what_is_decided_while_its_message_is_sent_is_resolved_afterwards() -> None:
    outbox = Outbox(NotifierState())
    outbox.apply(update(decisions=[asked()], routes=(PAGER,)), now=0)
    (message,) = outbox.take(now=10)
    outbox.apply(update(is_over=True, routes=(PAGER,)), now=11)
    outbox.delivered(message, now=12)
    (resolving,) = outbox.take(now=90)
    assert [(i.kind, i.incident) for i in resolving.items] == [
        (ItemKind.RESOLVED, message.items[0].incident)
    ]
    outbox.delivered(resolving, now=91)
    assert outbox.is_empty


def test_a_resolution_says_who_decided_also_if_its_message_was_on_the_way() -> None:
    ann = DecisionMaker(actor="ann", message="accept_wave")
    outbox = Outbox(NotifierState())
    outbox.apply(update(decisions=[asked()], routes=(PAGER,)), now=0)
    (message,) = outbox.take(now=10)
    fell = update(decisions=[], routes=(PAGER,)).model_copy(update={"made": {asked().key: ann}})
    outbox.apply(fell, now=11)
    outbox.delivered(message, now=12)
    (resolving,) = outbox.take(now=90)
    assert [i.decision and i.decision.made_by for i in resolving.items] == [ann]


def test_what_happens_after_the_end_is_sent_and_its_execution_is_not_followed() -> None:
    channels = Channels()
    late = update(events=[event(EventKind.LATE_ARRIVAL)], routes=(QUIET,))
    channels.apply(late.model_copy(update={"is_after_end": True}))
    assert channels.outbox.state.executions == {}
    channels.run(9 * 3600.0)
    assert channels.kinds("chat") == [[ItemKind.EVENT]]
    channels.apply(update(decisions=[asked()], routes=(CHAT,)))
    channels.apply(late.model_copy(update={"is_after_end": True}))
    (followed,) = channels.outbox.state.executions.values()
    assert not followed.is_over, "its end was not reported yet"


def test_an_acknowledgement_is_sent_once_with_the_incident() -> None:
    channels = Channels()
    channels.apply(update(decisions=[asked()]))
    channels.run(MINUTE)
    by_ann = asked(acknowledged_by=OperatorDecision(actor="ann", time=MINUTE))
    channels.apply(update(decisions=[by_ann]))
    channels.apply(update(decisions=[by_ann]))
    channels.run(25 * MINUTE)
    assert channels.kinds("pager") == [[ItemKind.ASKED], [ItemKind.ACKNOWLEDGED]]


def test_a_shared_incident_is_acknowledged_once_all_its_decisions_are() -> None:
    channels = Channels()
    for number in range(5):
        channels.apply(update(number, decisions=[asked()]))
    channels.run(MINUTE)
    by_ann = asked(acknowledged_by=OperatorDecision(actor="ann", time=MINUTE))
    for number in range(5):
        channels.apply(update(number, decisions=[by_ann]))
    channels.run(3 * MINUTE)
    items = [i for _, m in channels.sent if m.channel == "pager" for i in m.items]
    acknowledged = [i.incident for i in items if i.kind is ItemKind.ACKNOWLEDGED]
    assert acknowledged == [None] * 4 + [items[0].incident]


def test_the_same_failure_in_two_executions_is_two_incidents() -> None:
    channels = Channels()
    failed = event(EventKind.WAVE_FAILED, "WAVE_FAILED/web/1")
    for number in (1, 2):
        channels.apply(update(number, events=[failed]))
    channels.run(2 * MINUTE)
    items = [i for _, m in channels.sent if m.channel == "pager" for i in m.items]
    assert len({i.incident for i in items}) == len(items) == 2


def test_failed_waves_are_resolved_at_the_end_of_their_execution() -> None:
    channels = Channels()
    channels.apply(update(events=[event(EventKind.WAVE_FAILED, "WAVE_FAILED/web/1")]))
    channels.run(2 * MINUTE)
    channels.apply(update(is_over=True))
    channels.run(9 * MINUTE)
    items = [i for _, m in channels.sent if m.channel == "pager" for i in m.items]
    assert [i.kind for i in items] == [ItemKind.EVENT, ItemKind.RESOLVED]
    assert items[0].incident == items[1].incident is not None


def test_quiet_hours_gather_and_afterwards_only_what_is_still_open_is_sent() -> None:
    channels = Channels()
    channels.apply(update(1, decisions=[asked()], routes=(QUIET,), kind=ExecutionType.DRILL))
    channels.apply(update(2, decisions=[asked()], routes=(QUIET,), kind=ExecutionType.DRILL))
    channels.run(3600.0)
    channels.apply(update(2, decisions=[], routes=(QUIET,), kind=ExecutionType.DRILL))
    channels.run(8 * 3600.0 - 1)
    assert channels.sent == []
    channels.run(8 * 3600.0 + 10)
    (sent,) = channels.sent
    assert [i.execution and i.execution.plan_id for i in sent[1].items] == ["plan1"]


def test_quiet_hours_never_hold_back_what_a_pager_would_get() -> None:
    ends = [
        Event(kind=EventKind.FINISHED, key=f"FINISHED/{outcome}", time=0.0, outcome=outcome)
        for outcome in (PlanStatus.FAILED, PlanStatus.COMPLETED)
    ]
    others = [event(kind) for kind in EventKind if kind is not EventKind.FINISHED]
    channels = Channels()
    channels.apply(update(1, decisions=[asked()], events=[*others, *ends], routes=(QUIET,)))
    channels.apply(
        update(2, decisions=[asked()], events=others, routes=(QUIET,), kind=ExecutionType.DRILL)
    )
    channels.run(40 * MINUTE)
    sent = [(i.execution and i.execution.plan_id, i.kind, i.event and i.event.key)
            for _, m in channels.sent for i in m.items]  # fmt: skip
    assert set(sent) == {
        ("plan1", ItemKind.ASKED, None),
        ("plan1", ItemKind.REMINDER, None),
        ("plan1", ItemKind.EVENT, "DECISION_NEEDED"),
        ("plan1", ItemKind.EVENT, "WAVE_FAILED"),
        ("plan1", ItemKind.EVENT, "NO_WORKER"),
        ("plan1", ItemKind.EVENT, "BREAK_GLASS"),
        ("plan1", ItemKind.EVENT, "FINISHED/FAILED"),
        ("plan2", ItemKind.EVENT, "BREAK_GLASS"),
    }
    channels.run(8 * 3600.0 + 10)
    assert {i.event.key for i in channels.sent[-1][1].items if i.event} >= {
        "FINISHED/COMPLETED",
        "WAVE_UP",
    }


def test_quiet_hours_hold_back_the_end_of_an_execution_too() -> None:
    channels = Channels()
    end = Event(kind=EventKind.FINISHED, key="FINISHED", time=0.0, outcome=PlanStatus.COMPLETED)
    channels.apply(update(events=[end], routes=(QUIET,), is_over=True))
    channels.run(8 * 3600.0 - 1)
    assert channels.sent == []
    channels.run(8 * 3600.0 + 10)
    assert channels.kinds("chat") == [[ItemKind.EVENT]]


def test_an_end_that_was_not_reported_is_sent_to_a_pager_too() -> None:
    pager = PAGER.model_copy(
        update={"events": [*PAGER.events, EventKind.FINISHED], "only_failed_end": True}
    )
    for outcome, kinds in ((PlanStatus.FAILED, [[ItemKind.EVENT]]), (PlanStatus.COMPLETED, [])):
        channels = Channels()
        channels.apply(update(routes=(pager,)))
        channels.outbox.end("plan1-1", outcome, now=channels.now)
        channels.run(60 * MINUTE)
        assert channels.kinds("pager") == kinds


def test_a_channel_that_fails_now_and_then_is_reported_seldom() -> None:
    channels = Channels()
    channels.apply(update(decisions=[asked()], routes=(PAGER,)))
    reports = []
    for minute in range(60):
        channels.refuse = {"pager"} if minute % 10 < 5 else set()
        channels.apply(update(decisions=[asked(key=f"FAILURE/web/{minute}")], routes=(PAGER,)))
        channels.run((minute + 1) * MINUTE)
        changed = channels.outbox.changed_problems(now=channels.now)
        reports += [[each.channel for each in problems] for _, problems in changed]
    assert reports[0] == ["pager"]
    assert 4 <= len(reports) <= 12


def test_an_execution_that_vanished_is_resolved() -> None:
    channels = Channels()
    channels.apply(update(decisions=[asked()], routes=(PAGER,)))
    channels.run(MINUTE)
    channels.outbox.end("plan1-1", PlanStatus.FAILED, now=channels.now)
    channels.run(60 * MINUTE)
    assert channels.kinds("pager") == [[ItemKind.ASKED], [ItemKind.RESOLVED]]
    assert channels.outbox.is_empty


def test_a_flood_of_events_drops_the_oldest_unimportant_ones_and_says_how_many() -> None:
    channels = Channels()
    waves = [event(EventKind.WAVE_UP, f"WAVE_UP/{i}/1", time=float(i)) for i in range(500)]
    channels.apply(update(events=[event(EventKind.WAVE_FAILED), *waves], routes=(CHAT,)))
    channels.run(MINUTE)
    ((_, message),) = channels.sent
    assert (len(message.items), message.omitted) == (300, 201)
    assert message.items[0].event is not None
    assert message.items[0].event.kind is EventKind.WAVE_FAILED


@pytest.mark.parametrize("seed", range(20))
def test_no_decision_is_silent_and_no_channel_is_flooded(seed: int) -> None:
    """Plans that ask and are decided at random, over channels that fail at random."""
    random_ = random.Random(seed)
    channels = Channels()
    open_decisions: dict[int, list[AskedDecision]] = {}
    for step in range(400):
        channels.refuse = {c for c in ("pager", "chat") if random_.random() < 0.3}
        number = random_.randrange(8)
        decisions = open_decisions.setdefault(number, [])
        if random_.random() < 0.5:
            decisions.append(asked(channels.now, key=f"FAILURE/web/{step}"))
        elif decisions:
            decisions.pop(random_.randrange(len(decisions)))
        channels.apply(update(number, decisions=list(decisions)))
        channels.run(channels.now + random_.random() * 40)
    channels.refuse = set()
    channels.run(channels.now + 20 * MINUTE)
    for channel in ("pager", "chat"):
        times = [t for t, m in channels.sent if m.channel == channel]
        assert all(b - a >= 59 for a, b in itertools.pairwise(times))
        reported: dict[str, ItemKind] = {}
        for _, message in channels.sent:
            if message.channel == channel:
                reported |= {i.decision.key: i.kind for i in message.items if i.decision}
        still_open = {d.key for some in open_decisions.values() for d in some}
        known = {key for key, kind in reported.items() if kind is not ItemKind.RESOLVED}
        assert known == still_open


def test_a_delivery_says_what_it_was_about_and_what_became_of_it() -> None:
    channels = Channels()
    channels.refuse = {"pager"}
    channels.apply(update(decisions=[asked()], routes=(PAGER, CHAT)))
    channels.run(MINUTE)
    results = {each.channel: each for each in channels.outbox.state.unrecorded}
    assert results["chat"].about("plan1-1") == "ASKED FAILURE/web/1"
    assert results["chat"].about("plan2-1") == ""
    assert results["chat"].result == "delivered"
    assert (
        results["pager"].result == f"not delivered in {results['pager'].attempts} attempts: refused"
    )


def test_more_decisions_than_a_message_takes_follow_in_the_next_one() -> None:
    channels = Channels()
    for number in range(8):
        decisions = [asked(key=f"APPROVAL/wave-{i}/0") for i in range(100)]
        channels.apply(update(number, decisions=decisions, routes=(CHAT,)))
    channels.run(5 * MINUTE)
    counts = [len(message.items) for _, message in channels.sent]
    assert counts == [500, 300]


@pytest.mark.parametrize("is_again_asked", [False, True])
def test_a_decision_whose_message_may_have_arrived_is_asked_again_and_resolved(
    is_again_asked: bool,
) -> None:
    channels = Channels()
    channels.refuse = {"pager"}
    channels.apply(update(decisions=[asked()]))
    channels.run(8)
    incidents = {i.incident for i in channels.failed[0].items}
    channels.refuse = set()
    if is_again_asked:
        channels.run(1 * MINUTE)
    channels.apply(update(decisions=[]))
    channels.run(10 * MINUTE)
    sent = [(i.kind, i.incident) for _, m in channels.sent if m.channel == "pager" for i in m.items]
    incident = incidents.pop()
    assert sent == [(ItemKind.ASKED, incident)] * is_again_asked + [(ItemKind.RESOLVED, incident)]


def test_a_failed_wave_that_is_reported_after_the_end_is_resolved_at_once() -> None:
    channels = Channels()
    channels.refuse = {"pager"}
    channels.apply(update(events=[event(EventKind.WAVE_FAILED)]))
    channels.run(8)
    channels.apply(update(is_over=True))
    channels.refuse = set()
    channels.run(10 * MINUTE)
    kinds = [i.kind for _, m in channels.sent if m.channel == "pager" for i in m.items]
    assert kinds == [ItemKind.EVENT, ItemKind.RESOLVED]
