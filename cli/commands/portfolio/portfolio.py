"""`portfolio`: shows and steers portfolios."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text
from temporalio.service import RPCError

from cli.commands.steering.steer import Reason
from cli.commands.validate import Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.confirmation import require_confirmation
from cli.render.output import can_redraw, notice, show, stderr_console, stdout_console, write_json
from cli.render.portfolio import portfolio_lines
from cli.render.tables import aligned
from client.errors import UnreachableError
from client.portfolios.order import Portfolios
from client.recoveries.chosen import Choice, recoveries
from client.recoveries.protocol import Recoveries
from client.steering import WITHOUT_WORKER
from recovery.base_model import Model
from recovery.operator.confirmation import portfolio_cancel_refusal
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.state import MemberStatus, PortfolioState
from recovery.text_format import timestamp, visible
from runtime.exit import CliError, ExitCode, exit_code_of

_POLL_SECONDS = 1.0
_OUTAGE_SECONDS = 300.0
_LISTED = 50

portfolio = typer.Typer(help="Show and steer portfolios: many plans that run together.")
PortfolioName = Annotated[
    str, typer.Argument(metavar="PORTFOLIO", help="The portfolio's ID, or an execution's ID.")
]
PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="The PlanId.")]


class SentPortfolioMessage(Model):
    """A message that was sent to a portfolio; `effect` is None until a worker runs."""

    portfolio_id: str
    execution_id: str
    name: str
    plan_id: str | None = None
    effect: str | None = None


@portfolio.command("watch")
def watch_portfolio(given: PortfolioName, json: Json = False) -> None:
    """Follow a portfolio to its end, what needs a person first.

    Ctrl-C only detaches. `drs-waves watch PLAN` follows and steers one plan.

    \b
    Exit codes: those of `run-all`.
    """

    async def follow() -> ExitCode:
        async with recoveries() as known:
            return await follow_portfolio(known, given, json=json)

    try:
        code = asyncio.run(follow())
    except KeyboardInterrupt:
        notice("", f"Detached; it continues. Watch it: drs-waves portfolio watch {given}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    raise typer.Exit(code)


@portfolio.command("status")
def portfolio_status(given: PortfolioName, json: Json = False) -> None:
    """Show the state of a portfolio, running or ended.

    \b
    Exit codes: 0 shown, 1 its workflow was closed before its end, 2 not known,
    5 Temporal cannot be reached, or no worker answers.
    """
    raise typer.Exit(show_portfolio(asyncio.run(_read(recoveries, given)), json=json))


@portfolio.command("list")
def list_portfolios(json: Json = False) -> None:
    """List the latest executions of portfolios."""

    async def read() -> list[PortfolioState]:
        async with recoveries() as known:
            return await known.portfolios.executions(_LISTED)

    found = asyncio.run(read())
    if json:
        write_json(found)
        return
    rows = [
        (each.execution_id, each.execution_type, each.status, timestamp(each.start_time),
         each.counts_text)
        for each in found
    ]  # fmt: skip
    heading = ("EXECUTION", "TYPE", "STATUS", "STARTED", "PLANS")
    show(*(aligned(rows, heading=heading) if rows else ["No portfolio was run."]))


def _add_message(name: PortfolioMessageName, text: str) -> None:
    """Add the command that sends a message; `text` is its help."""

    def of_portfolio(
        given: PortfolioName,
        *,
        reason: Reason = "",
        break_glass: BreakGlass = None,
        key: KeyPath = None,
        json: Json = False,
    ) -> None:
        choice = signed_recoveries(break_glass, key)
        _send(choice, given, name, PortfolioMessage(reason=reason), json=json)

    def of_plan(
        given: PortfolioName,
        plan: PlanName,
        *,
        reason: Reason = "",
        break_glass: BreakGlass = None,
        key: KeyPath = None,
        json: Json = False,
    ) -> None:
        choice = signed_recoveries(break_glass, key)
        _send(choice, given, name, PortfolioMessage(plan=plan, reason=reason), json=json)

    command = of_plan if name.is_about_a_plan else of_portfolio
    portfolio.command(name.removesuffix("_plan"), help=text)(command)


for _name, _text in {
    PortfolioMessageName.PAUSE: "Start no further plan; executions that run go on.",
    PortfolioMessageName.RESUME: "Start plans again after a pause.",
    PortfolioMessageName.SKIP_PLAN: "Do not start a plan; what depends on it starts without it.",
    PortfolioMessageName.START_PLAN: (
        "Start a plan now, whatever it depends on.\n\nA plan that has ended is run again with "
        "`drs-waves run --from EXECUTION`; the portfolio follows that."
    ),
    PortfolioMessageName.ACCEPT_PLAN: "Let dependents start although a plan is not up.",
}.items():
    _add_message(_name, _text)


@portfolio.command()
def cancel(
    given: PortfolioName,
    reason: Reason = "",
    confirm_id: Annotated[
        str | None,
        typer.Option("--confirm", metavar="ID", help="Confirm without a prompt: the ID."),
    ] = None,
    json: Json = False,
) -> None:
    """Start nothing more, and cancel the executions that it started.

    Jobs that run in DRS go on and are observed; nothing is terminated.
    """
    state = asyncio.run(_read(recoveries, given))
    own = [p for p in state.plans if p.has_started and not p.status.is_settled]
    mine = [p.plan_name for p in own if not p.is_attached]
    others = [p.plan_name for p in own if p.is_attached]
    notice(f"Cancels the {state.execution_type} of: {', '.join(mine) or 'no running plan'}")
    if others:
        notice(f"Leaves, because it did not start them: {', '.join(others)}")
    notice("Jobs that run in DRS cannot be stopped and are still observed.")
    rule = partial(portfolio_cancel_refusal, state.portfolio_id)
    typed = require_confirmation(
        rule, state.portfolio_id, confirm_id, what="cancel them", name="the portfolio's ID"
    )

    async def send() -> str | None:
        async with recoveries() as known:
            return await known.portfolios.cancel(state, reason=reason, confirmation=typed)

    _print_effect(state, "cancel", None, asyncio.run(send()), json=json)


def _send(
    choice: Choice,
    given: str,
    name: PortfolioMessageName,
    message: PortfolioMessage,
    *,
    json: bool,
) -> None:
    async def send() -> tuple[PortfolioState, str | None]:
        async with choice() as known:
            state = await known.portfolios.state(given)
            return state, await known.portfolios.send(state, name, message)

    state, effect = asyncio.run(send())
    _print_effect(state, name.value, message.plan, effect, json=json)


def _print_effect(
    state: PortfolioState, name: str, plan: str | None, effect: str | None, *, json: bool
) -> None:
    sent = SentPortfolioMessage(
        portfolio_id=state.portfolio_id,
        execution_id=state.execution_id,
        name=name,
        plan_id=plan,
        effect=effect,
    )
    if json:
        write_json(sent)
    else:
        show(f"{state.execution_id}: {effect or WITHOUT_WORKER}")


async def _read(choice: Choice, given: str) -> PortfolioState:
    async with choice() as known:
        return await known.portfolios.state(given)


def show_portfolio(state: PortfolioState, *, json: bool) -> ExitCode:
    """Print the state of a portfolio."""
    if json:
        write_json(state)
    else:
        show(*portfolio_lines(state, now=time.time(), width=stdout_console().width))
    if state.is_closed:
        return ExitCode.FAILED
    return ExitCode.UNREACHABLE if state.outdated_reason else ExitCode.COMPLETED


async def follow_portfolio(known: Recoveries, given: str, *, json: bool) -> ExitCode:
    """Show a portfolio until it ends, then its outcome or, with `json`, its state."""
    console = stderr_console() if json else stdout_console()
    if can_redraw(console):
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

            def draw(state: PortfolioState) -> None:
                width, height = console.size
                lines = portfolio_lines(state, now=time.time(), width=width, height=height - 1)
                live.update(Text("\n".join(map(visible, lines))), refresh=True)

            state = await _followed(known.portfolios, given, draw)
    else:
        state = await _followed(known.portfolios, given, _ChangeLines())
    if json:
        write_json(state)
    write = notice if json else show
    write("", *portfolio_lines(state, now=time.time(), width=console.width))
    if state.is_closed:
        return ExitCode.FAILED
    open_ = any(p.status in (MemberStatus.FAILED, MemberStatus.CANCELLED) for p in state.plans)
    if open_ or any(p.status is MemberStatus.SKIPPED for p in state.plans):
        write("", f"Run what did not complete: {state.continue_command}")
    return exit_code_of(state.status)


class _ChangeLines:
    """Prints a line for each change of a plan."""

    def __init__(self) -> None:
        self._printed: dict[str, str] = {}

    def __call__(self, state: PortfolioState) -> None:
        for each in state.plans:
            text = f"{each.plan_name} {each.status}: {each.status_reason}".rstrip(": ")
            if self._printed.get(each.plan_id) != text:
                self._printed[each.plan_id] = text
                notice(f"{timestamp(time.time())} {visible(text)}")


async def _followed(
    portfolios: Portfolios, given: str, draw: Callable[[PortfolioState], None]
) -> PortfolioState:
    last_answer = time.monotonic()
    while True:
        try:
            state = await portfolios.state(given)
            last_answer = time.monotonic()
        except (UnreachableError, RPCError) as error:
            if time.monotonic() - last_answer > _OUTAGE_SECONDS:
                raise CliError(str(error), ExitCode.UNREACHABLE) from error
            notice(f"{error}; trying again")
        else:
            given = state.execution_id
            draw(state)
            if state.is_over or state.is_closed:
                return state
        await asyncio.sleep(_POLL_SECONDS)
