"""Renders templates; all values are escaped and printable."""

from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from recovery.templates import html_environment
from recovery.text_format import timestamp


def _time(epoch: float, *, short: bool = False) -> Markup:
    """A time, which the page shows in the reader's zone; its title has the server's.

    Args:
        epoch: epoch seconds.
        short: show the time of day only.
    """
    text = timestamp(epoch)
    kind = Markup(" data-short") if short else ""
    shown = text[11:] if short else text
    return Markup('<time data-time="{}"{} title="{}">{}</time>').format(epoch, kind, text, shown)


def is_web_address(text: str) -> bool:
    """Whether a text is an address that a page may link to: http or https, with a host."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and text.isprintable()


_ENVIRONMENT = html_environment("api.pages")
_ENVIRONMENT.filters["time"] = _time
_ENVIRONMENT.tests["web_address"] = is_web_address


def render(template: str, **values: Any) -> Markup:
    """Render a template.

    Args:
        template: the name of its file, without the extension.
        values: its variables.
    """
    return Markup(_ENVIRONMENT.get_template(f"{template}.jinja").render(values))


class MacroCache:
    """Renders macros; a part whose values have not changed is not rendered again."""

    def __init__(self) -> None:
        self._rendered: dict[str, tuple[tuple[Any, ...], Markup]] = {}

    def render(self, part: str, template: str, macro: str, *values: Any) -> Markup:
        """Render a part; faster than `render` for a thousand small ones.

        Args:
            part: its ID.
            template: the name of the file that has the macro.
            macro: the name of the macro.
            values: its arguments.
        """
        known = self._rendered.get(part)
        if known is None or known[0] != values:
            module = _ENVIRONMENT.get_template(f"{template}.jinja").module
            known = self._rendered[part] = values, Markup(getattr(module, macro)(*values))
        return known[1]
