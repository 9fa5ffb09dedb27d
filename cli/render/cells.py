"""Fits names and lists into a terminal's width, which is measured in cells."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from recovery.text_format import visible

# Rich measures the text with it, and prints nothing on it.
_CONSOLE = Console(width=80)


def fit(text: str, width: int) -> str:
    """Cut the text to at most `width` cells; an ellipsis marks a cut."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Cut or pad the text to exactly `width` cells."""
    return set_cell_size(fit(text, width), width)


def wrapped(text: str, width: int, *, indent: str = "", first: str | None = None) -> list[str]:
    """Wrap the text into lines of at most `width` cells, of which none is cut.

    Args:
        text: words; one that is longer than a line is broken.
        width: in cells.
        indent: begins each line.
        first: begins the first line instead; not wider than the indent.
    """
    lines = Text(visible(text)).wrap(_CONSOLE, max(2, width - cell_len(indent)), overflow="fold")
    begin = indent if first is None else first
    return [(indent if n else begin) + line.plain.rstrip() for n, line in enumerate(lines)]


def packed(items: Sequence[str], width: int, *, separator: str = " · ") -> list[str]:
    """Join short items into lines of at most `width` cells, of which no item is broken."""
    lines: list[str] = []
    for item in map(visible, items):
        if lines and cell_len(lines[-1] + separator + item) <= width:
            lines[-1] += separator + item
        else:
            lines += wrapped(item, width)
    return lines


def list_within(names: Sequence[str], width: int, *, start: str = "") -> str:
    """Join names with commas after `start`; names that do not fit `width` cells are counted."""
    best = ""
    for shown in range(1, len(names) + 1):
        listed = start + ", ".join(map(visible, names[:shown]))
        more = len(names) - shown
        line = f"{listed} and {more} more" if more else listed
        if not best or cell_len(line) <= width:
            best = line
        if cell_len(listed) > width:
            break
    return fit(best, width)
