"""What the pages show while a plan runs, and when the state is not known."""

import asyncio
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from client.start import start_execution
from contract.identifiers import new_execution_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.text_format import running_duration, timestamp
from sandbox.stack import free_port
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.pages.conftest import Open, register

# 5 s, and a margin for a busy machine.
SHOWN_WITHIN_SECONDS = 30.0
_SCRIPT = "<script>window.hacked = true</script>"
_IMAGE = "<img src=x onerror='window.hacked = true'>\u202e"


def diamond(env: E2eEnvironment, **fields: object) -> RecoveryPlan:
    """Database; App1 and App2 after it; Web after both."""
    return env.plan(
        env.wave("Database", servers=env.aws.servers(2, LaunchSeconds=1000)),
        env.wave("App1", "Database"),
        env.wave("App2", "Database", servers=env.aws.servers(2, LaunchSeconds=1400)),
        env.wave("Web", "App1", "App2"),
        **fields,
    )


async def test_the_page_shows_the_diamond_from_start_to_end(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    plan = diamond(env)
    execution_id = new_execution_id(plan.plan_id)
    # The page is opened first and shows the execution as soon as it exists.
    tab = await open_page(f"{served}/executions/{execution_id}")
    await tab.sees("h1", "Unknown")
    # The browser itself logs that the status is 404.
    tab.console_errors.clear()
    await start_execution(env.client, plan, execution_id=execution_id)

    await tab.shows("app1", "Waiting for Database")
    await tab.shows("web", "Waiting for App1, App2")
    await tab.shows("database", "COMPLETED")
    await tab.shows("app1", "COMPLETED")
    await tab.shows("web", "Waiting for App2")
    await tab.shows("web", "COMPLETED")
    await tab.sees("#head .plan", "COMPLETED")
    await tab.sees("#status-line", "4 of 4 waves came up, 6 of 6 servers launched")

    recorded = await env.end(plan, execution_id)
    for number, wave in enumerate(recorded.waves):
        row = tab.page.locator(f"#r{number}")
        assert wave.start_time is not None
        assert wave.end_time is not None
        assert wave.completion_duration is not None
        times = await row.locator("time").evaluate_all("all => all.map(each => each.title)")
        assert times == [timestamp(wave.start_time), timestamp(wave.end_time)]
        duration = row.locator(".duration span")
        assert await duration.get_attribute("title") == f"{wave.completion_duration} s"
        assert await duration.inner_text() == running_duration(wave.completion_duration)


@pytest.mark.slow
async def test_a_selected_wave_shows_its_servers_with_their_instances(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    plan = env.plan(env.wave("Database", servers=2))
    state = await env.run(plan)
    tab = await open_page(f"{served}/executions/{state.execution_id}#database")

    await tab.sees("#panel h2", "Database")
    panel = await tab.page.locator("#panel").inner_text()
    for server in state.waves[0].servers:
        assert server.source_server_id in panel
        assert server.recovery_instance_id is not None
        assert server.recovery_instance_id in panel
        assert server.recovery_job_id is not None
        assert server.recovery_job_id in panel
    assert "YES" in panel
    await tab.page.get_by_role("button", name="DRS job log").click()
    await tab.sees("#dialog-details", "LAUNCH_END")
    await tab.sees("#dialog-details", state.waves[0].servers[1].source_server_id)


@pytest.mark.slow
async def test_times_are_in_the_zone_of_the_reader(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    state = await env.run(env.plan(env.wave("Database")))
    tab = await open_page(f"{served}/executions/{state.execution_id}", zone="Asia/Tokyo")
    there = datetime.fromtimestamp(state.start_time, ZoneInfo("Asia/Tokyo"))
    await tab.sees("#facts", f"{there:%Y-%m-%d %H:%M:%S} UTC+9")
    tab = await open_page(f"{served}/executions/{state.execution_id}", zone="UTC")
    there = datetime.fromtimestamp(state.start_time, ZoneInfo("UTC"))
    await tab.sees("#facts", f"{there:%Y-%m-%d %H:%M:%S} UTC by")


async def test_names_are_escaped(env: E2eEnvironment, served: str, open_page: Open) -> None:
    wave = env.wave("Database").model_copy(update={"wave_name": _IMAGE})
    plan = env.plan(wave, plan_name=_SCRIPT)
    await register(plan)
    execution_id = await start_execution(env.client, plan, started_by=_SCRIPT)
    tab = await open_page(f"{served}/executions/{execution_id}")
    await tab.sees("#head h1", _SCRIPT)
    await tab.node("database").click()
    # Direction characters are removed: they could disguise a name.
    await tab.sees("#panel h2", _IMAGE.removesuffix("\u202e"))
    assert "\u202e" not in await tab.page.content()
    overview = await open_page(served)
    await overview.sees(".plans .title", _SCRIPT)
    await overview.page.locator(f'[data-ask="drill"][data-wave="{plan.plan_id}"]').click()
    await overview.sees("#dialog h2", _SCRIPT)
    for each in (tab, overview):
        assert await each.page.evaluate("window.hacked") is None
    await env.end(plan, execution_id)


@pytest.mark.slow
async def test_a_server_that_could_not_be_verified_is_shown_as_unknown(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    slow = env.aws.servers(1, LaunchSeconds=1000)
    plan = env.plan(env.wave("Database", servers=slow), env.wave("Web", "Database"))
    execution_id = new_execution_id(plan.plan_id)
    tab = await open_page(f"{served}/executions/{execution_id}#database")
    tab.console_errors.clear()
    await start_execution(env.client, plan, execution_id=execution_id)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    env.aws.apply(
        Faults=[{"Operation": "DescribeRecoveryInstances", "Error": "ThrottlingException"}]
    )

    await tab.shows("database", "1 UNKNOWN")
    await tab.sees("#status-line", "Verified: UNKNOWN")
    await tab.sees("#head", "Verified: UNKNOWN")
    await tab.sees("#r0", "Verified: UNKNOWN")
    await tab.sees("#panel .servers", "UNKNOWN")
    overview = await open_page(served)
    await overview.sees("#running", "Verified: UNKNOWN")
    env.aws.clear_faults()
    await env.end(plan, execution_id)


@pytest.mark.slow
async def test_a_page_says_that_its_state_is_the_last_known_while_temporal_does_not_answer(
    env_with_own_temporal: E2eEnvironment, open_page: Open
) -> None:
    stack = env_with_own_temporal.stack
    stack.api_port = free_port()
    slow = env_with_own_temporal.aws.servers(1, LaunchSeconds=100_000)
    plan = env_with_own_temporal.plan(
        env_with_own_temporal.wave("Database", servers=slow, timeout_seconds=100_000.0)
    )
    async with RunningWorkers(env_with_own_temporal):
        execution_id = await start_execution(env_with_own_temporal.client, plan)
        await env_with_own_temporal.until(plan, lambda s: s.waves[0].start_time is not None)
        await asyncio.to_thread(stack.start_server)
        tab = await open_page(f"{stack.pages_url}/executions/{execution_id}")
        await tab.shows("database", "IN_PROGRESS")
        assert await tab.page.locator("#old").is_hidden()

        await asyncio.to_thread(stack.stop_part, "temporal")
        await tab.sees("#old", "LAST KNOWN STATE, of 20")
        assert await tab.node("database").is_visible()

        await asyncio.to_thread(stack.start_temporal)
        await tab.page.locator("#old").wait_for(state="hidden", timeout=40_000)

        await asyncio.to_thread(stack.stop_part, "server")
        await tab.sees("#old", "this page has no connection to drs-waves")
    # The browser itself logs that the server is not reachable.
    tab.console_errors.clear()


@pytest.mark.slow
async def test_without_a_worker_the_last_known_state_is_shown_and_what_starts_one(
    env_without_worker: E2eEnvironment, served: str, open_page: Open
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database", approval_required=True))
    async with RunningWorkers(env):
        execution_id = await start_execution(env.client, plan)
        tab = await open_page(f"{served}/executions/{execution_id}")
        await tab.shows("web", "Waiting for approval")
        assert await tab.page.locator("#old").is_hidden()
    stopped = time.monotonic()
    await tab.sees("#old", "Start one with `drs-waves worker`")
    assert time.monotonic() - stopped < SHOWN_WITHIN_SECONDS
    elapsed = await tab.page.locator("#head [data-since]").inner_text()
    await tab.page.reload()
    # The record, from another process or after a restart, is marked from its first byte.
    await tab.sees("#old", "LAST KNOWN STATE, of 20")
    await tab.shows("database", "COMPLETED")
    await tab.page.wait_for_timeout(2000)
    assert await tab.page.locator("#head [data-since]").inner_text() == elapsed

    await tab.page.locator("#attention").get_by_role("button", name="Approve or refuse").click()
    await tab.sees("#dialog .outdated", "LAST KNOWN STATE")
    await tab.page.get_by_role("button", name="Approve", exact=True).click()
    await tab.sees("#dialog", "Queued until a worker is available")
    await tab.page.get_by_role("button", name="Close").click()
    async with RunningWorkers(env):
        await tab.page.locator("#old").wait_for(state="hidden", timeout=40_000)
        await tab.shows("web", "COMPLETED")
        await env.end(plan, execution_id)


@pytest.mark.slow
async def test_the_overview_shows_running_executions_and_the_last_drill_of_a_plan(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    waves = [env.wave("Database", servers=2), env.wave("Web", "Database", servers=4)]
    plan = env.plan(*waves, plan_name="Overview plan")
    await register(plan)
    tab = await open_page(served)
    row = tab.page.locator(".plans li", has_text=plan.plan_id)
    await row.get_by_text("never drilled").wait_for()

    await row.get_by_role("button", name="Start drill").click()
    await tab.sees("#dialog-details", "Checked by the worker")
    await tab.sees("#dialog-details", "SANDBOX")
    dialog = await tab.page.locator("#dialog").inner_text()
    assert plan.plan_hash in dialog
    assert "6 servers in 2 waves" in dialog
    assert env.aws.account_id in dialog
    await tab.page.get_by_role("button", name="Start the drill").click()
    await tab.sees("#dialog", "has been started")
    await tab.page.get_by_role("button", name="Close").click()

    # What would be refused is not offered; a recovery may replace a drill.
    await row.get_by_text("a drill can start when it has ended").wait_for()
    assert await row.get_by_role("button", name="Start drill").is_disabled()
    assert await row.get_by_role("button", name="Real recovery").is_enabled()

    running = tab.page.locator("#running article", has_text="Overview plan")
    await running.get_by_text("of 2 waves up").wait_for()
    await running.get_by_text("left").wait_for()
    await running.get_by_role("link", name="Overview plan").click()
    await tab.sees("#head h1", "Overview plan")
    execution_id = tab.page.url.rpartition("/")[2]
    await env.end(plan, execution_id)
    await tab.page.goto(served)
    await row.get_by_text("COMPLETED").wait_for()
