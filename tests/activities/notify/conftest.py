"""A receiver, and senders that wait a moment only."""

import io
import logging
from collections.abc import Iterator

import pytest

from activities.notify import apprise_sender, aws_senders, http_client, secret_reader
from activities.notify.channel_clients import ChannelClients
from activities.notify.delivery import DeliveryError
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from runtime.log_config import configure_logging
from settings import Settings
from tests.activities.notify.receiver import Receiver, receiver

TIMEOUT = 0.4
SECRET = "s3cret-Pa55/with?odd=chars"


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, on a loopback address as in the sandbox."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with receiver() as state:
        yield state


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> ChannelClients:
    """The senders of a worker, with a secret in its environment."""
    monkeypatch.setenv("CHANNEL_SECRET", SECRET)
    return ChannelClients(Settings(public_url="https://waves.example.com"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders that give up after 0.4 s."""
    for module in (apprise_sender, aws_senders, http_client, secret_reader):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", TIMEOUT)


@pytest.fixture
def log() -> io.StringIO:
    """What a worker's log gets."""
    stream = io.StringIO()
    configure_logging(as_json=False)
    logging.getLogger().handlers[:] = [logging.StreamHandler(stream)]
    return stream


async def failure(clients: ChannelClients, channel: Channel, sent: Notification) -> DeliveryError:
    """Send what must fail."""
    with pytest.raises(DeliveryError) as caught:
        await clients.send(channel, sent)
    return caught.value


def channel(**kind: object) -> Channel:
    """A channel of some kind."""
    return Channel.model_validate({"Name": "on-call", "TimeZone": "Europe/Berlin", **kind})
