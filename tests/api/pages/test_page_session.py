"""The dialogs of an open page, whose events may arrive late."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.dialogs import Dialog, Outcome
from api.pages.page_element import PageElement
from api.pages.page_session import PageSession
from settings import Role

USER = Principal(subject="ada", roles=frozenset(Role))


class Browser:
    """What the page element sends to the browser."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.errors: list[str] = []

    def open_dialog(self, html: str, number: int) -> None:
        self.opened.append(number)

    def show_dialog_error(self, error: str) -> None:
        self.errors.append(error)


class Session(PageSession[None]):
    """A page each of whose buttons opens a dialog that sends its name."""

    template = "notice"

    def __init__(self) -> None:
        async def authenticate(token: object) -> Principal:
            return USER

        service = SimpleNamespace(authenticator=SimpleNamespace(authenticate=authenticate))
        request = Request({"type": "http", "path": "/", "headers": []})
        super().__init__(cast(Any, service), request, USER, "Page")
        self.browser = Browser()
        self.element = cast(PageElement, self.browser)
        self.sent: list[str] = []

    def parts(self, snapshot: Snapshot[None]) -> dict[str, str]:
        return {}

    def old_after(self, snapshot: Snapshot[None]) -> float:
        return 1.0

    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        async def send(caller: Principal, given: Mapping[str, str]) -> Outcome:
            self.sent.append(f"{fields['ask']}: {given['reason']}")
            return Outcome("Done")

        return Dialog("<p></p>", send)


@pytest.fixture
def session() -> Session:
    return Session()


async def test_a_late_close_of_an_earlier_dialog_leaves_the_open_one_in_use(
    session: Session,
) -> None:
    await session._open_dialog({"ask": "skip"})
    await session._open_dialog({"ask": "skip"})
    first, second = session.browser.opened
    await session._close_dialog({"dialog": first})
    await session._send({"dialog": second, "fields": {"reason": "not needed"}})
    assert session.sent == ["skip: not needed"]
    assert session.browser.errors == []


async def test_a_form_of_an_earlier_dialog_is_not_sent_as_the_open_one(session: Session) -> None:
    await session._open_dialog({"ask": "approve"})
    await session._open_dialog({"ask": "cancel"})
    await session._send({"dialog": session.browser.opened[0], "fields": {"reason": "go"}})
    assert session.sent == []
    assert "no longer open" in session.browser.errors[0]


async def test_a_form_of_a_closed_dialog_is_answered(session: Session) -> None:
    await session._open_dialog({"ask": "approve"})
    (number,) = session.browser.opened
    await session._close_dialog({"dialog": number})
    await session._send({"dialog": number, "fields": {"reason": "go"}})
    assert session.sent == []
    assert "no longer open" in session.browser.errors[0]
