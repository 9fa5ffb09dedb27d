"""`watchdog`: reports when workers, Temporal, DynamoDB or notifications fail."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated

import typer

from cli.commands.validate import Json
from cli.input.durations import parse_duration
from cli.render.output import notice, show, step, warn, write_json
from cli.render.tables import aligned
from client.connection import configured_place
from client.watchdog.watchdog import EVERY_SECONDS, configured_watchdog, confirmed_conditions
from recovery.notify.watchdog.conditions import Condition
from runtime.exit import CliError, ExitCode
from runtime.log_config import configure_logging
from settings import Settings, get_settings

_SHORTEST_SECONDS = 1.0


def watchdog(
    once: Annotated[
        bool, typer.Option("--once", help="Look, print what is wrong, send nothing, and exit.")
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            parser=parse_duration, metavar="DURATION", help="Between two looks. Default: 30s."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Report when workers, Temporal, tables or channels fail.

    It needs no worker and no Temporal: it sends through the channels
    (DRS_WAVES_NOTIFY_FILE) itself. It reports what two looks have, repeats it as
    decisions are, and says when it is over. Run it apart from the workers.

    \b
    Examples:
      drs-waves watchdog
      drs-waves watchdog --once          for cron, or a monitoring tool
    \b
    Exit codes: 0 stopped on request; with --once: nothing is wrong. 1 with --once:
    something is wrong. 2 a wrong setting.
    """
    settings = get_settings()
    if once:
        _print_conditions(settings, as_json=json)
        return
    if json:
        raise CliError("--json needs --once; DRS_WAVES_LOG_JSON=true makes the log JSON")
    every = EVERY_SECONDS if every is None else every
    if every < _SHORTEST_SECONDS:
        raise CliError(f"--every is at least {_SHORTEST_SECONDS:g} s")
    asyncio.run(_watch(settings, every))


def _print_conditions(settings: Settings, *, as_json: bool) -> None:
    with step("Looking"):
        found = asyncio.run(confirmed_conditions(settings))
    if as_json:
        write_json(found)
    elif not found:
        show(f"Nothing is wrong. {configured_place()}")
    else:
        show(*_table(found))
    if found:
        raise typer.Exit(ExitCode.FAILED)


def _table(found: list[Condition]) -> list[str]:
    return aligned([(each.kind, each.reason) for each in found], heading=("WHAT", "WHY"))


async def _watch(settings: Settings, every: float) -> None:
    """Watch until SIGTERM or Ctrl-C."""
    watching = configured_watchdog(settings, every=every)
    configure_logging(as_json=settings.log_json)
    if not watching.reported_channels:
        warn("no channel takes these reports, so they are only logged: set DRS_WAVES_NOTIFY_FILE")
    sent_to = ", ".join(watching.reported_channels) or "nobody"
    notice(f"Watching {configured_place()}; reports go to {sent_to}")
    task = asyncio.ensure_future(watching.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
