"""Names and lists as they fit a terminal, measured in its cells."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from recovery.text_format import visible


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
