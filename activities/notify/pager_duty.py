"""Opens, acknowledges and resolves incidents by PagerDuty's Events API v2."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from activities.notify.http_client import HttpClient
from activities.notify.secret_reader import SecretReader
from recovery.notify.channels import Channel
from recovery.notify.events import ItemKind, Notification, NotificationItem
from recovery.notify.severity import Severity, severity_of
from recovery.notify.text.formats import Formatter

# PagerDuty answers so, once it has queued an event.
_ACCEPTED = range(202, 203)
_AT_ONCE = 10


class PagerDutySender:
    """Sends an event an incident; what opens none and is no trouble is a change event."""

    def __init__(self, http: HttpClient, secrets: SecretReader, public_url: str | None) -> None:
        self._http = http
        self._secrets = secrets
        self._public_url = public_url

    async def send(self, channel: Channel, notification: Notification) -> None:
        """See `Sender`; each event has its deduplication key, so sending all again is harmless."""
        pager = channel.pager_duty
        assert pager is not None
        key = await self._secrets.read(pager.routing_key)
        formatter = Formatter(channel.zone, self._public_url)
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def post(event: dict[str, Any]) -> None:
            is_change = "event_action" not in event
            url = _change_endpoint(pager.endpoint) if is_change else pager.endpoint
            body = json.dumps({"routing_key": key, **event}).encode()
            async with at_once:
                await self._http.post(url, body, secrets=(key,), accepted=_ACCEPTED)

        results = await asyncio.gather(
            *(post(event) for event in events_of(notification, formatter)), return_exceptions=True
        )
        for failure in filter(None, results):
            raise failure


def events_of(notification: Notification, formatter: Formatter) -> list[dict[str, Any]]:
    """The events of a notification: one for all items of an incident, in PagerDuty's form."""
    incidents: dict[str, list[NotificationItem]] = {}
    events = []
    for item in notification.items:
        key = item.incident
        if key is None and severity_of(item) is not Severity.INFO and item.event is not None:
            # Trouble that somebody wants on a pager must page.
            execution_id = item.execution.execution_id if item.execution is not None else ""
            key = f"{execution_id}/{item.event.key}"
        if key is not None:
            incidents.setdefault(key, []).append(item)
        elif item.kind is ItemKind.EVENT:
            change = _content(notification, [item], formatter)
            del change["payload"]["severity"]
            events.append(change)
    for key, items in incidents.items():
        events += _incident_events(notification, key, items, formatter)
    return events


def _incident_events(
    notification: Notification, key: str, items: list[NotificationItem], formatter: Formatter
) -> list[dict[str, Any]]:
    # A trigger does not page again for an incident that is acknowledged. What must be heard in
    # spite of that opens another one beside it.
    again = f"{key}/again"
    if all(each.kind is ItemKind.RESOLVED for each in items):
        return [{"event_action": "resolve", "dedup_key": each} for each in (key, again)]
    open_items = [each for each in items if each.kind is not ItemKind.RESOLVED]
    if all(_is_acknowledgement(each) for each in open_items):
        return [{"event_action": "acknowledge", "dedup_key": each} for each in (key, again)]
    is_again = any(_comes_in_spite(each) for each in open_items)
    content = _content(notification, open_items, formatter)
    return [{"event_action": "trigger", "dedup_key": again if is_again else key, **content}]


def _is_acknowledgement(item: NotificationItem) -> bool:
    acknowledged = item.decision is not None and item.decision.acknowledged_by is not None
    return item.kind is ItemKind.ACKNOWLEDGED or (acknowledged and item.kind is ItemKind.ASKED)


def _comes_in_spite(item: NotificationItem) -> bool:
    """Whether it is sent although somebody acknowledged: a later reminder, or the last call."""
    acknowledged = item.decision is not None and item.decision.acknowledged_by is not None
    return item.kind is ItemKind.LAST_CALL or (acknowledged and item.kind is ItemKind.REMINDER)


def _content(
    notification: Notification, items: list[NotificationItem], formatter: Formatter
) -> dict[str, Any]:
    """What an event shows: the summary, the details and the link."""
    shown = notification.model_copy(update={"items": items, "omitted": 0})
    document = formatter.document(shown)
    severities = list(Severity)
    worst = min(map(severity_of, items), key=severities.index)
    execution = items[0].execution
    payload = {
        "summary": document.title,
        "source": execution.plan_id if execution is not None else "drs-waves",
        "severity": worst.value,
        "timestamp": datetime.fromtimestamp(notification.time, UTC).isoformat(),
        "custom_details": {
            "text": document.text,
            "items": [each.title for each in document.items[:20]],
            "notification_id": notification.notification_id,
        },
    }
    links = [{"href": document.link, "text": "Open in drs-waves"}] if document.link else []
    return {"payload": payload, "links": links}


def _change_endpoint(endpoint: str) -> str:
    return f"{endpoint.rstrip('/').removesuffix('/enqueue')}/change/enqueue"
