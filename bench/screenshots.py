"""Takes screenshots of the pages for the documentation: `make screenshots`."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from bench.browser import running_browser, window
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed, scratch_folder
from client.executions import execution_state
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, Server, Wave
from settings import get_settings
from storage.plans import PlanTable

_SPEED = 60.0
_WAIT_TIMEOUT_SECONDS = 120.0
_MAX_BYTES = 300_000
_THEMES = (("light", False), ("dark", True))


class ScenarioBuilder:
    """Creates waves, and the source servers of the scenario with their launch durations."""

    def __init__(self) -> None:
        self.source_servers: list[dict[str, Any]] = []

    def wave(self, name: str, *after: str, seconds: list[float], **fields: Any) -> Wave:
        """A wave with one server for each launch duration (seconds, before the speed factor)."""
        servers = []
        for each in seconds:
            server_id = f"s-{0x5C0000 + len(self.source_servers):017x}"
            self.source_servers.append(
                {
                    "SourceServerId": server_id,
                    "Region": REGION,
                    "AccountId": ACCOUNT,
                    "LaunchSeconds": each,
                }
            )
            servers.append(Server(source_server_id=server_id))
        return Wave(
            wave_id=_id_of(name),
            wave_name=name,
            servers=servers,
            dependencies=[Dependency(depends_on_wave_id=_id_of(each)) for each in after],
            region=REGION,
            **fields,
        )


def _id_of(name: str) -> str:
    return name.lower().replace(" ", "-")


def _webshop_plan(builder: ScenarioBuilder) -> RecoveryPlan:
    """A diamond and a separate branch. One server fails."""
    plan = RecoveryPlan(
        plan_id="webshop",
        plan_name="Webshop",
        region=REGION,
        on_failure=OnFailure.ASK,
        waves=[
            builder.wave("Directory", seconds=[240, 260]),
            builder.wave("Database", "Directory", seconds=[520, 560]),
            builder.wave("Message broker", "Directory", seconds=[430]),
            builder.wave("App1", "Database", "Message broker", seconds=[480, 500, 510]),
            builder.wave("App2", "Database", seconds=[900, 1500]),
            builder.wave("Web", "App1", "App2", seconds=[400, 420], approval_required=True),
            builder.wave("Reporting and nightly batch jobs", "Database", seconds=[600]),
        ],
    )
    failing = plan.wave("reporting-and-nightly-batch-jobs").server_ids[0]
    for server in builder.source_servers:
        if server["SourceServerId"] == failing:
            server["Outcome"] = "failed-late"
            server["RawError"] = "InsufficientInstanceCapacity: no r6i.4xlarge in us-west-2a"
    return plan


def _two_wave_plan(builder: ScenarioBuilder, name: str, seconds: float) -> RecoveryPlan:
    return RecoveryPlan(
        plan_id=_id_of(name),
        plan_name=name,
        region=REGION,
        waves=[
            builder.wave(f"{name} database", seconds=[seconds]),
            builder.wave(f"{name} application", f"{name} database", seconds=[seconds, seconds]),
        ],
    )


async def _screenshot(page: Page, path: Path) -> None:
    size = len(await page.screenshot(path=path, type="png"))
    line = f"{path}  {size / 1000:.0f} kB"
    print(line if size < _MAX_BYTES else f"{line}  TOO LARGE", flush=True)


async def _page_screenshots(
    browser: Browser,
    url: str,
    folder: Path,
    name: str,
    prepare: Callable[[Page], Awaitable[None]],
) -> None:
    """Take a page in both themes, and on a phone."""
    for theme, dark in _THEMES:
        async with window(browser, dark=dark) as context:
            page = await context.new_page()
            await page.goto(url)
            await prepare(page)
            await _screenshot(page, folder / f"page-{name}-{theme}.png")
    async with window(browser, phone=True) as context:
        page = await context.new_page()
        await page.goto(url)
        await prepare(page)
        await _screenshot(page, folder / f"page-{name}-phone.png")


async def _wait_until(
    testbed: Testbed, plan: RecoveryPlan, condition: Callable[[ExecutionState], bool]
) -> ExecutionState:
    async with asyncio.timeout(_WAIT_TIMEOUT_SECONDS):
        while True:
            state = await execution_state(testbed.client, plan.plan_id)
            if condition(state):
                return state
            await asyncio.sleep(0.2)


def _status(state: ExecutionState, wave_id: str) -> WaveStatus:
    return next(wave.status for wave in state.waves if wave.wave_id == wave_id)


async def _run_to_end(testbed: Testbed, plan: RecoveryPlan) -> None:
    """Run a drill to its end."""
    await start_execution(testbed.client, plan, started_by="ops@operations")
    await testbed.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).result()


async def _take_screenshots(testbed: Testbed, browser: Browser, folder: Path) -> None:
    builder = ScenarioBuilder()
    shop, crm = _webshop_plan(builder), _two_wave_plan(builder, "CRM", 90)
    payroll, never = (
        _two_wave_plan(builder, "Payroll", 200),
        _two_wave_plan(builder, "Data warehouse", 90),
    )
    await testbed.aws.apply(SourceServers=builder.source_servers)
    table = PlanTable(get_settings())
    await table.create()
    for plan in (shop, crm, payroll, never):
        await table.register(plan, author="ops@operations")
    await asyncio.to_thread(testbed.stack.start_server)
    url = testbed.stack.pages_url
    await _run_to_end(testbed, crm)
    execution_id = await start_execution(testbed.client, shop, started_by="ops@operations")
    await _wait_until(testbed, shop, lambda s: _status(s, "app1") is WaveStatus.COMPLETED)
    await start_execution(testbed.client, payroll, started_by="bo@operations")

    async def overview_ready(page: Page) -> None:
        await page.get_by_role("button", name="Start drill of Payroll").wait_for()
        await page.get_by_text("waves up").nth(1).wait_for()

    async def execution_ready(page: Page) -> None:
        await page.locator('button.node[data-choose="app2"]').click()
        await page.locator("#panel h2", has_text="App2").wait_for()
        await page.evaluate("window.scrollTo(0, 0)")
        await page.wait_for_timeout(500)

    await _page_screenshots(browser, url, folder, "overview", overview_ready)
    address = f"{url}/executions/{execution_id}"
    await _page_screenshots(browser, address, folder, "execution", execution_ready)
    async with window(browser) as context:
        page = await context.new_page()
        await page.goto(url)
        await page.get_by_role("button", name="Real recovery of CRM").click()
        await page.get_by_text("As the worker sees it").wait_for()
        await _screenshot(page, folder / "page-recovery-dialog.png")


async def _main(folder: Path) -> None:
    started = time.monotonic()
    with scratch_folder([]) as scratch:
        async with (
            running_testbed(scratch, speed=_SPEED, workers=1) as testbed,
            running_browser() as browser,
        ):
            await _take_screenshots(testbed, browser, folder)
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="output folder")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    run_bench(_main(folder))


if __name__ == "__main__":
    main()
