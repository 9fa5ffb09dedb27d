"""The messages that the receivers got."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any

from sandbox.drs.simulation import simulation

RECEIVER = "receiver"
"""The service of a receiver's call, in faults and in the log of calls."""


class Receiver(StrEnum):
    """A receiver; as an operation in faults: `{Service: receiver, Operation: slack, …}`.

    Those of AWS are reached by AWS's own operations: sns.Publish and events.PutEvents.
    """

    WEB_HOOK = "web-hook"
    PAGER_DUTY = "pager-duty"
    SLACK = "slack"
    SMTP = "smtp"
    SNS = "sns"
    EVENT_BRIDGE = "event-bridge"


SCRIPTED = (Receiver.WEB_HOOK, Receiver.PAGER_DUTY, Receiver.SLACK, Receiver.SMTP)


@dataclass
class ReceivedMessage:
    """One message. Field names are the JSON keys.

    Attributes:
        Receiver: Which one got it.
        AccountId: Whose receiver it is, so that tests have receivers of their own.
        Title: Its subject or first line.
        Text: Its body as a person reads it.
        Content: The whole body: JSON, or the text of a mail.
        Headers: Those of HTTP or of the mail.
        Time: Epoch seconds of the receipt.
        Incident: Of the pager: the number of the incident and what became of it, such as
            `1 triggered`.
        Number: Counted from 1.
    """

    Receiver: Receiver
    AccountId: str
    Title: str
    Text: str
    Content: Any
    Headers: dict[str, str] = field(default_factory=dict)
    Time: float = 0.0
    Incident: str | None = None
    Number: int = 0


class Inbox:
    """All messages, and the incidents of the pager."""

    def __init__(self) -> None:
        self._messages: list[ReceivedMessage] = []
        self._last = 0
        # By account and deduplication key: the number of the incident and its state.
        self._incidents: dict[tuple[str, str], tuple[int, str]] = {}
        self._lock = Lock()

    def add(self, message: ReceivedMessage) -> None:
        """Keep a message."""
        with self._lock:
            self._last += 1
            message.Number = self._last
            message.Time = message.Time or simulation.now()
            self._messages.append(message)

    def messages(self, receiver: str | None, account_id: str | None) -> list[dict[str, Any]]:
        """Return the messages of a receiver and an account; None means all."""
        with self._lock:
            return [asdict(each) for each in self._messages if _is_of(each, receiver, account_id)]

    def clear(self, receiver: str | None, account_id: str | None) -> None:
        """Delete the messages of a receiver and an account; None means all. Incidents stay."""
        with self._lock:
            self._messages = [
                each for each in self._messages if not _is_of(each, receiver, account_id)
            ]

    def change_incident(self, account_id: str, key: str, action: str) -> str:
        """Trigger, acknowledge or resolve an incident, as PagerDuty does.

        A trigger opens a new incident unless one with its key is open. The other actions change an
        open incident only.
        """
        with self._lock:
            number, state = self._incidents.get((account_id, key), (0, "resolved"))
            is_open = state != "resolved"
            if action == "trigger" and not is_open:
                number = 1 + max((n for n, _ in self._incidents.values()), default=0)
                state = "triggered"
            elif action != "trigger" and is_open:
                state = f"{action}d"
            self._incidents[account_id, key] = (number, state)
            return f"{number} {state}" if number else "none"


def _is_of(message: ReceivedMessage, receiver: str | None, account_id: str | None) -> bool:
    return receiver in (None, message.Receiver) and account_id in (None, message.AccountId)
