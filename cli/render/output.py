"""Prints results to standard output, and notices, progress and errors to standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic_core import to_json
from rich.console import Console

from recovery.text_format import visible

_MAX_WIDTH = 100


def stdout_console() -> Console:
    """The console for the result of a command."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """The console for progress, warnings and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Made at each use, because tests and shells replace the streams.
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.width = min(console.width, _MAX_WIDTH)
    return console


def can_redraw(console: Console) -> bool:
    """Whether a view that changes in place can be shown."""
    return console.is_terminal and not console.is_dumb_terminal


def notice(*lines: str, style: str = "") -> None:
    """Print a notice to standard error; the terminal wraps its lines."""
    stderr_console().print(*lines, sep="\n", style=style or None, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    notice(f"warning: {text}", style="yellow")


def show(*lines: str) -> None:
    """Print lines of the result to standard output; an empty line if none is given."""
    stdout_console().print(*map(visible, lines), sep="\n", soft_wrap=True)


def write_json(value: object) -> None:
    """Print a value as JSON to standard output; models without their unknown values."""
    typer.echo(to_json(value, indent=2, exclude_none=True).decode())


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what the command does while the block runs."""
    console = stderr_console()
    if can_redraw(console):
        with console.status(f"{what}…", spinner="line"):
            yield
    else:
        notice(f"{what}…")
        yield
