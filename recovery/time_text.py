"""Durations and times as people write them.

A duration is `90s`, `30m`, `2h`, `1d`, or a number of seconds; a time is in ISO 8601 with its zone,
or a duration ago: `-2h`.
"""

import math
import re
from datetime import datetime

_UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", re.ASCII)
_MAX_SECONDS = 30 * 86_400.0


def read_duration(text: str) -> float:
    """The seconds of a duration.

    Raises:
        ValueError: it is not a duration above 0, or it is longer than 30 days.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
    if not match or not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(
            f"{text!r} is not a duration; write 90s, 30m, 2h, 1d, or a number of seconds"
        )
    if seconds > _MAX_SECONDS:
        raise ValueError(f"{text!r} is more than 30 days")
    return seconds


def read_time(text: str, *, now: float) -> float:
    """A time, and `now`, in epoch seconds.

    Raises:
        ValueError: it is not a time, or it has no zone.
    """
    given = text.strip()
    if given.startswith("-"):
        # A time that is written out and read back is the same.
        return round(now - read_duration(given[1:]), 3)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write 2026-11-26T14:00:00Z, 2026-11-26T15:00+01:00, or -2h"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; add Z for UTC, or an offset such as +01:00")
    return round(moment.timestamp(), 3)
