"""Apprise: mail by SMTP, chats over HTTP, and why something was not delivered."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from activities.notify import apprise_sender
from activities.notify.channel_clients import ChannelClients
from recovery.notify.channels import Channel
from recovery.notify.events import Notification
from tests.activities.notify.conftest import channel, failure
from tests.activities.notify.receiver import Receiver
from tests.aws_in_process import until
from tests.recovery.notify.examples import decision, execution, notification

SENT = notification(decision())
HOSTILE = decision(wave_name="<b>@all</b> [x](http://evil.example)\r\nBcc: eve@evil.example")
ChannelOf = Callable[[str], Channel]
LINK = "https://waves.example.com/executions/crm-0f3b52a1c7d9"


class MailServer:
    """Keeps what it receives.

    Attributes:
        refuses: it answers 550 to every message.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses = False
        self.delay = 0.0

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        await asyncio.sleep(self.delay)
        if self.refuses:
            return "550 no such mailbox"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
async def mail() -> AsyncIterator[tuple[MailServer, str]]:
    """A mail server, and the Apprise URL that sends to it."""
    mails = MailServer()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: SMTP(mails), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield mails, f"mailto://127.0.0.1:{port}?from=waves@example.com&to=team@example.com"


@pytest.fixture
def to(monkeypatch: pytest.MonkeyPatch) -> ChannelOf:
    """Makes a channel of an Apprise URL."""

    def channel_of(url: str) -> Channel:
        monkeypatch.setenv("APPRISE_URL", url)
        return channel(Apprise={"Env": "APPRISE_URL"})

    return channel_of


async def test_a_mail_has_a_subject_text_and_html(
    mail: tuple[MailServer, str],
    clients: ChannelClients,
    to: ChannelOf,
) -> None:
    server, url = mail
    apprise = to(url)
    await clients.send(apprise, SENT)
    (got,) = server.mails
    assert got["Subject"] == "RECOVERY CRM: App failed, decide"
    assert server.recipients == ["team@example.com"]
    html, text = got.get_body(("html",)), got.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert f'<a href="{LINK}">' in html.get_content()
    assert "Decide until Mon 20:13 CEST, in 4 h." in text.get_content()


async def test_names_do_nothing_in_a_mail(
    mail: tuple[MailServer, str],
    clients: ChannelClients,
    to: ChannelOf,
) -> None:
    server, url = mail
    apprise = to(url)
    item = HOSTILE.model_copy(update={"execution": execution("a\r\nBcc: eve@evil.example")})
    await clients.send(apprise, notification(item))
    (got,) = server.mails
    assert server.recipients == ["team@example.com"]
    assert got["Bcc"] is None
    html = got.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()
    assert "http://evil" not in got.as_string()


async def test_a_mail_that_is_refused_is_a_failure(
    mail: tuple[MailServer, str],
    clients: ChannelClients,
    to: ChannelOf,
) -> None:
    server, url = mail
    server.refuses = True
    apprise = to(url)
    error = await failure(clients, apprise, SENT)
    assert "550" in str(error)
    assert "no such mailbox" in str(error)
    assert not server.mails


@pytest.mark.usefixtures("impatient")
async def test_a_mail_server_that_hangs_is_a_failure(
    mail: tuple[MailServer, str],
    clients: ChannelClients,
    to: ChannelOf,
) -> None:
    server, url = mail
    server.delay = 1.0
    apprise = to(url)
    error = await failure(clients, apprise, SENT)
    assert str(error) == "no response within 0.4 s"


def chat_url(http: Receiver, path: str = "T0ken1234") -> str:
    return f"{http.url.replace('http://', 'json://')}/{path}"


@pytest.mark.parametrize("scheme", ["json", "mmost"])
async def test_a_chat_gets_markdown_without_the_markup_of_others(
    http: Receiver, clients: ChannelClients, to: ChannelOf, scheme: str
) -> None:
    # Mattermost reads markup in what Apprise calls plain text.
    apprise = to(chat_url(http, "3ccdd113474722377935511fc85d3dd4").replace("json", scheme))
    await clients.send(apprise, notification(HOSTILE))
    (body,) = http.bodies
    message = body["text"] if scheme == "mmost" else f"{body['title']}\n{body['message']}"
    assert message.endswith(f"\n{LINK}")
    text = message.removesuffix(LINK)
    assert not set("<@") & set(text)
    assert "](" not in text
    assert "http://evil" not in text


@pytest.mark.parametrize("status", [400, 403, 429, 500, 302])
async def test_a_chat_that_refuses_is_a_failure_with_its_reason(
    http: Receiver,
    clients: ChannelClients,
    to: ChannelOf,
    log: io.StringIO,
    status: int,
) -> None:
    http.statuses, http.headers = [status], {"Location": f"{http.url}/elsewhere"}
    apprise = to(f"{chat_url(http)}?optional=yes")
    error = await failure(clients, apprise, SENT)
    assert str(status) in str(error)
    assert "T0ken1234" not in f"{error}{log.getvalue()}"
    assert len(http.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_hanging_chat_is_a_failure(
    http: Receiver, clients: ChannelClients, to: ChannelOf
) -> None:
    http.delay = 1.0
    apprise = to(chat_url(http))
    error = await failure(clients, apprise, SENT)
    assert (str(error), error.is_permanent) == ("no response within 0.4 s", False)


@pytest.mark.parametrize(
    "url", ["nothing", "nosuch://T0ken1234", "slack://T0ken1234", "json://a,json://b/T0ken1234"]
)
async def test_a_url_that_apprise_cannot_use_is_permanent_and_not_shown(
    clients: ChannelClients,
    to: ChannelOf,
    log: io.StringIO,
    url: str,
) -> None:
    apprise = to(url)
    error = await failure(clients, apprise, SENT)
    assert "its secret is not one URL that Apprise can use" in str(error)
    assert error.is_permanent
    assert "T0ken1234" not in f"{error}{log.getvalue()}"


async def test_the_threads_of_a_hanging_channel_hold_back_no_other(
    http: Receiver, clients: ChannelClients, to: ChannelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_sender, "TIMEOUT_SECONDS", 60.0)
    http.delay = 60.0
    apprise = to(chat_url(http))
    hanging = [asyncio.create_task(_send(clients, apprise, SENT)) for _ in range(8)]
    await until(lambda: len(http.requests) == apprise_sender._THREADS_OF_CHANNEL)
    other = apprise.model_copy(update={"name": "other"})
    http.delay = 0.0
    await clients.send(other, SENT)
    assert not any(each.done() for each in hanging)
    http.ended.set()
    await asyncio.gather(*hanging)


async def _send(clients: ChannelClients, to_channel: Channel, sent: Notification) -> None:
    await clients.send(to_channel, sent)
