"""`status` and `watch`: the executions that Temporal knows."""

import asyncio
import time
from typing import Annotated, NoReturn

import typer
from temporalio.client import Client

from cli.commands.lists import show_executions
from cli.commands.validate import Json
from cli.input.completion import PlanId, complete_plan
from cli.live.follow import follow_execution, print_detached_notice
from cli.live.view import WatchedExecution, view
from cli.live.watch import unknown_execution
from cli.render.output import show, stdout_console, warn, write_json
from client.connection import connect_to_temporal
from client.errors import RefusedError
from client.executions import execution_state
from client.health import launch_problems
from client.overview import running_executions
from runtime.exit import CliError, ExitCode
from settings import get_settings


def status(
    plan_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN_ID]", help="Default: list what runs.", autocompletion=complete_plan
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    json: Json = False,
) -> None:
    """Show a plan's running or last execution, or list the running ones.

    \b
    Examples:
      drs-waves status                  what runs?
      drs-waves status crm              how does it stand?
      drs-waves status crm --watch      follow it; Ctrl-C only detaches
    \b
    Exit codes: 0 shown, 2 not known, 5 cannot reach Temporal, or no worker or
    no launcher proceeds; with --watch those of `run`.
    """
    if plan_id is None:
        if follow:
            raise CliError("--watch needs a PLAN_ID; `drs-waves status` lists what runs")
        raise typer.Exit(asyncio.run(_show_running(json=json)))
    _show_or_follow(plan_id, follow=follow, json=json)


async def _show_running(*, json: bool) -> ExitCode:
    rows = await running_executions()
    empty = "Nothing is running. `drs-waves history` lists what has ended."
    show_executions(rows, empty, by_plan=True, json=json)
    return await _warn_of_problems(await connect_to_temporal()) if rows else ExitCode.COMPLETED


async def _warn_of_problems(client: Client) -> ExitCode:
    """Print what keeps executions from launching."""
    problems = await launch_problems(client)
    for problem in problems:
        warn(problem)
    return ExitCode.UNREACHABLE if problems else ExitCode.COMPLETED


def watch_plan(plan_id: PlanId, json: Json = False) -> None:
    """Follow a plan's running execution, and steer it; the same as status --watch.

    On a terminal, single keys offer what can be done now; each asks before it
    does anything. q and Ctrl-C only detach.

    \b
    Exit codes: those of `run`; 2 not known, 5 cannot reach Temporal, 130 detached.
    """
    _show_or_follow(plan_id, follow=True, json=json)


def _show_or_follow(plan_id: str, *, follow: bool, json: bool) -> NoReturn:
    try:
        code = asyncio.run(_show_one(plan_id, follow=follow, json=json))
    except KeyboardInterrupt:
        if follow:
            print_detached_notice(plan_id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    raise typer.Exit(code)


async def _show_one(plan_id: str, *, follow: bool, json: bool) -> ExitCode:
    client = await connect_to_temporal()
    watched = WatchedExecution(plan_id, sandbox=get_settings().speed > 1)
    if follow:
        return await follow_execution(client, watched, json=json)
    try:
        watched.state = await execution_state(client, plan_id)
    except RefusedError as error:
        raise unknown_execution(plan_id, error) from error
    code = ExitCode.COMPLETED
    if watched.state.end_time is None:
        code = await _warn_of_problems(client)
    if json:
        write_json(watched.state)
        return code
    console = stdout_console()
    # A pipe has no screen width.
    width = min(console.width, 80) if console.is_terminal else 80
    height_of_all_waves = 2 * len(watched.state.waves) + 20
    drawn = view(watched, now=time.time(), width=width, height=height_of_all_waves)
    console.print(drawn, width=width)
    show("", f"Servers: drs-waves history {watched.state.execution_id}")
    return code
