"""Durations as people type them: `90s`, `30m`, `2h`, `1d`; a plain number is seconds."""

import math
import re

from runtime.exit import CliError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", re.ASCII)
MOST_SECONDS = 30 * 86_400.0


def seconds_of(text: str, option: str) -> float:
    """Read a duration.

    Args:
        text: what was typed.
        option: where it was typed, for the message.

    Raises:
        CliError: it is no duration above 0, or longer than 30 days.
    """
    found = _FORM.fullmatch(text.strip().lower())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not found or not math.isfinite(seconds) or seconds <= 0:
        raise CliError(
            f"{option} {text!r} is not a duration; write 90s, 30m, 2h, 1d, or a number of seconds"
        )
    if seconds > MOST_SECONDS:
        raise CliError(f"{option} {text!r} is more than 30 days")
    return seconds
