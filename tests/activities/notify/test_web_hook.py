"""Web hooks: what they get, how it is signed, and what counts as delivered."""

import hashlib
import hmac
import io

import pytest

from activities.notify.channel_clients import ChannelClients
from activities.notify.web_hook import signature
from recovery.notify.channels import Channel
from recovery.notify.text.formats import NotificationDocument
from tests.activities.notify.conftest import SECRET, channel, failure
from tests.activities.notify.receiver import Receiver
from tests.recovery.notify.examples import EXAMPLES, decision, notification

SENT = notification(decision())


def hook(url: object) -> Channel:
    return channel(WebHook={"Url": url, "Secret": {"Env": "CHANNEL_SECRET"}})


def is_genuine(body: bytes, header: str, secret: str, now: float) -> bool:
    """As docs/notifications.md shows it to receivers."""
    fields = dict(part.split("=", 1) for part in header.split(","))
    signed = fields["t"].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, fields["v1"]) and abs(now - int(fields["t"])) < 300


async def test_it_gets_signed_json(http: Receiver, clients: ChannelClients) -> None:
    await clients.send(hook(f"{http.url}/waves"), SENT)
    ((path, headers, body),) = http.requests
    assert path == "/waves"
    document = NotificationDocument.model_validate_json(body)
    assert document.items[0].item == SENT.items[0]
    assert document.link == "https://waves.example.com/executions/crm-0f3b52a1c7d9"
    header = headers["DRS-Waves-Signature"]
    time = int(header.split(",")[0].removeprefix("t="))
    assert is_genuine(body, header, SECRET, time)
    assert not is_genuine(body + b" ", header, SECRET, time)
    assert not is_genuine(body, header, "another", time)
    assert not is_genuine(body, header, SECRET, time + 301)
    assert not is_genuine(body, header.replace(f"t={time}", f"t={time + 1}"), SECRET, time)


def test_the_signature_is_over_the_time_and_the_body() -> None:
    assert signature("key", b"{}", now=1_790_000_000.9) == (
        "t=1790000000,v1=" + hmac.digest(b"key", b"1790000000.{}", "sha256").hex()
    )


@pytest.mark.parametrize(
    ("status", "is_permanent"),
    [(400, True), (401, True), (404, True), (410, True), (301, True), (307, True),
     (408, False), (425, False), (429, False), (500, False), (503, False)],
)  # fmt: skip
async def test_only_2xx_is_delivered(
    http: Receiver, clients: ChannelClients, status: int, is_permanent: bool
) -> None:
    http.statuses, http.text = [status], "no, since\r\n\x1b[31m reasons"
    http.headers = {"Location": f"{http.url}/elsewhere"}
    error = await failure(clients, hook(http.url), SENT)
    assert f"HTTP {status}" in str(error)
    assert "no, since" in str(error)
    assert str(error).isprintable()
    assert error.is_permanent is is_permanent
    assert len(http.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_hanging_receiver_is_a_failure(http: Receiver, clients: ChannelClients) -> None:
    http.delay = 1.0
    error = await failure(clients, hook(http.url), SENT)
    assert (str(error), error.is_permanent) == ("no response within 0.4 s", False)


async def test_no_secret_is_in_an_error_or_a_log(
    http: Receiver,
    clients: ChannelClients,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    monkeypatch.setenv("HOOK_URL", f"{http.url}/T0ken1234/abc")
    http.statuses, http.text = [400], f"bad key {SECRET} at {http.url}/T0ken1234/abc"
    by_reference = hook({"Env": "HOOK_URL"})
    messages = [str(await failure(clients, by_reference, SENT))]
    for url in ("http://127.0.0.1:1/T0ken1234/a", "https://[T0ken1234/abc", "T0ken1234/abc"):
        monkeypatch.setenv("HOOK_URL", url)
        messages.append(str(await failure(clients, by_reference, SENT)))
    text = "\n".join([*messages, log.getvalue()])
    assert "T0ken1234" not in text
    assert "s3cret" not in text
    assert "Pa55" not in text
    assert "environment variable HOOK_URL holds no URL" in messages[-1]


async def test_a_missing_secret_names_its_reference(
    http: Receiver, clients: ChannelClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHANNEL_SECRET")
    error = await failure(clients, hook(http.url), SENT)
    assert str(error) == "the environment variable CHANNEL_SECRET is not set or is empty"
    assert http.requests == []


async def test_a_digest_is_one_request(http: Receiver, clients: ChannelClients) -> None:
    await clients.send(hook(http.url), EXAMPLES["digest"])
    (body,) = http.bodies
    assert (len(body["Items"]), body["Omitted"]) == (51, 3)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "127.0.0.1"])
async def test_metadata_and_loopback_addresses_get_nothing(
    clients: ChannelClients, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    error = await failure(clients, hook(f"http://{host}/waves"), SENT)
    assert error.is_permanent
    assert "is refused because it is" in str(error)
