"""Times, durations and counts as text."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

# As in ^s-[0-9a-f]{17}$ and ^[A-Za-z0-9._-]{1,64}$: a fixed beginning and a number of characters.
_LENGTH = re.compile(r"\^([a-z0-9-]*)(\[[^\]]+\])\{(\d+,)?(\d+)\}\$", re.DOTALL)


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


def utc_timestamp(epoch: float) -> str:
    """A time as `2026-11-23 15:04:05 UTC`, the same on each machine."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock_time(epoch: float, zone: tzinfo | None = None) -> str:
    """A time of the next days, as `Mon 15:04 UTC`, in a zone; default: in that of the process."""
    return datetime.fromtimestamp(epoch).astimezone(zone).strftime("%a %H:%M %Z")


def count(number: int, thing: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def length_note(pattern: str, text: str) -> str:
    """How long a text is and should be, or which characters it may not have; "" if neither.

    Args:
        pattern: The pattern of an ID, such as `^s-[0-9a-f]{17}$`.
        text: A text that does not match it.
    """
    found = _LENGTH.fullmatch(pattern)
    if found is None or not text.startswith(found[1]):
        return ""
    body, most = text.removeprefix(found[1]), int(found[4])
    least = int(found[3].removesuffix(",")) if found[3] else most
    if not least <= len(body) <= most:
        after = f' after "{found[1]}"' if found[1] else ""
        wanted = f"it needs {most}" if least == most else f"at most {most} are allowed"
        return f"it has {count(len(body), 'character')}{after}, {wanted}"
    wrong = dict.fromkeys(each for each in body if not re.fullmatch(found[2], each))
    shown = ", ".join(f'"{visible(each)}"' for each in list(wrong)[:3])
    return f"it has {shown}" if wrong else ""


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
