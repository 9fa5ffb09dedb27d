"""The file of a report: it shows texts of others as texts, and loads nothing."""

import re
from html.parser import HTMLParser

from recovery.report.builder import execution_report
from recovery.report.html import content_security_policy, report_html, summary_html
from recovery.report.summary import plan_summary
from tests.cli.executions import START
from tests.recovery.report.records import SCRIPT, completed, hostile, record

NOW = START + 7200.0
_TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "section", "footer", "p", "span",
    "h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "div", "table", "colgroup", "col", "thead",
    "tbody", "tr", "th", "td", "br", "strong", "svg", "text", "line", "rect",
}  # fmt: skip


class Document(HTMLParser):
    """The tags, attributes and texts of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)


def documents() -> list[str]:
    report = execution_report(hostile(), now=NOW)
    return [report_html(report), summary_html(plan_summary("crm", [report], since=0.0, now=NOW))]


def test_texts_of_others_are_no_markup() -> None:
    for text in documents():
        found = Document(text)
        assert found.tags <= _TAGS | {"title"}
        assert not {name for name in found.attributes if name.startswith("on")}
        assert not {"href", "src", "style"} & found.attributes
        shown = "".join(found.words)
        assert SCRIPT in shown
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)


def test_it_loads_nothing_and_its_policy_allows_only_its_style() -> None:
    for text in documents():
        assert "http://" not in text.replace("http://127.0.0.1", "")
        assert "@import" not in text
        assert "url(" not in text
        assert "Content-Security-Policy" in text
    assert content_security_policy().startswith("default-src 'none'; style-src 'sha256-")


def test_it_never_says_more_than_the_verdict() -> None:
    qualified = report_html(execution_report(hostile(), now=NOW))
    assert "Failed: 1 wave failed or timed out; 1 override" in qualified
    clean = report_html(execution_report(record(completed()), now=NOW))
    assert "every server was verified" in clean
    assert "every server was verified" not in qualified
