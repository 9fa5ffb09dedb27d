"""What notifications say, and that texts of others do nothing in them."""

import json
import re
from html.parser import HTMLParser

import pytest

from recovery.execution.open_decision import DecisionKind
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, Notification
from recovery.notify.text.inert import plain, without_markup
from recovery.notify.text.writer import MAX_TITLE
from tests.recovery.notify.examples import (
    EVENTS,
    EXAMPLES,
    FORMATS,
    GOLDEN,
    NOW,
    asked,
    decision,
    event,
    execution,
    formatted,
    golden,
    notification,
)

HOSTILE = (
    "<script>alert(1)</script><!channel> @channel @everyone *b* _i_ `c` ~s~ "
    "[Sign in](https://evil.example/x) <https://evil.example|in> www.evil.example {{7*7}} %0a\r\n"
    "Subject: x\x1b[31m\x00\u202eevil"
    '\u2066\u200b&amp; " onload="x'
)


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_says_what_it_should(form: str) -> None:
    assert golden(form) == (GOLDEN / f"{form}.txt").read_text(), (
        "see the difference; `python -m tests.recovery.notify.examples` writes it anew"
    )


def test_no_kind_is_without_an_example() -> None:
    assert set(EXAMPLES) >= {*EventKind, *DecisionKind, *ItemKind} - {
        ItemKind.EVENT,
        ItemKind.ASKED,
    }


def hostile_notifications() -> list[Notification]:
    where = execution(HOSTILE)
    people = {"actor": HOSTILE, "time": NOW, "reason": HOSTILE}
    more = {"wave_name": HOSTILE, "reason": HOSTILE, "if_unanswered": HOSTILE}
    decisions = [
        decision(kind, decision_kind, acknowledged_by=people, **more)
        for kind in ItemKind
        for decision_kind in DecisionKind
    ]
    events = [event(kind, reason=HOSTILE, wave_name=HOSTILE) for kind in EVENTS]
    items = [each.model_copy(update={"execution": where}) for each in (*decisions, *events)]
    return [*(notification(each) for each in items), notification(*items)]


@pytest.mark.parametrize("form", FORMATS)
def test_texts_of_others_are_harmless(form: str) -> None:
    for each in hostile_notifications():
        title, body = formatted(each, form)
        assert len(title) <= MAX_TITLE
        assert title.isprintable()
        assert all(line.isprintable() for line in body.splitlines())
        if form == "json":
            # Programs get the typed values as they are; what people read is harmless.
            assert not set("<>&") & set(body)
            document = json.loads(body)
            title, body = document["Title"], document["Text"]
        shown = f"{title}\n{body}"
        links = re.findall(r"https?://[^\s\"<]+|\bwww\.\S+|\w+\.example\b", shown)
        assert {each for each in links if not each.startswith("https://waves.example.com/")} <= {
            "waves.example"
        }
        assert "49" not in shown
        assert "@channel" not in shown
        assert "@everyone" not in shown


def test_a_mail_has_the_elements_of_its_template_only() -> None:
    class Elements(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[tuple[str, str | None]] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found |= {(tag, value) for _, value in attrs} or {(tag, None)}

    link = "https://waves.example.com/"
    for each in hostile_notifications():
        elements = Elements()
        elements.feed(formatted(each, "html")[1])
        for tag, value in elements.found:
            assert (tag, value) in {("p", None), ("strong", None)} or (
                tag == "a" and value is not None and value.startswith(link)
            )


def test_chat_has_no_markup_of_others() -> None:
    for each in hostile_notifications():
        title, body = formatted(each, "chat")
        lines = [title, *(line.removeprefix("- ") for line in body.splitlines()[:-1])]
        text = "\n".join(lines).replace("[.]", "").replace("[:]", "")
        assert not set("<>[]*`~|\\&@#") & set(text)
        assert not re.search(r"(?<!\w)_|_(?!\w)", text)


def test_names_that_people_use_stay_as_they_are() -> None:
    for name in ("CRM", "crm_prod-2", "Größe 1.5", "日本", "alice@example.com", "i-0abc.def1"):
        assert plain(name) == name
    assert without_markup("crm_prod-2 (a/b)") == "crm_prod-2 (a/b)"
    assert plain("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("form", FORMATS)
def test_without_an_address_the_command_is_named(form: str) -> None:
    for name in (EventKind.WAVE_UP, DecisionKind.FAILURE):
        body = formatted(EXAMPLES[name], form, url=None)[1]
        assert "drs-waves watch crm-0f3b52a1c7d9" in body
        assert "http" not in body
    assert "drs-waves decisions" in formatted(EXAMPLES["digest"], form, url=None)[1]


def test_a_digest_names_what_is_urgent_first_and_how_much_more_there_is() -> None:
    title, body = formatted(notification(*[decision()] * 53), "plain")
    assert title == "53 decisions needed"
    lines = body.splitlines()
    assert (len(lines), lines[-2]) == (17, "and 38 more")
    assert lines[-1] == "https://waves.example.com/decisions"


def test_a_deadline_that_is_over_is_not_promised() -> None:
    item = decision().model_copy(update={"decision": asked(deadline=NOW - 60)})
    assert (
        "The time to decide ended at Mon 16:12 CEST." in formatted(notification(item), "plain")[1]
    )
