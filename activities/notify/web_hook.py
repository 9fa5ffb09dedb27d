"""Sends to web hooks, signed."""

import hashlib
import hmac
import time

from activities.notify.delivery import DeliveryError
from activities.notify.http_client import HttpClient
from activities.notify.secret_reader import SecretReader
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.notify.text.formats import Formatter, as_json

SIGNATURE_HEADER = "DRS-Waves-Signature"


class WebHookSender:
    """Posts a `NotificationDocument`, signed with the channel's secret."""

    def __init__(self, http: HttpClient, secrets: SecretReader, public_url: str | None) -> None:
        self._http = http
        self._secrets = secrets
        self._public_url = public_url

    async def send(self, channel: Channel, notification: Notification) -> None:
        """See `Sender`."""
        hook = channel.web_hook
        assert hook is not None
        key = await self._secrets.read(hook.secret)
        is_secret = not isinstance(hook.url, str)
        url = hook.url if isinstance(hook.url, str) else await self._secrets.read(hook.url)
        if not url.startswith(("https://", "http://")):
            raise DeliveryError(
                f"the {hook.url} holds no URL that begins with https://", is_permanent=True
            )
        document = Formatter(channel.zone, self._public_url).document(notification)
        body = as_json(document).encode()
        headers = {SIGNATURE_HEADER: signature(key, body, now=time.time())}
        await self._http.post(
            url, body, headers=headers, secrets=(key, url) if is_secret else (key,)
        )


def signature(key: str, body: bytes, *, now: float) -> str:
    """The header's value: `t=<epoch seconds>,v1=<HMAC-SHA256 over "<epoch seconds>.<body>">`."""
    timestamp = str(int(now))
    digest = hmac.new(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
