"""Parses durations and times.

A duration is `90s`, `30m`, `2h`, `1d`, or a number of seconds; a time is in ISO 8601 with its zone,
or a duration ago: `-2h`.
"""

import math
import re
import time
from datetime import datetime

import typer

from recovery.plan.point_in_time import time_problem

_UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", re.ASCII)
_MAX_SECONDS = 30 * 86_400.0


def parse_duration(text: str) -> float:
    """Parse the value of an option that is a duration; returns seconds.

    Raises:
        typer.BadParameter: it is not a duration above 0, or it is longer than 30 days.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
    if not match or not math.isfinite(seconds) or seconds <= 0:
        raise typer.BadParameter(
            f"{text!r} is not a duration; write 90s, 30m, 2h, 1d, or a number of seconds"
        )
    if seconds > _MAX_SECONDS:
        raise typer.BadParameter(f"{text!r} is more than 30 days")
    return seconds


def parse_time(text: str) -> float:
    """Parse the value of an option that is a time in the past; returns epoch seconds.

    Raises:
        typer.BadParameter: it is no such time, or it has no zone.
    """
    given, now = text.strip(), time.time()
    if given.startswith("-"):
        return now - parse_duration(given[1:])
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time; write 2026-11-26T14:00:00Z, 2026-11-26T15:00+01:00, or -2h"
        ) from None
    if moment.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} has no zone; add Z for UTC, or an offset such as +01:00"
        )
    if (problem := time_problem(moment.timestamp(), now=now)) is not None:
        raise typer.BadParameter(problem)
    return moment.timestamp()
