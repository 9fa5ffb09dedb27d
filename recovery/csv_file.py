"""Values as cells of CSV, for scripts and spreadsheets."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

# A spreadsheet would run a cell that begins so; names come from DRS and from plan files.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows under a heading; what a row does not have is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def utc_time(epoch: float | None) -> str | None:
    """A time for scripts and spreadsheets, in UTC."""
    if epoch is None:
        return None
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def cell(value: object) -> str:
    """A value as the text of a cell, which a spreadsheet does not run as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
