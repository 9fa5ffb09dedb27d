"""Checks of requests against botocore's model of DRS, and the rules that the model lacks.

botocore checks types, minima and required members before it sends a request, but neither patterns
nor maxima.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from moto.core.utils import get_service_model

from .exceptions import ValidationException
from .simulation import simulation

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
}
_MAX_TAGS = 50

# The shape that a value does not fit, the place of the value, and the reason.
Problem = tuple[Shape, str, str]


def check_request(operation: str, parameters: dict[str, Any]) -> None:
    """Reject the parameters of a request that do not fit botocore's model."""
    shape = get_service_model("drs").operation_model(operation).input_shape
    for _, place, reason in problems(parameters, shape):
        raise ValidationException(place, reason)


def problems(value: Any, shape: Shape, place: str = "") -> Iterator[Problem]:
    """Find where parsed JSON differs from its shape in botocore's model."""
    match shape:
        case StructureShape() if isinstance(value, dict):
            yield from _structure_problems(value, shape, place)
        case ListShape() if isinstance(value, list):
            yield from _length_problems(value, shape, place)
            for number, item in enumerate(value):
                yield from problems(item, shape.member, f"{place}[{number}]")
        case MapShape() if isinstance(value, dict):
            for key, item in value.items():
                yield from problems(key, shape.key, f"{place} key {key}")
                yield from problems(item, shape.value, f"{place}.{key}")
        case StructureShape() | ListShape() | MapShape():
            yield shape, place, f"{value!r} is not a {shape.type_name}"
        case _:
            yield from _scalar_problems(value, shape, place)


def _structure_problems(
    value: dict[str, Any], shape: StructureShape, place: str
) -> Iterator[Problem]:
    prefix = f"{place}." if place else ""
    for name in shape.required_members:
        if name not in value:
            yield shape, prefix + name, "is missing"
    for name, member in value.items():
        if name not in shape.members:
            yield shape, prefix + name, "is not in the model"
        else:
            yield from problems(member, shape.members[name], prefix + name)


def _scalar_problems(value: Any, shape: Shape, place: str) -> Iterator[Problem]:
    kinds = _SCALARS[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield shape, place, f"{value!r} is not a {shape.type_name}"
    elif isinstance(value, str):
        yield from _length_problems(value, shape, place)
        enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
        if enum and value not in enum:
            yield shape, place, f"{value!r} is not one of {', '.join(enum)}"
        if pattern and not re.fullmatch(pattern, value):
            yield shape, place, f"{value!r} does not match {pattern}"
    elif not isinstance(value, bool) and value < shape.metadata.get("min", value):
        yield shape, place, f"must be at least {shape.metadata['min']}"


def _length_problems(value: str | list[Any], shape: Shape, place: str) -> Iterator[Problem]:
    what = repr(value) if isinstance(value, str) else f"a list of {len(value)}"
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    if len(value) < least:
        yield shape, place, f"{what} is too short, the minimum is {least}"
    if len(value) > most:
        yield shape, place, f"{what} is too long, the maximum is {most}"


def check_distinct(field: str, values: Collection[str]) -> None:
    """Reject a list of servers or instances for one job that contains one of them twice."""
    if len(set(values)) != len(values):
        raise ValidationException(field, "must not contain a member twice")


def check_tags(tags: dict[str, str]) -> None:
    """Reject tags that AWS does not allow, although the model does."""
    if len(tags) > _MAX_TAGS:
        raise ValidationException("tags", f"must have at most {_MAX_TAGS} members")
    for key in tags:
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise ValidationException("tags", f"the key {key!r} is not valid")


def is_admitted(value: str, filter_values: Collection[str]) -> bool:
    """Return whether a filter admits a value. An empty filter admits every value."""
    return not filter_values or value in filter_values


def read_date(field: str, text: str | None, *, default: float) -> float:
    """Convert a date and time by DRS's clock, which fits the model, to epoch seconds."""
    if text is None:
        return default
    try:
        return datetime.fromisoformat(text).timestamp() - simulation.clock_offset
    except ValueError:
        raise ValidationException(field, f"{text!r} is not a date and time") from None
