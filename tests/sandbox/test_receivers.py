"""The receivers of notifications, as a sender and as the control API see them."""

from __future__ import annotations

import json
import smtplib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from http.client import RemoteDisconnected
from typing import Any

import pytest

from sandbox.scenario import DEFAULT_ACCOUNT_ID, ScenarioError, read_scenario
from sandbox.stack import free_port
from tests.sandbox.local_aws import LocalAws

ACCOUNT, OTHER = "000000000001", "000000000002"
TRIGGER = {
    "routing_key": "key",
    "event_action": "trigger",
    "dedup_key": "crm/approve",
    "payload": {"summary": "approve?", "source": "crm", "severity": "critical"},
}


class Receivers(LocalAws):
    """The local AWS with its receivers."""

    def __init__(self) -> None:
        super().__init__()
        self.smtp_port = free_port()
        self.server._smtp_port = self.smtp_port

    def post(
        self, path: str, content: Any, *, account: str = ACCOUNT, timeout: float = 5.0
    ) -> tuple[int, str]:
        """Send JSON to a receiver."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        url = f"{self.server.endpoint_url}/_receivers/{account}/{path}"
        request = urllib.request.Request(url, body, {"X-Signature": "t=1"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def page(self, **event: Any) -> int:
        """Send an event to the pager."""
        return self.post("pager-duty/v2/enqueue", TRIGGER | event)[0]

    def mail(self, to: str = "oncall@example.org", *, timeout: float = 5.0) -> dict[str, Any]:
        """Send a mail; the recipients that were refused."""
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = "approve?", "drs@example.org", to
        mail.set_content("Approve wave Web.")
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=timeout) as smtp:
            return dict(smtp.send_message(mail))

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        """What the control API says was received."""
        status, answer = self.control("GET", f"messages{query}")
        assert status == 200
        return list(answer["Messages"])

    def fault(self, receiver: str, effect: str, **more: Any) -> None:
        """Script a receiver."""
        fault = {"Service": "receiver", "Operation": receiver, "Effect": effect} | more
        self.control("POST", "scenario", json.dumps({"Faults": [fault]}))


@pytest.fixture(scope="module")
def shared() -> Iterator[Receivers]:
    """Receivers of all tests of this module."""
    with Receivers() as started:
        yield started


@pytest.fixture
def receivers(shared: Receivers) -> Receivers:
    """The same, without messages and faults."""
    shared.control("DELETE", "messages")
    shared.control("DELETE", "faults")
    return shared


def test_a_web_hook_keeps_body_and_headers_apart_by_account(receivers: Receivers) -> None:
    assert receivers.post("web-hook", {"Title": "approve?", "Text": "Approve it."})[0] == 200
    assert receivers.post("web-hook", {"Title": "other"}, account=OTHER)[0] == 200
    (message,) = receivers.messages(f"?account={ACCOUNT}&receiver=web-hook")
    assert (message["Title"], message["Text"]) == ("approve?", "Approve it.")
    assert message["Headers"]["X-Signature"] == "t=1"
    assert receivers.messages("?receiver=slack") == []
    receivers.control("DELETE", f"messages?account={OTHER}")
    assert [each["AccountId"] for each in receivers.messages()] == [ACCOUNT]


def test_chat_takes_what_slack_takes(receivers: Receivers) -> None:
    assert receivers.post("slack/services/T/B/token", {"text": "*approve?*\nnow"}) == (200, "ok")
    assert receivers.post("slack/hooks/token", {"text": ""}) == (400, "no_text")
    assert receivers.post("slack/hooks/token", b"payload") == (400, "invalid_payload")
    assert [each["Title"] for each in receivers.messages()] == ["*approve?*"]


def test_the_pager_deduplicates_acknowledges_and_resolves(receivers: Receivers) -> None:
    for action in ("trigger", "trigger", "acknowledge", "resolve", "resolve", "trigger"):
        assert receivers.page(event_action=action) == 202
    first = receivers.messages()[0]["Incident"].split()[0]
    again = str(int(first) + 1)
    assert [each["Incident"] for each in receivers.messages()] == [
        f"{first} triggered",
        f"{first} triggered",
        f"{first} acknowledged",
        f"{first} resolved",
        f"{first} resolved",
        f"{again} triggered",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"routing_key": ""},
        {"event_action": "open"},
        {"event_action": "resolve", "dedup_key": ""},
        {"payload": {"summary": "a", "source": "b", "severity": "bad"}},
        {"payload": "text"},
    ],
)
def test_the_pager_refuses_what_pager_duty_refuses(
    receivers: Receivers, wrong: dict[str, Any]
) -> None:
    assert receivers.page(**wrong) == 400
    assert receivers.messages() == []


def test_a_mail_is_kept_for_the_account_of_its_recipient(receivers: Receivers) -> None:
    assert receivers.mail() == {}
    assert receivers.mail(f"{ACCOUNT}@example.org") == {}
    first, second = receivers.messages("?receiver=smtp")
    assert (first["AccountId"], second["AccountId"]) == (DEFAULT_ACCOUNT_ID, ACCOUNT)
    assert (first["Title"], first["Text"]) == ("approve?", "Approve wave Web.")


def test_sns_and_eventbridge_deliver_to_the_same_place(receivers: Receivers) -> None:
    _, answer = receivers.control("POST", f"topic?account={ACCOUNT}&region=eu-west-1")
    keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "secret"}
    receivers.client("sns", "eu-west-1", **keys).publish(
        TopicArn=answer["TopicArn"], Subject="approve?", Message="Approve it."
    )
    event = {"Source": "drs-waves", "DetailType": "STARTED", "Detail": '{"Title": "started"}'}
    other = event | {"Source": "other"}
    receivers.client("events", "eu-west-1", **keys).put_events(Entries=[event, other])
    found = receivers.messages(f"?account={ACCOUNT}")
    assert {(each["Receiver"], each["Title"]) for each in found} == {
        ("sns", "approve?"),
        ("event-bridge", "started"),
    }
    assert receivers.messages() == found, "what was read stays"


def test_a_receiver_refuses_and_then_accepts_again(receivers: Receivers) -> None:
    receivers.fault("slack", "gateway-before", Status=429, Times=1)
    receivers.fault("smtp", "gateway-before", Status=451, Times=1)
    assert receivers.post("slack/hooks/token", {"text": "a"})[0] == 429
    assert receivers.post("slack/hooks/token", {"text": "b"})[0] == 200
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        receivers.mail()
    assert receivers.mail() == {}
    titles = [each["Title"] for each in receivers.messages()]
    assert titles == ["b", "approve?"]
    assert receivers.control("GET", "calls")[1]["Calls"]["receiver.slack"]["gateway-before"] == 1


def test_a_receiver_is_slow(receivers: Receivers) -> None:
    receivers.fault("*", "delay", Seconds=0.3)
    for send in (lambda: receivers.post("web-hook", {}), receivers.mail):
        start = time.monotonic()
        send()
        assert time.monotonic() - start >= 0.3
    assert len(receivers.messages()) == 2


@pytest.mark.parametrize(("effect", "kept"), [("answer-lost", 1), ("drop", 0), ("hang", 0)])
def test_an_answer_is_lost_after_or_before_the_receipt(
    receivers: Receivers, effect: str, kept: int
) -> None:
    receivers.fault("*", effect)
    lost = (RemoteDisconnected, TimeoutError, ConnectionError)
    with pytest.raises(lost):
        receivers.post("web-hook", {}, timeout=0.5)
    with pytest.raises((smtplib.SMTPServerDisconnected, *lost)):
        receivers.mail(timeout=0.5)
    assert len(receivers.messages()) == 2 * kept


def test_a_held_mail_is_answered_once_it_is_released(receivers: Receivers) -> None:
    receivers.fault("smtp", "hold", Times=1)
    refused: list[dict[str, Any]] = []
    sender = threading.Thread(target=lambda: refused.append(receivers.mail()))
    sender.start()
    while not receivers.control("POST", "release")[1]["Released"]:
        time.sleep(0.02)
    sender.join()
    assert refused == [{}]


def test_a_lost_region_does_not_take_the_receivers_with_it(receivers: Receivers) -> None:
    everything = {"Service": "*", "Operation": "*", "Effect": "drop"}
    receivers.control("POST", "scenario", json.dumps({"Faults": [everything]}))
    assert receivers.post("web-hook", {})[0] == 200


@pytest.mark.parametrize(
    "fault", ["Operation: fax, Effect: drop", "Operation: slack, Error: Throttling"]
)
def test_a_receiver_has_effects_and_a_known_name(fault: str) -> None:
    with pytest.raises(ScenarioError, match="Service receiver has"):
        read_scenario(f"Faults: [{{Service: receiver, {fault}}}]")
