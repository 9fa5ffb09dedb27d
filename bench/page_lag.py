"""Measures open pages: `python -m bench.page_lag`.

The bench pauses and resumes executions and a portfolio. The lag is the time from the response of
the update until Chromium shows the new status; the target is 2 s. With many plans that run and are
registered, the first picture is the time from the request until Chromium shows all of them, by a
server that has just started and by one that has polled; the target is 1 s.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

import typer
from playwright.async_api import BrowserContext, Page
from rich.console import Console

from bench.browser import running_browser, window
from bench.display import figures_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from client.errors import UnreachableError
from client.executions import require_running
from client.portfolios.order import OrderedPlan, PortfolioOrder
from client.portfolios.temporal import TemporalPortfolios
from client.start import start_execution
from client.steering import send
from recovery.execution.state import ExecutionType
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.model import PortfolioMember
from settings import get_settings
from storage.plans import PlanTable

_LAG_SECONDS, _FIRST_SECONDS = 2.0, 1.0
_STARTED_TIMEOUT_SECONDS = 900.0
_PAGE_TIMEOUT_MS = 60_000
_REGISTERED_AT_ONCE = 8
_PORTFOLIO = "lost"
_PAUSE, _RESUME = (MessageName.PAUSE, "PAUSED"), (MessageName.RESUME, "IN_PROGRESS")
Change = Callable[[MessageName], Awaitable[object]]


@dataclass
class PageFigures:
    """Seconds of one page.

    Attributes:
        first: until the first whole picture, by a server that has just started.
        again: the same by a server that has polled.
    """

    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


def _plans(count: int) -> list[RecoveryPlan]:
    """Plans that wait for an approval, so that they cost little while they run."""
    return [
        new_plan(f"lag-{n:03}", new_wave("web", [f"s-{0xABC000 + n:017x}"], approval_required=True))
        for n in range(count)
    ]


class PageMeasurement:
    """Opens pages in one browser, and changes what they show."""

    def __init__(self, testbed: Testbed, context: BrowserContext, rounds: int) -> None:
        self._testbed = testbed
        self._context = context
        self._rounds = rounds

    async def run(
        self, path: str, shown: tuple[str, int], status: tuple[str, str], change: Change
    ) -> PageFigures:
        """Measure a page.

        Args:
            path: of the page.
            shown: selects what its picture is complete with, and how many of these there are.
            status: selects the element with the status that changes, and the word before it.
            change: pauses or resumes what the page shows.
        """
        figures = PageFigures()
        await self._restart_server()
        for found in (figures.first, figures.again):
            page = await self._context.new_page()
            page.set_default_timeout(_PAGE_TIMEOUT_MS)
            found.append(await self._opened(page, path, f"{shown[0]} >> nth={shown[1] - 1}"))
            if found is figures.first:
                await page.close()
        for number in range(self._rounds):
            name, text = (_PAUSE, _RESUME)[number % 2]
            await change(name)
            started = time.monotonic()
            await page.locator(status[0], has_text=f"{status[1]}{text}").first.wait_for()
            figures.lags.append(time.monotonic() - started)
        await page.close()
        return figures

    async def _opened(self, page: Page, path: str, last: str) -> float:
        started = time.monotonic()
        await page.goto(f"{self._testbed.stack.pages_url}{path}")
        await page.locator(last).wait_for()
        return time.monotonic() - started

    async def _restart_server(self) -> None:
        stack = self._testbed.stack
        if "server" in stack.parts:
            await asyncio.to_thread(stack.stop_part, "server")
        await asyncio.to_thread(stack.start_server)


async def _register(plans: list[RecoveryPlan]) -> None:
    table = PlanTable(get_settings())
    await table.create()
    slots = asyncio.Semaphore(_REGISTERED_AT_ONCE)

    async def register(plan: RecoveryPlan) -> None:
        async with slots:
            await table.register(plan, author="bench")

    await asyncio.gather(*map(register, plans))


async def _start_portfolio(portfolios: TemporalPortfolios, plans: list[RecoveryPlan]) -> str:
    """Start a portfolio and await that all its plans wait for their approval. Returns its ID."""
    members = [OrderedPlan(PortfolioMember(plan)) for plan in plans]
    order = PortfolioOrder(
        _PORTFOLIO, _PORTFOLIO, ExecutionType.DRILL, members, confirmation=_PORTFOLIO
    )
    started = await portfolios.start(order)
    with progress_bars() as progress:
        task = progress.add_task("plans that wait", total=len(plans))
        async with asyncio.timeout(_STARTED_TIMEOUT_SECONDS):
            done = 0
            while done < len(plans):
                await asyncio.sleep(2.0)
                try:
                    state = await portfolios.state(_PORTFOLIO)
                except UnreachableError:
                    # While so much starts, without a free core.
                    continue
                done = sum(bool(each.report and each.report.decisions) for each in state.plans)
                progress.update(task, completed=done)
    return started.execution_id


async def _measure(rounds: int, count: int) -> dict[str, PageFigures]:
    plans = _plans(count)
    found: dict[str, PageFigures] = {}
    async with running_testbed(speed=60.0, workers=1) as testbed:
        await testbed.aws.apply(
            SourceServers=[
                {"SourceServerId": p.waves[0].server_ids[0], "Region": REGION, "AccountId": ACCOUNT}
                for p in plans
            ]
        )
        # The overview shows the states of the newest.
        one = plans[-1].plan_id
        client = testbed.client

        async def connect() -> object:
            return client

        async def change_plan(name: MessageName) -> None:
            await send(client, running, OperatorMessage(name), actor="bench")

        async def change_portfolio(name: MessageName) -> None:
            message = PortfolioMessageName(name.value)
            await portfolios.send(state, message, PortfolioMessage())

        portfolios = TemporalPortfolios(connect, actor="bench")  # type: ignore[arg-type]
        async with running_browser() as browser, window(browser) as context:
            measurement = PageMeasurement(testbed, context, rounds)
            if count == 1:
                execution_id = await start_execution(client, plans[-1])
            else:
                await _register(plans)
                await _start_portfolio(portfolios, plans)
                state = await portfolios.state(_PORTFOLIO)
                execution_id = state.plans[-1].current_execution_id or ""
            running = await require_running(client, one)
            path = f"/executions/{execution_id}"
            waiting, head = ("text=Waiting for approval", 1), ("#head .plan", "")
            found["execution"] = await measurement.run(path, waiting, head, change_plan)
            if count > 1:
                path, status = f"/portfolios/{_PORTFOLIO}", ("#status-line", "is ")
                rows = "#plans tbody tr", count
                found["portfolio"] = await measurement.run(path, rows, status, change_portfolio)
                row = f'#running [data-key="{execution_id}"]', ""
                plans_shown = "#plans li", count
                found["overview"] = await measurement.run("/", plans_shown, row, change_plan)
    return found


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of changes a page.")] = 10,
    plans: Annotated[int, typer.Option(min=1, max=500, help="Number of plans that run.")] = 300,
) -> None:
    """Measure open pages. The exit code is 1 if a target is missed. One plan: its page only."""
    found = run_bench(_measure(rounds, plans))
    table = figures_table(
        f"Pages with {plans} plans that run, seconds",
        *("", "first picture", "of a polling server", "lag, median", "lag, slowest"),
    )
    missed = False
    for name, each in found.items():
        values = (max(each.first), max(each.again), statistics.median(each.lags), max(each.lags))
        table.add_row(name, *(f"{value:.2f}" for value in values))
        missed |= max(values[:2]) > _FIRST_SECONDS or values[3] > _LAG_SECONDS
    Console().print(table)
    if missed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
