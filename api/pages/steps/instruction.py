"""The instruction of a manual step, as HTML from its Markdown."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from api.pages.rendering import is_web_address
from recovery.text_format import visible

_TAB_WIDTH = 4


class _Renderer(RendererHTML):
    """Opens links in a tab of their own, and makes headings paragraphs: the page has its own."""

    def link_open(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, _env: EnvType
    ) -> str:
        # Its title could hold any character.
        tokens[index].attrs.pop("title", None)
        tokens[index].attrSet("target", "_blank")
        tokens[index].attrSet("rel", "noopener noreferrer")
        return self.renderToken(tokens, index, options, {})

    def text(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
    ) -> str:
        # An entity such as &#x202e; becomes a character only here.
        return escapeHtml(visible(tokens[index].content))

    def heading_open(self, *_: Any) -> str:
        return "<p><strong>"

    def heading_close(self, *_: Any) -> str:
        return "</strong></p>\n"


class _Markdown(MarkdownIt):
    """Markdown without HTML, which is shown as it is written, and without images.

    A browser would load an image from another host.
    """

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False}, renderer_cls=_Renderer)
        self.disable("image")

    def validateLink(self, url: str) -> bool:
        """Whether an address becomes a link; otherwise it stays text."""
        return is_web_address(url)


_MARKDOWN = _Markdown()


@lru_cache(maxsize=200)
def instruction_html(instruction: str) -> Markup:
    """Render an instruction; nothing of it is interpreted as HTML, or loaded."""
    lines = instruction.expandtabs(_TAB_WIDTH).split("\n")
    return Markup(_MARKDOWN.render("\n".join(visible(line) for line in lines)))
