"""What PagerDuty gets: one event an incident, by Events API v2."""

from typing import Any

import pytest

from activities.notify import channel_clients
from activities.notify.channel_clients import ChannelClients
from activities.notify.pager_duty import events_of
from recovery.execution.open_decision import DecisionKind
from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, NotificationItem
from recovery.notify.text.formats import Formatter
from tests.activities.notify.conftest import SECRET, channel, failure
from tests.activities.notify.receiver import Receiver
from tests.recovery.notify.examples import (
    ACKNOWLEDGED,
    EVENTS,
    URL,
    ZONE,
    decision,
    execution,
    notification,
)

INCIDENT = "crm-0f3b52a1c7d9/FAILURE/app/1"


def pager(http: Receiver) -> Channel:
    return channel(
        PagerDuty={
            "RoutingKey": {"Env": "CHANNEL_SECRET"},
            "Endpoint": f"{http.url}/v2/enqueue",
        }
    )


def actions(*items: NotificationItem) -> list[tuple[Any, Any]]:
    events = events_of(notification(*items), Formatter(ZONE, URL))
    return [(each.get("event_action"), each.get("dedup_key")) for each in events]


async def test_a_decision_opens_an_incident(http: Receiver, clients: ChannelClients) -> None:
    http.statuses = [202]
    await clients.send(pager(http), notification(decision()))
    (body,) = http.bodies
    assert http.requests[0][0] == "/v2/enqueue"
    assert body["routing_key"] == SECRET
    assert (body["event_action"], body["dedup_key"]) == ("trigger", INCIDENT)
    payload = body["payload"]
    assert payload["summary"] == "RECOVERY CRM: App failed, decide"
    assert (payload["severity"], payload["source"]) == ("critical", "crm")
    assert "Decide until Mon 20:13 CEST, in 4 h." in payload["custom_details"]["text"]
    (link,) = body["links"]
    assert link["href"] == "https://waves.example.com/executions/crm-0f3b52a1c7d9"


def test_it_is_acknowledged_and_resolved_by_the_same_key() -> None:
    both = (INCIDENT, f"{INCIDENT}/again")
    for kind in (ItemKind.ACKNOWLEDGED, ItemKind.ASKED):
        found = actions(decision(kind, acknowledged_by=ACKNOWLEDGED))
        assert found == [("acknowledge", each) for each in both]
    resolved = decision(ItemKind.RESOLVED, acknowledged_by=ACKNOWLEDGED)
    assert actions(resolved) == [("resolve", each) for each in both]


def test_a_reminder_is_the_same_incident_unless_somebody_acknowledged() -> None:
    assert actions(decision(ItemKind.REMINDER)) == [("trigger", INCIDENT)]
    again = [("trigger", f"{INCIDENT}/again")]
    for kind in (ItemKind.REMINDER, ItemKind.LAST_CALL):
        assert actions(decision(kind, acknowledged_by=ACKNOWLEDGED)) == again


def test_items_of_one_incident_are_one_event() -> None:
    one, other = decision(), decision(decision_kind=DecisionKind.APPROVAL)
    same = other.model_copy(update={"incident": one.incident})
    assert actions(one, same) == [("trigger", INCIDENT)]
    assert len(actions(one, other)) == 2
    (event,) = events_of(notification(one, same), Formatter(ZONE, URL))
    assert event["payload"]["summary"] == "2 decisions needed"
    # One fell, the other is open: the incident stays.
    resolved = one.model_copy(update={"kind": ItemKind.RESOLVED})
    assert actions(resolved, same) == [("trigger", INCIDENT)]


async def test_what_is_no_trouble_opens_no_incident(
    http: Receiver, clients: ChannelClients
) -> None:
    http.statuses = [202]
    await clients.send(pager(http), notification(EVENTS[EventKind.WAVE_UP]))
    assert http.requests[0][0] == "/v2/change/enqueue"
    (body,) = http.bodies
    assert set(body) == {"routing_key", "payload", "links"}
    assert set(body["payload"]) == {"summary", "source", "timestamp", "custom_details"}
    assert actions(EVENTS[EventKind.BREAK_GLASS]) == [
        ("trigger", "crm-0f3b52a1c7d9/BREAK_GLASS/app/1")
    ]


def test_a_drill_is_at_most_a_warning() -> None:
    item = decision().model_copy(update={"execution": execution(drill=True)})
    (event,) = events_of(notification(item), Formatter(ZONE, URL))
    assert event["payload"]["severity"] == "warning"


@pytest.mark.parametrize(
    ("status", "is_permanent"), [(200, False), (400, True), (429, False), (500, False)]
)
async def test_only_202_is_delivered(
    http: Receiver, clients: ChannelClients, status: int, is_permanent: bool
) -> None:
    http.statuses, http.text = [status], f'{{"status": "invalid event", "key": "{SECRET}"}}'
    error = await failure(clients, pager(http), notification(decision()))
    assert f"HTTP {status}" in str(error)
    assert "invalid event" in str(error)
    assert SECRET not in str(error)
    assert error.is_permanent is is_permanent


async def test_one_event_that_is_refused_fails_all_of_them(
    http: Receiver, clients: ChannelClients
) -> None:
    http.statuses = [202, 429, 202]
    items = (decision(decision_kind=kind) for kind in list(DecisionKind)[:3])
    error = await failure(clients, pager(http), notification(*items))
    assert "HTTP 429" in str(error)
    assert len(http.requests) == 3


@pytest.mark.usefixtures("impatient")
async def test_many_incidents_do_not_take_forever(
    http: Receiver, clients: ChannelClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_clients, "MESSAGE_SECONDS", 0.6)
    http.delay = 1.0
    items = [decision().model_copy(update={"incident": str(number)}) for number in range(30)]
    error = await failure(clients, pager(http), notification(*items))
    assert str(error) == "not all of it was accepted in 0.6 s"


@pytest.mark.usefixtures("impatient")
async def test_a_hanging_pager_is_a_failure(http: Receiver, clients: ChannelClients) -> None:
    http.delay = 1.0
    error = await failure(clients, pager(http), notification(decision()))
    assert str(error) == "no response within 0.4 s"
