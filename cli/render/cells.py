"""Fits names and lists into a terminal's width, which is measured in cells."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from recovery.text_format import visible


def fit(text: str, width: int) -> str:
    """Cut the text to at most `width` cells; an ellipsis marks a cut."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Cut or pad the text to exactly `width` cells."""
    return set_cell_size(fit(text, width), width)


def wrapped(text: str, width: int, *, indent: str) -> list[str]:
    """Wrap the text into indented lines of at most `width` cells; a longer word is not broken."""
    lines = textwrap.wrap(
        visible(text), width - len(indent), break_long_words=False, break_on_hyphens=False
    )
    return [indent + line for line in lines]


def list_within(names: Sequence[str], width: int, *, start: str = "") -> str:
    """Join names with commas after `start`; names that do not fit `width` cells are counted."""
    for shown in range(len(names), 0, -1):
        more = len(names) - shown
        line = start + ", ".join(visible(name) for name in names[:shown])
        line += f" and {more} more" if more else ""
        if cell_len(line) <= width or shown == 1:
            return fit(line, width)
    return ""
