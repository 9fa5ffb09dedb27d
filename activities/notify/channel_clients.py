"""The channels of an installation, and what sends to them."""

import asyncio
from pathlib import Path

from activities.notify.apprise_sender import AppriseSender
from activities.notify.aws_senders import EventBridgeSender, SnsSender
from activities.notify.delivery import DeliveryError, Sender
from activities.notify.http_client import HttpClient
from activities.notify.pager_duty import PagerDutySender
from activities.notify.secret_reader import SecretReader
from activities.notify.web_hook import WebHookSender
from aws.sessions import OwnClients
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from recovery.notify.notify_file import parse_notify_file, read_notify_file
from settings import Settings

# Of a whole message, whose parts have ten seconds each. Less than the activity's own limit, so that
# the failure has a reason.
MESSAGE_SECONDS = 40.0


def configured_channels(settings: Settings) -> list[Channel]:
    """The channels that the settings name; none without the setting.

    Raises:
        ModelFileError: the file cannot be read, or is not valid; with all problems.
    """
    if settings.notify_file is not None:
        return read_notify_file(Path(settings.notify_file))
    if settings.notify is not None:
        return parse_notify_file(settings.notify, source="DRS_WAVES_NOTIFY")
    return []


class ChannelClients:
    """Sends notifications to channels of every kind."""

    def __init__(self, settings: Settings) -> None:
        clients, url = OwnClients(), settings.public_url
        secrets, http = SecretReader(clients), HttpClient()
        self._senders: dict[str, Sender] = {
            "Apprise": AppriseSender(secrets, url),
            "PagerDuty": PagerDutySender(http, secrets, url),
            "SNS": SnsSender(clients, url),
            "EventBridge": EventBridgeSender(clients, url),
            "WebHook": WebHookSender(http, secrets, url),
        }

    async def send(self, channel: Channel, notification: Notification) -> None:
        """Send a notification, in 40 s at most.

        Raises:
            DeliveryError: it was not delivered, as far as is known.
        """
        try:
            async with asyncio.timeout(MESSAGE_SECONDS):
                await self._senders[channel.kind].send(channel, notification)
        except DeliveryError:
            raise
        except TimeoutError:
            raise DeliveryError(f"not all of it was accepted in {MESSAGE_SECONDS:g} s") from None
        except Exception as error:
            # Its text may have a secret, and a defect here must not be silence.
            raise DeliveryError(f"unexpected {type(error).__name__}") from None
