"""Compares the JSON of a response with its shape in botocore's model."""

from __future__ import annotations

import re
from typing import Any

from botocore.model import Shape, StructureShape

from sandbox.drs.validation import problems

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


def deviations(value: Any, shape: Shape | None) -> list[str]:
    """List where parsed JSON differs from its shape; nothing means that it fits."""
    if shape is None:
        return [] if value in (None, {}) else ["nothing is expected"]
    if value is None and isinstance(shape, StructureShape) and not shape.members:
        return []
    return [
        f"{place}: {reason}"
        for odd, place, reason in problems(value, shape)
        if not any(name == odd.name and known.search(reason) for name, known in KNOWN_DEVIATIONS)
    ]
