"""Pages keep nothing on the server: any process answers any request, and no script is inline."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request

from api.auth.tokens import NotAuthenticatedError, Principal
from api.decisions.inbox_poller import InboxPoller
from api.hub import Poller, Snapshot
from api.pages.dialogs import Dialog, Outcome
from api.pages.live_page import LivePage, add_live_page
from client.decisions.inbox_reader import InboxReader, InboxState
from recovery.access.roles import Role

USER = Principal(subject="ada", roles=frozenset(Role))


class Number(Poller[int]):
    """Polls a number."""

    value = 1

    async def fetch(self, known: int | None) -> int:
        return self.value

    def pause(self, known: int | None) -> float:
        return 0.05


class NoDecisions(InboxPoller):
    """Polls an inbox without executions."""

    def __init__(self) -> None:
        super().__init__(cast(InboxReader, None))

    async def fetch(self, known: InboxState | None) -> InboxState:
        return InboxState([])


class NumberPage(LivePage[int]):
    """A page whose only button opens a dialog that sends its name."""

    template = "notice"
    sent: list[str]
    is_possible = True

    def parts(self, snapshot: Snapshot[int]) -> dict[str, str]:
        return {"number": str(snapshot.value), "same": "same"}

    def frame(self, snapshot: Snapshot[int]) -> dict[str, Any]:
        return {"title": "Number", "text": "shown"}

    def old_after(self, snapshot: Snapshot[int]) -> float:
        return 1.0

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        async def send(caller: Principal, fields: Mapping[str, str]) -> Outcome:
            self.sent.append(f"{caller.subject} {name} {about}: {fields['reason']}")
            return Outcome("Web skipped")

        return Dialog("<p>Skip?</p>", send) if type(self).is_possible else None


async def authenticate(token: str | None, _address: str) -> Principal:
    if token == "wrong":
        raise NotAuthenticatedError("not known")
    if token == "ends":
        return Principal("ada", USER.roles, expiry_time=time.time() + 0.3)
    return USER


def process(sent: list[str], poller: Number) -> httpx.AsyncClient:
    """A client of one server process."""
    service: Any = SimpleNamespace(
        authenticator=SimpleNamespace(authenticate=authenticate, is_open=False),
        inbox=NoDecisions(),
    )

    def open_page(_: Request, user: Principal) -> NumberPage:
        page = NumberPage(service, user, poller, "number")
        page.sent = sent
        return page

    app = FastAPI()
    add_live_page(app, cast(Any, service), "/number", "Number", open_page)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.fixture
async def poller() -> AsyncIterator[Number]:
    poller = Number()
    yield poller
    await poller.close()


async def test_a_dialog_that_one_process_opened_is_sent_to_another(poller: Number) -> None:
    sent: list[str] = []
    async with process(sent, poller) as one, process(sent, poller) as other:
        opened = await one.get("/number/dialogs/skip?about=web")
        assert opened.text == "<p>Skip?</p>"
        done = await other.post("/number/dialogs/skip?about=web", json={"reason": "not needed"})
    assert "Accepted" in done.text
    assert sent == ["ada skip web: not needed"]


async def test_an_action_that_is_no_longer_possible_is_not_sent(
    poller: Number, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NumberPage, "is_possible", False)
    sent: list[str] = []
    async with process(sent, poller) as client:
        refused = await client.post("/number/dialogs/skip", json={"reason": ""})
        shown = await client.get("/number/dialogs/skip")
    assert (refused.status_code, sent) == (409, [])
    assert "no longer possible" in refused.text
    assert "no longer possible" in shown.text


async def test_a_form_of_another_site_sends_nothing(poller: Number) -> None:
    sent: list[str] = []
    async with process(sent, poller) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            refused = await client.post(
                "/number/dialogs/skip",
                content='{"reason": "forged"}',
                headers={"Content-Type": kind},
            )
            assert refused.status_code == 415
    assert sent == []


async def test_without_authentication_nothing_is_shown_or_sent(poller: Number) -> None:
    sent: list[str] = []
    async with process(sent, poller) as client:
        client.cookies.set("drs_waves_token", "wrong")
        page = await client.get("/number")
        assert page.headers["location"] == "/sign-in?next=/number"
        refused = await client.post("/number/dialogs/skip", json={"reason": ""})
        assert (refused.status_code, sent) == (401, [])
        events = await client.get("/number/events")
        dialog = await client.get("/number/dialogs/skip")
    assert "event: signed_out" in events.text
    assert "event: parts" not in events.text
    assert "your sign-in has ended" in refused.text
    assert 'href="/sign-in?next=/number"' in dialog.text


async def test_the_updates_of_a_page_end_with_its_token(poller: Number) -> None:
    async with asyncio.timeout(60), process([], poller) as client:
        client.cookies.set("drs_waves_token", "ends")
        # Comes back when the stream has ended.
        events = await client.get("/number/events")
    names = re.findall("^event: (.*)$", events.text, re.MULTILINE)
    assert names[0] == "page"
    assert names[-1] == "signed_out"


async def test_a_page_gets_only_what_changed_since_it_was_rendered(poller: Number) -> None:
    inbox = NoDecisions()
    async with inbox.subscribed():
        await inbox.fresh()
    service = SimpleNamespace(authenticator=SimpleNamespace(is_open=True), inbox=inbox)
    page = NumberPage(cast(Any, service), USER, poller, "number")
    _, shown = await page.first()
    seen: list[tuple[str | None, Any]] = []
    async for event in page.updates(shown):
        seen.append((event.event, json.loads(event.raw_data or "null")))
        poller.value = 2
        if len(seen) == 4:
            break
    assert [name for name, _ in seen] == ["parts", "age", "parts", "age"]
    # The number in the navigation, which is no part of the page.
    assert list(seen[0][1]) == ["open-count"]
    assert seen[2][1] == {"number": "2"}
    # A page that was shown by another process, or an older one, gets everything.
    async for event in page.updates("another digest"):
        assert json.loads(event.raw_data or "null") == {"number": "2", "same": "same"}
        break
