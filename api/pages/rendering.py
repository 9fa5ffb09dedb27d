"""Renders templates; all values are escaped and printable."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recovery.text_format import count, rounded_duration, running_duration, timestamp, visible


def _finalize(value: Any) -> Any:
    """Convert a value: None to "", and make control and direction characters visible."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return visible(value)
    return value


_ENVIRONMENT = Environment(
    loader=PackageLoader("api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "about": rounded_duration,
    "clock": running_duration,
    "count": count,
    "moment": timestamp,
}


def render(template: str, **values: Any) -> Markup:
    """Render a template.

    Args:
        template: the name of its file, without the extension.
        values: its variables.
    """
    return Markup(_ENVIRONMENT.get_template(f"{template}.jinja").render(values))


def macro(template: str, name: str) -> Any:
    """A macro of a template; faster than `render` for a thousand small parts."""
    return getattr(_ENVIRONMENT.get_template(f"{template}.jinja").module, name)
