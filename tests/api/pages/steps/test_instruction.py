"""An instruction is Markdown of which nothing becomes HTML of its own, and nothing is loaded."""

import re

import pytest

from api.pages.rendering import is_web_address
from api.pages.steps.instruction import instruction_html


def test_lists_emphasis_code_and_web_links_are_shown_and_headings_are_paragraphs() -> None:
    html = instruction_html(
        "# Move it\n\n1. Open **this**\n2. Set `0`\n\n```\na\tb\n```\nSee [runbook](https://wiki.example.com/a?b=1)"
    )
    assert "<p><strong>Move it</strong></p>" in html
    assert "<h1" not in html
    assert "<ol>\n<li>Open <strong>this</strong></li>\n<li>Set <code>0</code></li>" in html
    assert "<pre><code>a   b\n</code></pre>" in html
    assert (
        '<a href="https://wiki.example.com/a?b=1" target="_blank" rel="noopener noreferrer">'
        in html
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div>\nblock\n</div>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](java\tscript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "[a](//evil.example.com/x)",
        "[a](/plans/new)",
        "[a](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "<mailto:a@b.example>",
        "[r]\n\n[r]: javascript:alert(1)",
        "![i](https://evil.example.com/pixel.png)",
        "`<b>` **<i onclick=x>**",
        "[a](https://a.example 'x\" onclick=\"alert(1)')",
        'https://a.example/"onmouseover=alert(1)',
    ],
)
def test_no_element_and_no_address_of_another_kind_comes_of_it(hostile: str) -> None:
    html = instruction_html(f"Do it.\n\n{hostile}\n")
    elements = set(re.findall(r"<\s*([a-zA-Z!][^\s>]*)", html))
    assert elements <= {"p", "a", "code", "pre", "strong", "em"}
    for attributes in re.findall(r"<a ([^>]*)>", html):
        assert re.fullmatch(r'href="https://[^"]+" target="_blank" rel="[a-z ]+"', attributes)


def test_characters_that_reorder_text_are_left_out_also_as_entities() -> None:
    html = instruction_html("a\u202eb &#x202e; `c\u202ed` [e](https://a.example/\u202ef)")
    assert "\u202e" not in html


def test_a_long_nested_text_is_rendered_at_once() -> None:
    for text in ("> " * 2000, "[" * 4000, "*" * 3999 + "a", "`" * 4000, "[a](" * 1000):
        assert len(instruction_html(text)) < 100_000


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("https://console.aws.amazon.com/a?b#c", True),
        ("http://10.0.0.1:8080/x", True),
        ("javascript:alert(1)", False),
        ("https:alert(1)", False),
        ("https://", False),
        ("//host/x", False),
        ("exec-0123", False),
        ("", False),
        ("http://[", False),
        ("https://a.example/\u202e", False),
    ],
)
def test_only_http_and_https_addresses_with_a_host_become_links(address: str, is_one: bool) -> None:
    assert is_web_address(address) is is_one
