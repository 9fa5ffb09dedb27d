"""Takes screenshots of the pages for the documentation: `make screenshots`."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from playwright.async_api import Browser, Page

from bench.browser import running_browser, window
from bench.plans import new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from client.executions import execution_state
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan, Wave
from settings import get_settings
from storage.plans import PlanTable

_SPEED = 60.0
_WAIT_TIMEOUT_SECONDS = 120.0
_MAX_BYTES = 300_000
_WINDOWS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"dark": True},
}
_OPERATOR = "ops@operations"
# The pictures of the plan of 40 waves, by the end of their names: the window and the view.
_LARGE_WINDOWS: dict[str, tuple[dict[str, Any], str]] = {
    "1440": ({}, ""),
    "1920-dark": ({"projector": True, "dark": True}, ""),
    "390": ({"phone": True}, ""),
    "wall": ({"projector": True}, "?view=wall"),
    "wall-dark": ({"projector": True, "dark": True}, "?view=wall"),
}


class ScenarioBuilder:
    """Creates waves, and the source servers of the scenario with their launch durations."""

    def __init__(self) -> None:
        self.source_servers: list[dict[str, Any]] = []

    def wave(self, name: str, *after: str, seconds: list[float], **fields: Any) -> Wave:
        """A wave with one server for each launch duration (seconds, before the speed factor)."""
        servers = [
            {
                "SourceServerId": f"s-{0x5C0000 + len(self.source_servers) + number:017x}",
                "Region": REGION,
                "AccountId": ACCOUNT,
                "Name": f"{_id_of(name)}-{number + 1:02}",
                "LaunchSeconds": each,
            }
            for number, each in enumerate(seconds)
        ]
        self.source_servers += servers
        ids = [str(server["SourceServerId"]) for server in servers]
        # As in a plan file without these keys.
        defaults = {"account_id": None, "timeout_seconds": 3600.0}
        after_ids = map(_id_of, after)
        return new_wave(_id_of(name), ids, *after_ids, wave_name=name, **defaults | fields)


def _id_of(name: str) -> str:
    return name.lower().replace(" ", "-")


def _webshop_plan(builder: ScenarioBuilder) -> RecoveryPlan:
    """A diamond and a separate branch. The last server fails."""
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
    builder.source_servers[-1] |= {
        "Outcome": "failed-late",
        "RawError": "InsufficientInstanceCapacity: no r6i.4xlarge in us-west-2a",
    }
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


# By name, the waves that each of the 40 depends on. The names are as long as real ones.
_LARGE_WAVES = {
    "Network and firewalls": [],
    "Directory": ["Network and firewalls"],
    "Certificates and secrets": ["Network and firewalls"],
    "Time and name service": ["Network and firewalls"],
    **{f"Database {name}": ["Directory", "Time and name service"] for name in (
        "orders", "customers", "payments", "warehouse", "identity", "reporting"
    )},
    "Message broker": ["Directory", "Certificates and secrets"],
    "Cache": ["Directory"],
    **{f"Service {name}": [f"Database {name}", "Message broker"] for name in (
        "orders", "customers", "payments", "warehouse", "identity"
    )},
    **{f"Service {name}": ["Cache", "Service identity"] for name in (
        "catalogue", "search", "prices", "recommendations", "shipping and returns"
    )},
    "Reporting and nightly batch jobs": ["Database reporting"],
    "Data warehouse load": ["Reporting and nightly batch jobs", "Database warehouse"],
    "Management dashboards": ["Data warehouse load"],
    "Invoices and dunning letters": ["Reporting and nightly batch jobs", "Service payments"],
    **{f"Gateway {name}": ["Service orders", "Service catalogue", "Service prices"] for name in (
        "web", "mobile", "partners"
    )},
    "Web shop": ["Gateway web", "Service search"],
    "Mobile back end": ["Gateway mobile"],
    "Partner interface for slow suppliers and customs declarations": ["Gateway partners"],
    "Call centre": ["Service customers", "Service shipping and returns"],
    "Point of sale north": ["Gateway web"],
    "Point of sale south": ["Gateway web"],
    "Warehouse terminals": ["Service warehouse", "Service shipping and returns"],
    "Monitoring": ["Directory"],
    "Log collection": ["Monitoring"],
    "Alerting": ["Monitoring"],
    "Backup": ["Monitoring", "Cache"],
}  # fmt: skip
_FAILING = "Reporting and nightly batch jobs"


def _large_plan(builder: ScenarioBuilder) -> RecoveryPlan:
    """A plan of 40 waves, one of which fails while others run."""
    waves = []
    for number, (name, after) in enumerate(_LARGE_WAVES.items()):
        seconds = [240.0 + 60 * (number % 5), 300.0 + 40 * (number % 7), 260.0][: 1 + number % 3]
        slow = name in ("Database identity", "Message broker")
        waves.append(builder.wave(name, *after, seconds=[1500.0] if slow else seconds))
        if name == _FAILING:
            builder.source_servers[-1] |= {
                "Outcome": "failed-late",
                "RawError": "InsufficientInstanceCapacity: no r6i.4xlarge in us-west-2a",
            }
    return RecoveryPlan(
        plan_id="retail",
        plan_name="Retail, logistics and payments",
        region=REGION,
        rto=240,
        on_failure=OnFailure.ASK,
        waves=waves,
    )


async def _screenshot(page: Page, path: Path) -> None:
    size = len(await page.screenshot(path=path, type="png"))
    line = f"{path}  {size / 1000:.0f} kB"
    print(line if size < _MAX_BYTES else f"{line}  TOO LARGE", flush=True)


async def _page_screenshots(
    browser: Browser, url: str, path: Path, prepare: Callable[[Page], Awaitable[None]]
) -> None:
    """Take a page in both themes. `path` lacks the last part of the name."""
    for name, options in _WINDOWS.items():
        async with window(browser, **options) as context:
            page = await context.new_page()
            await page.goto(url)
            await prepare(page)
            await _screenshot(page, path.with_name(f"{path.name}-{name}.png"))


async def _wait_for_wave(
    testbed: Testbed,
    plan: RecoveryPlan,
    wave_id: str,
    status: WaveStatus = WaveStatus.COMPLETED,
) -> None:
    """Wait until a wave has a status."""
    async with asyncio.timeout(_WAIT_TIMEOUT_SECONDS):
        while True:
            state = await execution_state(testbed.client, plan.plan_id)
            if {w.wave_id: w.status for w in state.waves}[wave_id] is status:
                return
            await asyncio.sleep(0.2)


async def _take_screenshots(testbed: Testbed, browser: Browser, folder: Path) -> None:
    builder, client = ScenarioBuilder(), testbed.client
    shop, crm = _webshop_plan(builder), _two_wave_plan(builder, "CRM", 90)
    payroll = _two_wave_plan(builder, "Payroll", 200)
    never_drilled = _two_wave_plan(builder, "Data warehouse", 90)
    await testbed.aws.apply(SourceServers=builder.source_servers)
    table = PlanTable(get_settings())
    await table.create()
    for plan in (shop, crm, payroll, never_drilled):
        await table.register(plan, author=_OPERATOR)
    await asyncio.to_thread(testbed.stack.start_server)
    url = testbed.stack.pages_url
    await start_execution(client, crm, started_by=_OPERATOR)
    await client.get_workflow_handle(plan_workflow_id(crm.plan_id)).result()
    execution_id = await start_execution(client, shop, started_by=_OPERATOR)
    await _wait_for_wave(testbed, shop, "app1")
    await start_execution(client, payroll, started_by="bo@operations")

    async def overview_ready(page: Page) -> None:
        await page.get_by_role("button", name="Start drill of Payroll").wait_for()
        await page.get_by_text("waves up").nth(1).wait_for()

    async def execution_ready(page: Page) -> None:
        await page.locator('button.node[data-choose="app2"]').click()
        await page.locator("#panel h2", has_text="App2").wait_for()
        await page.evaluate("window.scrollTo(0, 0)")
        await page.wait_for_timeout(500)

    await _page_screenshots(browser, url, folder / "page-overview", overview_ready)
    execution_url = f"{url}/executions/{execution_id}"
    await _page_screenshots(browser, execution_url, folder / "page-execution", execution_ready)


async def _take_large_screenshots(testbed: Testbed, browser: Browser, folder: Path) -> None:
    builder = ScenarioBuilder()
    plan = _large_plan(builder)
    await testbed.aws.apply(SourceServers=builder.source_servers)
    await asyncio.to_thread(testbed.stack.start_server)
    execution_id = await start_execution(testbed.client, plan, started_by=_OPERATOR)
    await _wait_for_wave(testbed, plan, _id_of(_FAILING), WaveStatus.FAILED)
    url = f"{testbed.stack.pages_url}/executions/{execution_id}"
    for name, (options, view) in _LARGE_WINDOWS.items():
        async with window(browser, **options) as context:
            page = await context.new_page()
            await page.goto(url + view)
            await page.get_by_text("InsufficientInstanceCapacity").first.wait_for()
            await page.wait_for_timeout(1000)
            await _screenshot(page, folder / f"page-40-waves-{name}.png")


async def _main(folder: Path, *, large: bool) -> None:
    started = time.monotonic()
    async with (
        running_testbed(speed=_SPEED, workers=1) as testbed,
        running_browser() as browser,
    ):
        take = _take_large_screenshots if large else _take_screenshots
        await take(testbed, browser, folder)
    print(f"{time.monotonic() - started:.0f} s", flush=True)


def main(
    folder: Annotated[Path, typer.Option(help="Output folder.")] = Path("docs"),
    large: Annotated[bool, typer.Option(help="A plan of 40 waves instead, in four sizes.")] = False,
) -> None:
    """Take screenshots of the pages for the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    run_bench(_main(folder, large=large))


if __name__ == "__main__":
    typer.run(main)
