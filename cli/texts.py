"""Times, durations and names as people read them, measured in terminal cells."""

import textwrap
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size


def clock(seconds: float) -> str:
    """A duration that runs, as `0:09` or `1:02:03`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def hours_minutes(seconds: float) -> str:
    """A time within a plan, as `0:09` hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02}"


def about(seconds: float) -> str:
    """A duration in words: `45 s`, `9 min`, `1 h 12 min`."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if left else f"{hours} h"


def moment(epoch: float) -> str:
    """A point in time with its zone, as `2026-11-23 15:04:05+00:00`."""
    return datetime.fromtimestamp(epoch).astimezone().isoformat(sep=" ", timespec="seconds")


def count(number: int, thing: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def visible(text: str) -> str:
    """One line without control characters, which could rewrite what the operator reads."""
    return "".join(each if each.isprintable() else " " for each in text)


def fit(text: str, width: int) -> str:
    """The text cut to so many cells, with an ellipsis where something is missing."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """The text cut or filled to exactly so many cells."""
    return set_cell_size(fit(text, width), width)


def wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    """The text in lines of at most so many cells; a word that is longer stays whole."""
    lines = textwrap.wrap(visible(text), width, break_long_words=False, break_on_hyphens=False)
    return [indent + line for line in lines]


def list_within(names: Sequence[str], width: int, *, start: str = "") -> str:
    """Names joined by commas; those for which there is no room are counted.

    Args:
        names: what to list.
        width: cells there are.
        start: what stands before the first name.
    """
    for shown in range(len(names), 0, -1):
        more = len(names) - shown
        told = start + ", ".join(visible(name) for name in names[:shown])
        told += f" and {more} more" if more else ""
        if cell_len(told) <= width or shown == 1:
            return fit(told, width)
    return ""
