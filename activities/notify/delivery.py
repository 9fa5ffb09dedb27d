"""How a notification is delivered, and why it was not."""

import re
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import unquote

from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.text_format import shortened

# A receiver that takes longer is a failure: the notifier tries again, and says so.
TIMEOUT_SECONDS = 10.0
_MAX_REASON_BYTES = 300


class DeliveryError(Exception):
    """A notification was not delivered; the message says why, without secrets.

    Attributes:
        is_permanent: the same request will not succeed later.
    """

    def __init__(
        self, reason: str, *, is_permanent: bool = False, secrets: Iterable[str] = ()
    ) -> None:
        """Describe a failure.

        Args:
            reason: why; perhaps a text of the receiver.
            is_permanent: the same request will not succeed later.
            secrets: what must not appear in the message, nor any part of it.
        """
        for part in sorted(_parts(secrets), key=len, reverse=True):
            reason = reason.replace(part, "***")
        super().__init__(shortened(reason, max_bytes=_MAX_REASON_BYTES))
        self.is_permanent = is_permanent


class Sender(Protocol):
    """Sends notifications to channels of one kind."""

    async def send(self, channel: Channel, notification: Notification) -> None:
        """Send a notification.

        Raises:
            DeliveryError: it was not delivered, as far as is known.
        """


def _parts(secrets: Iterable[str]) -> set[str]:
    """Secrets and their parts: a URL has a password or a token somewhere in it."""
    found = set()
    for secret in secrets:
        text = re.sub(r"^\w+://", "", secret)
        for each in (secret, text, unquote(text)):
            found |= {each, *re.split(r"[/:@?&=,;+\s]+", each)}
    return {each for each in found if len(each) > 5 or (len(each) > 2 and not each.isdecimal())}
