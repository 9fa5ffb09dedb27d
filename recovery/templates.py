"""Templates of HTML; all values are escaped and printable."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recovery.text_format import count, rounded_duration, running_duration, visible


def html_environment(package: str) -> Environment:
    """The templates in the folder `templates` of a package."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"about": rounded_duration, "clock": running_duration, "count": count}
    return environment


def _finalize(value: Any) -> Any:
    """Convert a value: None to "", and make control and direction characters visible."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return visible(value)
    return value
