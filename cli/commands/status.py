"""`status`, `watch` and `wait`: the executions that Temporal knows."""

import asyncio
import time
from typing import Annotated, NoReturn

import typer

from cli.commands.lists import show_executions
from cli.commands.portfolio.portfolio import follow_portfolio, show_portfolio
from cli.commands.validate import Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import PlanOrExecution, complete_plan_or_execution
from cli.input.durations import parse_duration
from cli.input.executions import portfolio_named
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
from client.errors import NoWorkerError, RefusedError
from client.recoveries.chosen import Choice, recoveries
from client.recoveries.protocol import Recoveries
from recovery.text_format import rounded_duration
from runtime.exit import CliError, ExitCode
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
      drs-waves status region-lost      the state of this portfolio
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
    async with recoveries() as known:
        rows = await known.running_executions()
        problems = await known.launch_problems() if rows else []
    empty = "Nothing is running. `drs-waves history` lists what has ended."
    show_executions(rows, empty, by_plan=True, json=json)
    return _warn_of(problems)


def _warn_of(problems: list[str], *, shown: list[str] | None = None) -> ExitCode:
    """Print what keeps executions from launching, but for what is shown already."""
    for problem in problems:
        if problem in (shown or ()):
            continue
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

    The same as status --watch; of a portfolio, as portfolio watch. An execution
    ID follows that execution and no
    later one. On a terminal, single keys start the actions that are possible
    now; each asks for a confirmation. q and Ctrl-C only detach: the execution
    continues. With --break-glass and --key, what they send is signed.

    \b
    Exit codes: those of `run`; 2 not known, 5 cannot reach Temporal, 130 detached.
    """
    _show_or_follow(plan, follow=True, known=signed_recoveries(break_glass, key), json=json)


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
    async with recoveries() as known:
        return await _wait_on(known, given, seconds, json=json)


async def _wait_on(known: Recoveries, given: str, seconds: float | None, *, json: bool) -> ExitCode:
    watched = await _watched(known, given)
    try:
        async with asyncio.timeout(seconds) as limit:
            await watch(known, [watched], LineDisplay(stderr_console()))
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


async def _watched(known: Recoveries, given: str) -> WatchedExecution:
    plan_id, execution_id = await known.plan_and_execution(given)
    return WatchedExecution(
        plan_id,
        execution_id,
        sandbox=get_settings().speed > 1,
        place=known.place,
    )


def _show_or_follow(
    given: str,
    *,
    follow: bool,
    list_all: bool = False,
    known: Choice = recoveries,
    json: bool,
) -> NoReturn:
    try:
        code = asyncio.run(_show_one(known, given, follow=follow, list_all=list_all, json=json))
    except KeyboardInterrupt:
        if follow:
            print_detached_notice(given)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    raise typer.Exit(code)


async def _show_one(
    choice: Choice, given: str, *, follow: bool, list_all: bool, json: bool
) -> ExitCode:
    async with choice() as known:
        watched = await _watched(known, given)
        try:
            if follow:
                return await follow_execution(known, watched, json=json)
            code = await _read(known, watched)
        except (CliError, RefusedError):
            portfolio = await portfolio_named(known, given)
            if portfolio is None:
                raise
            if follow:
                return await follow_portfolio(known, portfolio.execution_id, json=json)
            return show_portfolio(portfolio, json=json)
    state = watched.state
    assert state is not None
    if json:
        write_json(state)
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
    show("", f"Servers: drs-waves history {state.execution_id}")
    return code


async def _read(known: Recoveries, watched: WatchedExecution) -> ExitCode:
    """Read the state once, or the last known one, and print what is wrong."""
    code = ExitCode.COMPLETED
    try:
        watched.state = await known.state(watched.plan_id, watched.execution_id)
    except RefusedError as error:
        raise await unknown_execution(known, watched, error) from error
    except NoWorkerError as error:
        recorded = await known.last_known(watched.plan_id, str(error), watched.execution_id)
        if recorded is None:
            raise
        watched.state = recorded
        if recorded.end_time is None:
            warn(str(error))
            code = ExitCode.UNREACHABLE
            watched.seen_time = recorded.recorded_time
    if watched.seen_time is None and watched.state.end_time is None:
        watched.execution_id = watched.state.execution_id
        if await has_closed(known, watched) and watched.closed_status is not None:
            warn(closed_text(watched.state.plan_name, watched.closed_status))
            code = ExitCode.FAILED
        else:
            code = _warn_of(await known.launch_problems(), shown=watched.state.warnings)
    return code
