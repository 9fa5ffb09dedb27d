"""The command `decisions`."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.commands.validate import Json
from cli.decisions.table import inbox_lines
from cli.render.output import can_redraw, show, stdout_console, step, warn, write_json
from client.decisions.inbox import Inbox
from client.errors import UnreachableError
from client.recoveries.chosen import recoveries
from client.recoveries.protocol import Recoveries
from recovery.text_format import timestamp
from runtime.exit import CliError, ExitCode

_WIDTH = 80
_PROMPT_SECONDS = 2.0
_POLL_SECONDS = 2.0


def decisions(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show them until Ctrl-C.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 if any decision is open.")
    ] = False,
    json: Json = False,
) -> None:
    """List what running executions wait for people to decide.

    Recoveries come first, then what must be decided soonest. Each has the
    commands that decide it. Of an execution that cannot be read, the last
    recorded decisions are listed.

    \b
    Examples:
      drs-waves decisions
      drs-waves decisions --exit-code || echo "somebody must decide"
    \b
    Exit codes: 0 shown, 1 with --exit-code: decisions are open, 5 the state of
    an execution cannot be read: others may be open; 130 --watch was ended.
    """
    if watch and json:
        raise CliError("--json shows the decisions once; leave out --watch")
    try:
        code = asyncio.run(_run(watch=watch, json=json))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if code is ExitCode.FAILED and not exit_code:
        code = ExitCode.COMPLETED
    raise typer.Exit(code)


async def _run(*, watch: bool, json: bool) -> ExitCode:
    async with recoveries() as known:
        return await (_watch(known) if watch else _show(known, json=json))


async def _show(known: Recoveries, *, json: bool) -> ExitCode:
    reading = asyncio.create_task(known.decisions())
    await asyncio.wait([reading], timeout=_PROMPT_SECONDS)
    with nullcontext() if reading.done() else step("Reading the running executions"):
        inbox = await reading
    for warning in inbox.warnings:
        warn(warning)
    if json:
        write_json(inbox)
    else:
        show(*inbox_lines(inbox, now=time.time(), width=_WIDTH))
    if not inbox.is_current:
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED if inbox.decisions else ExitCode.COMPLETED


async def _watch(known: Recoveries) -> ExitCode:
    """Show the decisions again and again; on a pipe, whenever they change."""
    console = stdout_console()
    redraws = can_redraw(console)
    shown: Inbox | None = None
    live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
    with live if redraws else nullcontext():
        while True:
            inbox = await _read_again(known, shown)
            now = time.time()
            lines = [f"{timestamp(now)}  Ctrl-C ends", *(f"warning: {w}" for w in inbox.warnings)]
            lines += ["", *inbox_lines(inbox, now=now, width=min(_WIDTH, console.width))]
            if redraws:
                live.update(Text("\n".join(_fitted(lines, console))), refresh=True)
            elif inbox != shown:
                show(*lines, "")
            shown = inbox
            await asyncio.sleep(_POLL_SECONDS)


async def _read_again(known: Recoveries, shown: Inbox | None) -> Inbox:
    """The decisions; those that were shown last, marked, while nothing answers."""
    try:
        return await known.decisions()
    except UnreachableError as error:
        if shown is None:
            raise
        return shown.model_copy(update={"warnings": [f"NOT CURRENT: {error}"]})


def _fitted(lines: Sequence[str], console: Console) -> list[str]:
    """The lines that fit the screen, and how many do not."""
    space = console.height - 1
    if len(lines) <= space:
        return [*lines]
    more = len(lines) - space + 1
    return [*lines[: space - 1], f"and {more} more lines: `drs-waves decisions` shows all"]
