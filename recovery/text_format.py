"""Times, durations and counts as text."""

from collections.abc import Sequence
from datetime import datetime


def running_duration(seconds: float) -> str:
    """An elapsed duration, as `0:09` or `1:02:03`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def hours_minutes(seconds: float) -> str:
    """A time within a plan, as `0:09` hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02}"


def rounded_duration(seconds: float) -> str:
    """A rounded duration: `45 s`, `9 min`, `1 h 12 min`."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if left else f"{hours} h"


def timestamp(epoch: float) -> str:
    """A time with its zone, as `2026-11-23 15:04:05+00:00`."""
    return datetime.fromtimestamp(epoch).astimezone().isoformat(sep=" ", timespec="seconds")


def count(number: int, thing: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(names: Sequence[str], *, shown: int = 10) -> str:
    """The first names, and how many more there are: `Web, App and 998 more`."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def visible(text: str) -> str:
    """One line without control characters, which could rewrite what the operator reads."""
    return "".join(each if each.isprintable() else " " for each in text)


def shortened(reason: str, *, max_bytes: int = 400) -> str:
    """A reason on one printable line, short enough for 500 of them in one item of the history.

    AWS's encoded authorization failures alone are about 1 KB each; DynamoDB takes 400 KB an item.
    Both that and Temporal's limits count bytes: a character of another language has up to 4.
    Temporal does not accept half a surrogate pair.
    """
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(reason.split()))
    encoded = line.encode()
    if len(encoded) <= max_bytes:
        return line
    return encoded[: max_bytes - len("…".encode())].decode(errors="ignore") + "…"
