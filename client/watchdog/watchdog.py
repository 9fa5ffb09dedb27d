"""Looks again and again, and sends what does not respond through the channels itself."""

import asyncio
import time
from collections.abc import Sequence

import httpx
import structlog

from activities.notify.channel_clients import ChannelClients, configured_channels
from activities.notify.delivery import DeliveryError, Sender
from client.connection import configured_namespace
from client.watchdog.observer import Observer
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.notify.watchdog.announcements import Announcements
from recovery.notify.watchdog.conditions import Condition, conditions_of
from settings import Settings

EVERY_SECONDS = 30.0
# Senders give up earlier.
_SEND_SECONDS = 60.0
_PING_SECONDS = 10.0
_SHORTEST_PAUSE_SECONDS = 0.1
_CONFIRM_SECONDS = 5.0


class Watchdog:
    """Reports what keeps executions from running, and the end of that."""

    def __init__(
        self,
        settings: Settings,
        channels: Sequence[Channel],
        sender: Sender,
        *,
        namespace: str,
        every: float = EVERY_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            settings: of this process.
            channels: of the installation.
            sender: sends to them.
            namespace: Temporal's.
            every: seconds between two looks.
        """
        self._channels = {each.name: each for each in channels}
        self._sender = sender
        self._every = every
        self._ping_url = settings.watchdog_ping_url
        self._observer = Observer(settings)
        self._announcements = Announcements(channels, namespace, now=time.time())
        self._sending: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    @property
    def reported_channels(self) -> list[str]:
        """The names of the channels that it sends to."""
        return self._announcements.reported_channels

    async def run(self) -> None:
        """Look until this is cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self._look()
            except Exception as error:
                # A defect must not end it; without a ping, somebody learns of it.
                self._log.exception(f"the watchdog could not look: {error}")
            pause = started + self._every - time.monotonic()
            await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, pause))

    async def _look(self) -> None:
        seen = await self._observer.observe()
        before = {each.kind for each in self._announcements.confirmed}
        self._announcements.update(seen)
        now_confirmed = self._announcements.confirmed
        for each in now_confirmed:
            if each.kind not in before:
                self._log.warning(each.reason)
        for kind in before - {each.kind for each in now_confirmed}:
            self._log.info(f"over: {kind}")
        for notification in self._announcements.take(now=time.time()):
            # Beside the next looks, so that a receiver that hangs holds back nothing.
            task = asyncio.create_task(self._send(notification))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if not self._announcements.reaches_nobody:
            await self._ping()

    async def _send(self, notification: Notification) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._sender.send(self._channels[notification.channel], notification)
        except Exception as error:
            # Also a defect: the channel must not wait for this message for ever.
            why = str(error) if isinstance(error, DeliveryError) else type(error).__name__
            self._log.warning(f"a message to {notification.channel} failed: {why}")
            self._announcements.failed(notification)
        else:
            self._announcements.delivered(notification)

    async def _ping(self) -> None:
        """Tell a monitor of the watchdog that it runs."""
        if self._ping_url is None:
            return
        try:
            async with httpx.AsyncClient(timeout=_PING_SECONDS) as client:
                answer = await client.get(self._ping_url.get_secret_value())
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            # The URL is a secret, and so are texts that have it.
            self._log.warning(f"the watchdog's ping was refused: HTTP {error.response.status_code}")
        except httpx.HTTPError as error:
            self._log.warning(f"the watchdog's ping failed: {type(error).__name__}")


def configured_watchdog(settings: Settings, *, every: float = EVERY_SECONDS) -> Watchdog:
    """The watchdog of this installation, with the channels and the Temporal that are set.

    Raises:
        ModelFileError: the file of channels is not valid.
        RefusedError: the settings for Temporal are invalid.
    """
    channels, sender = configured_channels(settings), ChannelClients(settings)
    namespace = configured_namespace()
    return Watchdog(settings, channels, sender, namespace=namespace, every=every)


async def confirmed_conditions(settings: Settings) -> list[Condition]:
    """The conditions that two looks have, a few seconds apart; without sending anything."""
    observer = Observer(settings)
    if not (first := conditions_of(await observer.observe())):
        return []
    await asyncio.sleep(_CONFIRM_SECONDS)
    kinds = {each.kind for each in first}
    return [each for each in conditions_of(await observer.observe()) if each.kind in kinds]
