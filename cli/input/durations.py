"""Parses durations: `90s`, `30m`, `2h`, `1d`; a number without a unit is seconds."""

import math
import re

import typer

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
