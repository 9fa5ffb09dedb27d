"""Messages for invalid settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recovery.access.redaction import redacted
from settings import Settings

_ALLOWED = {
    "float_parsing": "it must be a number",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "bool_parsing": "it must be true or false",
    "finite_number": "it must be a number",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than_equal": "it must be at most {le:g}",
    "string_pattern_mismatch": "it must match {pattern}",
}


def setting_problems(error: ValidationError) -> list[str]:
    """The problems of the settings, one line each, with the variable's name."""
    return [_problem(dict(detail)) for detail in error.errors()]


def _problem(detail: Mapping[str, Any]) -> str:
    place = detail["loc"]
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not place:
        return message
    name = str(place[0])
    if len(place) > 1:
        # The value may be a secret.
        inside = ".".join(str(part) for part in place[1:])
        return f"DRS_WAVES_{name.upper()} is refused: {inside}: {message}"
    if allowed := _ALLOWED.get(detail["type"]):
        message = allowed.format(**detail.get("ctx", {}))
    field = Settings.model_fields[name]
    first = (field.description or "").split(". ")[0].split(".\n")[0].rstrip(".")
    may_be_secret = not field.repr or "Secret" in str(field.annotation)
    given = "" if may_be_secret else f"={redacted(str(detail['input']))}"
    return f"DRS_WAVES_{name.upper()}{given} is refused: {message} ({first})"
