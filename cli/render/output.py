"""Prints results to standard output, and notices, progress and errors to standard error."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.text import Text

from recovery.text_format import visible
from runtime.output_stream import OutputStream

_MAX_WIDTH = 100


def stdout_console() -> Console:
    """The console for the result of a command."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    # Made at each use, because tests and shells replace the streams.
    file = cast(TextIO, OutputStream.of(stream))
    console = Console(file=file, highlight=False, markup=False, emoji=False)
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
    """Print a value as JSON in ASCII to standard output; models without their unknown values."""
    text = json.dumps(to_jsonable_python(value, exclude_none=True), indent=2)
    print(text, file=OutputStream.of(sys.stdout), flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what the command does while the block runs."""
    with progress(what):
        yield


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Show what the command does while the block runs, which may say how far it is."""
    console = stderr_console()
    if can_redraw(console):
        with console.status(Text(f"{what}…"), spinner="line") as status:
            yield lambda done: status.update(Text(f"{what}: {done}"))
    else:
        notice(f"{what}…")
        yield lambda _: None
