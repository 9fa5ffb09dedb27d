"""Reads what SNS and EventBridge deliver, from an SQS queue behind a topic and a bus."""

from __future__ import annotations

import json
from threading import Lock
from typing import Any, Literal

from moto.backends import get_backend

from sandbox.receivers.inbox import Inbox, ReceivedMessage, Receiver

_NAME = "drs-waves-notifications"
_SOURCE = "drs-waves"
_PATTERN = json.dumps({"source": [_SOURCE]})


class NotificationQueues:
    """The queues of accounts and Regions, which exist once they are asked for."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._places: set[tuple[str, str]] = set()
        self._lock = Lock()

    def create(self, account_id: str, region: str) -> str:
        """Create a topic and a rule of the default bus that deliver to a queue.

        Returns:
            The ARN of the topic.
        """
        with self._lock:
            topic: str = _backend("sns", account_id, region).create_topic(_NAME).arn
            if (account_id, region) in self._places:
                return topic
            queue = _backend("sqs", account_id, region).create_queue(_NAME)
            _backend("sns", account_id, region).subscribe(topic, queue.queue_arn, "sqs")
            bus = _backend("events", account_id, region)
            bus.put_rule(_NAME, event_pattern=_PATTERN)
            bus.put_targets(_NAME, None, [{"Id": _NAME, "Arn": queue.queue_arn}])
            self._places.add((account_id, region))
            return topic

    def read(self) -> None:
        """Move what the queues have to the inbox."""
        with self._lock:
            for account_id, region in self._places:
                queue = _backend("sqs", account_id, region).get_queue(_NAME)
                for each in queue.messages:
                    each.mark_received(visibility_timeout=60)
                    queue.delete_message(each.receipt_handle)
                    message = _message(account_id, json.loads(each.body))
                    message.Time = float(each.sent_timestamp or 0) / 1000
                    self._inbox.add(message)


def _backend(service: Literal["events", "sns", "sqs"], account_id: str, region: str) -> Any:
    return get_backend(service)[account_id][region]


def _message(account_id: str, content: dict[str, Any]) -> ReceivedMessage:
    if content.get("source") == _SOURCE:
        detail = content.get("detail") or {}
        title = str(detail.get("Title") or content.get("detail-type", ""))
        return ReceivedMessage(
            Receiver.EVENT_BRIDGE, account_id, title, str(detail.get("Text", "")), content
        )
    title, text = str(content.get("Subject") or ""), str(content.get("Message", ""))
    return ReceivedMessage(Receiver.SNS, account_id, title, text, content)
