"""Where output goes: results to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from recovery.base_model import Model

WIDEST = 100


def results() -> Console:
    """The console for what a command was asked for."""
    return _console(stderr=False)


def notices() -> Console:
    """The console for progress, warnings and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Made at each use, because tests and shells replace the streams.
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.width = min(console.width, WIDEST)
    return console


def can_redraw(console: Console) -> bool:
    """Whether a view that changes in place can be shown."""
    return console.is_terminal and not console.is_dumb_terminal


def tell(text: str, *, style: str = "") -> None:
    """Print a notice to standard error, as one unbroken line a line."""
    notices().print(text, style=style or None, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    tell(f"warning: {text}", style="yellow")


def show(text: str = "") -> None:
    """Print a line of a result to standard output."""
    results().print(text, soft_wrap=True)


def write_json(value: object) -> None:
    """Print plain values as JSON to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_model(model: Model) -> None:
    """Print a model as JSON, in PascalCase and without what is not known."""
    write_json(plain(model))


def plain(model: Model, *, leave_out: Sequence[str] = ()) -> dict[str, object]:
    """A model as plain values, in PascalCase and without what is not known."""
    return model.model_dump(mode="json", exclude_none=True, exclude=set(leave_out))


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show that something takes its time."""
    console = notices()
    if can_redraw(console):
        with console.status(f"{what}…", spinner="line"):
            yield
    else:
        tell(f"{what}…")
        yield
