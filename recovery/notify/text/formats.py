"""A notification as plain text, Markdown, HTML and JSON."""

import json
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment

from recovery.base_model import Model
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, Notification, NotificationItem
from recovery.notify.text.inert import plain, without_markup
from recovery.notify.text.writer import Texts, Writer

# Raised when a key of the JSON is removed or renamed, or its type or meaning changes.
VERSION = 1
_HTML = """\
<p><strong>{{ texts.title }}</strong></p>
{% for line in texts.lines %}<p>{{ line }}</p>
{% endfor %}<p>{% if texts.link %}<a href="{{ texts.link }}">{{ texts.link }}</a>\
{% else %}<code>{{ texts.command }}</code>{% endif %}</p>
"""


class ItemDocument(Model):
    """An item as programs read it.

    Attributes:
        event_kind: what it is about; TEST for a test of the channel.
        title: as people read it.
        link: the page to open.
        item: what it is about, as it is: texts of others in it are not made harmless.
    """

    version: int = VERSION
    notification_id: str
    event_kind: EventKind | Literal[ItemKind.TEST]
    title: str
    text: str
    link: str | None = None
    item: NotificationItem


class NotificationDocument(Model):
    """A notification as programs read it: what a web hook gets."""

    version: int = VERSION
    notification_id: str
    channel: str
    time: float
    title: str
    text: str
    link: str | None = None
    omitted: int = 0
    items: list[ItemDocument]


class Formatter:
    """Formats notifications for a channel."""

    def __init__(self, zone: ZoneInfo, public_url: str | None) -> None:
        """Prepare, with the channel's time zone and the address of the pages."""
        self._plain = Writer(zone, public_url=public_url, inert=plain)
        self._chat = Writer(zone, public_url=public_url, inert=without_markup)

    def plain(self, notification: Notification) -> tuple[str, str]:
        """Title and body as plain text: for pagers, SMS and mail."""
        texts = self._plain.texts(notification)
        return texts.title, _plain_body(texts)

    def chat(self, notification: Notification) -> tuple[str, str]:
        """Title and body in Markdown."""
        texts = self._chat.texts(notification)
        lines = [f"- {line}" for line in texts.lines]
        return texts.title, "\n".join([*lines, texts.link or f"`{texts.command}`"])

    def html(self, notification: Notification) -> tuple[str, str]:
        """Title as plain text and body in HTML: for mail."""
        texts = self._plain.texts(notification)
        return texts.title, _template().render(texts=texts)

    def item(self, notification: Notification, item: NotificationItem) -> ItemDocument:
        """One item for programs."""
        texts = self._plain.item_texts(item, now=notification.time)
        return ItemDocument(
            notification_id=notification.notification_id,
            event_kind=_event_kind(item),
            title=texts.title,
            text=_plain_body(texts),
            link=texts.link,
            item=item,
        )

    def document(self, notification: Notification) -> NotificationDocument:
        """All of it for programs."""
        texts = self._plain.texts(notification)
        return NotificationDocument(
            notification_id=notification.notification_id,
            channel=notification.channel,
            time=notification.time,
            title=texts.title,
            text=_plain_body(texts),
            link=texts.link,
            omitted=notification.omitted,
            items=[self.item(notification, each) for each in notification.items],
        )


def as_json(document: Model) -> str:
    """JSON in ASCII, in which no text is markup."""
    text = json.dumps(document.model_dump(mode="json", exclude_none=True), separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _event_kind(item: NotificationItem) -> EventKind | Literal[ItemKind.TEST]:
    if item.event is not None:
        return item.event.kind
    return ItemKind.TEST if item.kind is ItemKind.TEST else EventKind.DECISION_NEEDED


def _plain_body(texts: Texts) -> str:
    return "\n".join([*texts.lines, texts.link or texts.command])


@cache
def _template() -> Any:
    return Environment(autoescape=True).from_string(_HTML)
