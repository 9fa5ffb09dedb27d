"""Sends by Apprise: Slack, Teams, e-mail and some hundred more."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from html import escape

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode

from activities.notify.delivery import TIMEOUT_SECONDS, DeliveryError
from activities.notify.secret_reader import SecretReader
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.notify.severity import Severity, severity_of
from recovery.notify.text.formats import Formatter

_THREADS_OF_CHANNEL = 4
_TYPES = {
    Severity.CRITICAL: NotifyType.FAILURE,
    Severity.ERROR: NotifyType.FAILURE,
    Severity.WARNING: NotifyType.WARNING,
    Severity.INFO: NotifyType.INFO,
}

# It logs URLs with their secrets. What it says of a failure is in `DeliveryError`, without them.
_log = logging.getLogger("apprise")
_log.propagate = False
_log.setLevel(logging.DEBUG)
_log.addHandler(logging.NullHandler())


class AppriseSender:
    """Sends by Apprise, which blocks: each channel has threads of its own."""

    def __init__(self, secrets: SecretReader, public_url: str | None) -> None:
        self._secrets = secrets
        self._public_url = public_url
        self._threads: dict[str, ThreadPoolExecutor] = {}

    async def send(self, channel: Channel, notification: Notification) -> None:
        """See `Sender`."""
        assert channel.apprise is not None
        url = await self._secrets.read(channel.apprise)
        formatter = Formatter(channel.zone, self._public_url)
        threads = self._threads.setdefault(channel.name, ThreadPoolExecutor(_THREADS_OF_CHANNEL))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await loop.run_in_executor(threads, _notify, url, formatter, notification)
        except TimeoutError:
            raise DeliveryError(f"no response within {TIMEOUT_SECONDS:g} s") from None


def apprise_of(url: str) -> Apprise:
    """What sends to a URL; it connects to nothing yet.

    Raises:
        DeliveryError: Apprise cannot use it.
    """
    asset = AppriseAsset(
        app_id="drs-waves",
        app_desc="drs-waves",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    apprise = Apprise(asset=asset)
    if not apprise.add(url) or len(apprise.services) != 1:
        raise DeliveryError(
            "its secret is not one URL that Apprise can use; see "
            "https://github.com/caronc/apprise/wiki",
            is_permanent=True,
        )
    return apprise


def _notify(url: str, formatter: Formatter, notification: Notification) -> None:
    apprise = apprise_of(url)
    service = apprise.services[0]
    # Otherwise a URL with optional=yes would count as delivered whatever happens.
    service.optional = False
    body_format = service.resolve_format(NotifyFormat.MARKDOWN)
    if body_format is NotifyFormat.HTML:
        title, body = formatter.html(notification)
        # Apprise puts the title into the body where a service has none.
        title = title if service.title_maxlen > 0 else escape(title)
    else:
        # Some services read markup in plain text too.
        title, body = formatter.chat(notification)
    severities = list(Severity)
    worst = min(map(severity_of, notification.items), key=severities.index)
    result = apprise.notify(
        body, title, _TYPES[worst], body_format, timeout=TIMEOUT_SECONDS, log_level=logging.DEBUG
    )
    with result:
        if not result:
            # What the receiver said is logged for debugging, between much else.
            reasons = dict.fromkeys(
                each.message
                for each in result.logs()
                if each.level in ("WARNING", "ERROR") or "Exception:" in each.message
            )
            raise DeliveryError("; ".join(reasons) or "Apprise gives no reason", secrets=(url,))
