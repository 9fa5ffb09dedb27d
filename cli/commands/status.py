"""`status`, `watch` and `wait`: the executions that Temporal knows."""

import asyncio
import time
from typing import Annotated, NoReturn

import typer
from temporalio.client import Client

from cli.commands.lists import show_executions
from cli.commands.validate import Json
from cli.input.break_glass import BreakGlass, KeyPath, offline_signer
from cli.input.completion import PlanOrExecution, complete_plan_or_execution
from cli.input.durations import parse_duration
from cli.live.follow import closed_text, follow_execution, print_detached_notice, print_outcome
from cli.live.view import WatchedExecution, view
from cli.live.watch import LineDisplay, has_closed, unknown_execution, watch
from cli.render.output import (
    notice,
    show,
    stderr_console,
    stdout_console,
    warn,
    write_json,
)
from client.connection import connect_to_temporal, temporal_place
from client.errors import NoWorkerError, RefusedError
from client.executions import execution_state, last_known_state, plan_and_execution
from client.health import launch_problems
from client.overview import running_executions
from recovery.text_format import rounded_duration
from runtime.exit import CliError, ExitCode
from security.signers import RequestSigner
from settings import get_settings

_PIPE_WIDTH, _PIPE_HEIGHT = 80, 24


def status(
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="PLAN",
            help="The PlanId, or the execution ID. Default: list what is running.",
            autocompletion=complete_plan_or_execution,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    list_all: Annotated[
        bool, typer.Option("--all", help="List the completed waves too, however many.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one execution, or list the running ones.

    A PlanId means the plan's running execution, or else its last one.

    \b
    Examples:
      drs-waves status                  what is running?
      drs-waves status crm              the state of one plan
      drs-waves status crm --watch      follow it; Ctrl-C only detaches
      drs-waves status crm-0f3b52a1c7d9 the state of this execution
    \b
    Exit codes: 0 shown, 2 not known, 5 Temporal cannot be reached, no worker
    answers or a launcher does not proceed; with --watch those of `run`.
    """
    if plan is None:
        if follow:
            raise CliError("--watch needs a PlanId; `drs-waves status` lists what is running")
        raise typer.Exit(asyncio.run(_show_running(json=json)))
    _show_or_follow(plan, follow=follow, list_all=list_all, json=json)


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


def watch_plan(
    plan: PlanOrExecution,
    *,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Follow an execution to its end, and steer it.

    The same as status --watch. An execution ID follows that execution and no
    later one. On a terminal, single keys start the actions that are possible
    now; each asks for a confirmation. q and Ctrl-C only detach: the execution
    continues. With --break-glass and --key, what they send is signed.

    \b
    Exit codes: those of `run`; 2 not known, 5 cannot reach Temporal, 130 detached.
    """
    _show_or_follow(plan, follow=True, signer=offline_signer(break_glass, key), json=json)


def wait(
    plan: PlanOrExecution,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_duration,
            help="Stop waiting after this time, such as 90m. Default: no limit.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Wait in a script for the end of an execution.

    \b
    Examples:
      drs-waves wait crm-0f3b52a1c7d9 --timeout 2h
    \b
    Exit codes: those of `run`; 124 it has not ended within the timeout, 2 not
    known, 5 Temporal cannot be reached.
    """
    raise typer.Exit(asyncio.run(_wait(plan, timeout, json=json)))


async def _wait(given: str, seconds: float | None, *, json: bool) -> ExitCode:
    client = await connect_to_temporal()
    watched = await _watched(client, given)
    try:
        async with asyncio.timeout(seconds) as limit:
            await watch(client, [watched], LineDisplay(stderr_console()))
    except TimeoutError:
        if seconds is None or not limit.expired():
            raise
        name, state = watched.execution_id or given, watched.state
        status = f"; it is {state.status}" if state else ""
        notice(f"{name} has not ended within {rounded_duration(seconds)}{status} and continues.")
        if json and state is not None:
            write_json(state)
        return ExitCode.TIME_OVER
    if json and watched.state is not None:
        write_json(watched.state)
    return print_outcome(watched, to_stderr=json)


async def _watched(client: Client, given: str) -> WatchedExecution:
    plan_id, execution_id = await plan_and_execution(client, given)
    return WatchedExecution(
        plan_id,
        execution_id,
        sandbox=get_settings().speed > 1,
        place=temporal_place(client),
    )


def _show_or_follow(
    given: str,
    *,
    follow: bool,
    list_all: bool = False,
    signer: RequestSigner | None = None,
    json: bool,
) -> NoReturn:
    try:
        code = asyncio.run(_show_one(given, signer, follow=follow, list_all=list_all, json=json))
    except KeyboardInterrupt:
        if follow:
            print_detached_notice(given)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    raise typer.Exit(code)


async def _show_one(
    given: str, signer: RequestSigner | None, *, follow: bool, list_all: bool, json: bool
) -> ExitCode:
    client = await connect_to_temporal()
    watched = await _watched(client, given)
    if follow:
        return await follow_execution(client, watched, signer, json=json)
    code = ExitCode.COMPLETED
    try:
        watched.state = await execution_state(client, watched.plan_id, watched.execution_id)
    except RefusedError as error:
        raise await unknown_execution(client, watched, error) from error
    except NoWorkerError as error:
        recorded = await last_known_state(client, watched.plan_id, str(error), watched.execution_id)
        if recorded is None:
            raise
        watched.state = recorded
        if recorded.end_time is None:
            warn(str(error))
            code = ExitCode.UNREACHABLE
            watched.seen_time = recorded.recorded_time
    if watched.seen_time is None and watched.state.end_time is None:
        watched.execution_id = watched.state.execution_id
        if await has_closed(client, watched) and watched.closed_status is not None:
            warn(closed_text(watched.state.plan_name, watched.closed_status))
            code = ExitCode.FAILED
        else:
            code = await _warn_of_problems(client)
    if json:
        write_json(watched.state)
        return code
    console = stdout_console()
    # A pipe has no screen size.
    width, height = console.size if console.is_terminal else (_PIPE_WIDTH, _PIPE_HEIGHT)
    drawn = view(
        watched,
        now=time.time(),
        width=width,
        height=height,
        is_cut=False,
        lists_all=list_all,
    )
    console.print(drawn, width=width)
    show("", f"Servers: drs-waves history {watched.state.execution_id}")
    return code
