"""Looks at channels without sending a message."""

import asyncio
from urllib.parse import urlsplit

from activities.notify.apprise_sender import apprise_of
from activities.notify.delivery import DeliveryError
from activities.notify.secret_reader import SecretReader
from aws.errors import AwsError
from aws.sessions import CallThreads, OwnClients, call
from recovery.doctor.installation import ChannelEvidence
from recovery.notify.channels import Channel, EventBridgeBus, PagerDuty, SnsTopic, WebHook

_SECONDS = 15.0
_CONNECT_SECONDS = 5.0


class ChannelChecks:
    """Checks what can be seen of channels: topics, buses, secrets and hosts."""

    def __init__(self) -> None:
        self._clients = OwnClients()
        self._secrets = SecretReader(self._clients)
        self._threads = CallThreads()

    async def look(self, channel: Channel) -> ChannelEvidence:
        """Look at a channel. Errors name no secret."""
        evidence = ChannelEvidence(name=channel.name, kind=channel.kind)
        try:
            async with asyncio.timeout(_SECONDS):
                evidence.checked = await self._checked(channel)
        except (AwsError, DeliveryError) as error:
            evidence.error = str(error)
        except TimeoutError:
            evidence.error = f"no answer within {_SECONDS:g} s"
        except Exception as error:
            # Its text may have a secret.
            evidence.error = f"unexpected {type(error).__name__}"
        return evidence

    async def _checked(self, channel: Channel) -> str:
        if channel.sns is not None:
            return await self._topic(channel.sns)
        if channel.event_bridge is not None:
            return await self._bus(channel.event_bridge)
        if channel.web_hook is not None:
            return await self._web_hook(channel.web_hook)
        if channel.pager_duty is not None:
            return await self._pager(channel.pager_duty)
        assert channel.apprise is not None
        await asyncio.to_thread(apprise_of, await self._secrets.read(channel.apprise))
        return "its secret is a URL that Apprise can use"

    async def _topic(self, topic: SnsTopic) -> str:
        client = self._clients.client("sns", topic.topic_arn.split(":")[3])
        operation = "GetTopicAttributes"
        await call(self._threads, operation, client.get_topic_attributes, TopicArn=topic.topic_arn)
        return "the topic exists"

    async def _bus(self, bus: EventBridgeBus) -> str:
        region = bus.bus.split(":")[3] if bus.bus.startswith("arn:") else bus.region
        client = self._clients.client("events", region)
        await call(self._threads, "DescribeEventBus", client.describe_event_bus, Name=bus.bus)
        return "the bus exists"

    async def _web_hook(self, hook: WebHook) -> str:
        await self._secrets.read(hook.secret)
        url = hook.url if isinstance(hook.url, str) else await self._secrets.read(hook.url)
        await _connect(url)
        return "its secrets can be read, and its host accepts connections"

    async def _pager(self, pager: PagerDuty) -> str:
        await self._secrets.read(pager.routing_key)
        await _connect(pager.endpoint)
        return "its secret can be read, and its host accepts connections"


async def _connect(url: str) -> None:
    """Connect to the host of a URL.

    Raises:
        DeliveryError: it does not accept connections.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        # A path may have a secret; a host has none.
        raise DeliveryError(
            f"{parts.hostname}:{port} accepts no connection ({type(error).__name__})"
        ) from None
    writer.close()
