"""Renders templates. Everything that is filled in is escaped and visible."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recovery.text_format import about, clock, count, moment, visible


def _finalize(value: Any) -> Any:
    """What is filled in: nothing for None, and no character that could rewrite what is read."""
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
_ENVIRONMENT.filters |= {"about": about, "clock": clock, "count": count, "moment": moment}


def render(template: str, **values: Any) -> Markup:
    """Render a template.

    Args:
        template: its name, without the ending.
        values: what it is filled with.
    """
    return Markup(_ENVIRONMENT.get_template(f"{template}.jinja").render(values))


def macro(template: str, name: str) -> Any:
    """A macro of a template, for what is rendered a thousand times."""
    return getattr(_ENVIRONMENT.get_template(f"{template}.jinja").module, name)
