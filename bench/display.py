"""The tables and progress bars of the benches."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


def progress_bars() -> Progress:
    """Progress bars that disappear at the end."""
    columns = (TextColumn("{task.description:26}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)


def figures_table(title: str, *columns: str, caption: str | None = None) -> Table:
    """A table of figures. The first column names them, and may have no header."""
    table = Table(title=title, caption=caption)
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left")
    return table


def counts_table(title: str, item: str, counts: Mapping[str, int]) -> Table:
    """A table of counts by item."""
    table = figures_table(title, item, "count")
    for name, count in counts.items():
        table.add_row(name, f"{count}")
    return table
