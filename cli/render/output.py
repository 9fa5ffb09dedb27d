"""Prints results to standard output, and notices, progress and errors to standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from recovery.base_model import Model

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


def notice(text: str, *, style: str = "") -> None:
    """Print a notice to standard error; the terminal wraps its lines."""
    stderr_console().print(text, style=style or None, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    notice(f"warning: {text}", style="yellow")


def show(text: str = "") -> None:
    """Print a line of the result to standard output."""
    stdout_console().print(text, soft_wrap=True)


def write_json(value: object) -> None:
    """Print a value as JSON to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_model(model: Model) -> None:
    """Print a model as JSON, in PascalCase and without unknown values."""
    write_json(json_values(model))


def json_values(model: Model, *, exclude: Sequence[str] = ()) -> dict[str, object]:
    """Convert a model to JSON values, in PascalCase and without unknown values."""
    return model.model_dump(mode="json", exclude_none=True, exclude=set(exclude))


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
