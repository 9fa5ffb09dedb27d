"""Compares the JSON of a response with its shape in botocore's model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

# Values of real responses that the model does not allow: (shape, value pattern).
KNOWN_DEVIATIONS = (
    # The pattern of the model requires 17 digits, its maximum length allows 15.
    ("EbsVolumeID", re.compile(r"vol-[0-9a-f]{17}")),
    ("JobLogEvent", re.compile(r"LAUNCH_END")),
    (
        "ISO8601DatetimeString",
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"),
    ),
)
_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
}


def deviations(value: Any, shape: Shape | None, place: str = "answer") -> list[str]:
    """List where parsed JSON differs from its shape; nothing means that it fits."""
    if shape is None:
        return [] if value in (None, {}) else [f"{place}: nothing is expected"]
    if value is None and isinstance(shape, StructureShape) and not shape.members:
        return []
    return list(_walk(value, shape, place))


def _walk(value: Any, shape: Shape, place: str) -> Iterator[str]:
    match shape:
        case StructureShape():
            yield from _structure(value, shape, place)
        case ListShape():
            if not isinstance(value, list):
                yield f"{place}: not a list"
                return
            yield from _length(len(value), shape, place)
            for number, item in enumerate(value):
                yield from _walk(item, shape.member, f"{place}[{number}]")
        case MapShape():
            if not isinstance(value, dict):
                yield f"{place}: not a map"
                return
            for key, item in value.items():
                yield from _walk(key, shape.key, f"{place} key {key}")
                yield from _walk(item, shape.value, f"{place}.{key}")
        case _:
            yield from _scalar(value, shape, place)


def _structure(value: Any, shape: StructureShape, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: not a structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{place}.{name}: missing"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{place}.{name}: not in the model"
        else:
            yield from _walk(member, shape.members[name], f"{place}.{name}")


def _scalar(value: Any, shape: Shape, place: str) -> Iterator[str]:
    kinds = _SCALARS[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{place}: {value!r} is not {shape.type_name}"
        return
    if isinstance(value, str):
        if any(name == shape.name and odd.fullmatch(value) for name, odd in KNOWN_DEVIATIONS):
            return
        yield from _length(len(value), shape, place)
        enum = shape.metadata.get("enum")
        if enum and value not in enum:
            yield f"{place}: {value!r} is not one of {enum}"
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(f"^(?:{pattern})$", value):
            yield f"{place}: {value!r} does not match {pattern}"


def _length(length: int, shape: Shape, place: str) -> Iterator[str]:
    if length < shape.metadata.get("min", 0):
        yield f"{place}: shorter than the model admits"
    if length > shape.metadata.get("max", length):
        yield f"{place}: longer than the model admits"
