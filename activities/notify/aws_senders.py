"""Sends to SNS topics and EventBridge buses, with the worker's own credentials."""

import asyncio
import hashlib
import json
import unicodedata
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from activities.notify.delivery import TIMEOUT_SECONDS, DeliveryError
from aws.errors import AwsError
from aws.sessions import CallThreads, OwnClients, call
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.notify.text.formats import Formatter, as_json

# Source: the API references of Publish and PutEvents.
_MAX_SUBJECT = 100
_MAX_ENTRIES = 10
_MAX_REQUEST_BYTES = 256_000


class SnsSender:
    """Publishes to a topic; a phone gets the title and the link."""

    def __init__(self, clients: OwnClients, public_url: str | None) -> None:
        self._clients = clients
        self._public_url = public_url
        self._threads = CallThreads()

    async def send(self, channel: Channel, notification: Notification) -> None:
        """See `Sender`."""
        assert channel.sns is not None
        topic = channel.sns.topic_arn
        formatter = Formatter(channel.zone, self._public_url)
        title, body = formatter.plain(notification)
        document = formatter.document(notification)
        messages = {"default": f"{title}\n\n{body}", "sms": f"{title}\n{document.link or ''}"}
        kinds = sorted({each.event_kind.value for each in document.items})
        attributes = {
            "NotificationId": {"DataType": "String", "StringValue": notification.notification_id},
            "EventKinds": {"DataType": "String.Array", "StringValue": json.dumps(kinds)},
        }
        request: dict[str, Any] = {
            "TopicArn": topic,
            "Subject": _subject(title),
            "Message": json.dumps(messages),
            "MessageStructure": "json",
            "MessageAttributes": attributes,
        }
        if topic.endswith(".fifo"):
            unique = hashlib.sha256(notification.notification_id.encode()).hexdigest()
            request |= {"MessageGroupId": "drs-waves", "MessageDeduplicationId": unique}
        region = topic.split(":")[3]
        await _call(
            self._threads, lambda: self._clients.client("sns", region).publish(**request), "Publish"
        )


class EventBridgeSender:
    """Puts an event an item on a bus."""

    def __init__(self, clients: OwnClients, public_url: str | None) -> None:
        self._clients = clients
        self._public_url = public_url
        self._threads = CallThreads()

    async def send(self, channel: Channel, notification: Notification) -> None:
        """See `Sender`."""
        bus = channel.event_bridge
        assert bus is not None
        region = bus.bus.split(":")[3] if bus.bus.startswith("arn:") else bus.region
        formatter = Formatter(channel.zone, self._public_url)
        entries = []
        for item in notification.items:
            document = formatter.item(notification, item)
            execution = item.execution
            entries.append(
                {
                    "Source": "drs-waves",
                    "DetailType": document.event_kind.value,
                    "Detail": as_json(document),
                    "EventBusName": bus.bus,
                    "Time": datetime.fromtimestamp(notification.time, UTC),
                    "Resources": [execution.execution_id] if execution is not None else [],
                }
            )

        def put(batch: list[dict[str, Any]]) -> Any:
            return self._clients.client("events", region).put_events(Entries=batch)

        for batch in _batches(entries):
            answer = await _call(self._threads, partial(put, batch), "PutEvents")
            _require_all(answer, len(batch))


async def _call(threads: Executor, function: Callable[[], Any], operation: str) -> Any:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await call(threads, operation, function)
    except AwsError as error:
        raise DeliveryError(str(error), is_permanent=not error.kind.is_retryable) from error
    except TimeoutError:
        raise DeliveryError(f"{operation}: no response within {TIMEOUT_SECONDS:g} s") from None


def _require_all(answer: dict[str, Any], sent: int) -> None:
    """Check that each event was accepted; PutEvents succeeds also where none was."""
    results = answer.get("Entries", [])
    failed = [each for each in results if each.get("ErrorCode") or not each.get("EventId")]
    count = max(int(answer.get("FailedEntryCount", 0)), len(failed), sent - len(results))
    if count:
        why = ": ".join(
            str(each.get(key, "")) for each in failed[:1] for key in ("ErrorCode", "ErrorMessage")
        )
        raise DeliveryError(f"PutEvents: {count} of {sent} events were not accepted: {why}")


def _batches(entries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """As many events at a time as a request may have."""
    batches: list[list[dict[str, Any]]] = [[]]
    size = 0
    for entry in entries:
        # The detail and, with a margin, all else that counts.
        length = len(entry["Detail"].encode()) + 1000
        if batches[-1] and (len(batches[-1]) == _MAX_ENTRIES or size + length > _MAX_REQUEST_BYTES):
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += length
    return batches


def _subject(title: str) -> str:
    """A title as SNS takes it: ASCII, and beginning with a letter, a digit or punctuation."""
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return " ".join(ascii_text.split())[:_MAX_SUBJECT] or "drs-waves"
