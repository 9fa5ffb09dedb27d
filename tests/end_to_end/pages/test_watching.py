"""What the pages show while a plan runs, and when the state is not known."""

import asyncio

from client.start import start_execution
from contract.identifiers import new_execution_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.text_format import clock, moment
from sandbox.stack import free_port
from tests.end_to_end.conftest import House, serving, wave_of
from tests.end_to_end.pages.conftest import Open, register

_SCRIPT = "<script>window.hacked = true</script>"
_IMAGE = "<img src=x onerror='window.hacked = true'>\u202e"


def diamond(house: House, **fields: object) -> RecoveryPlan:
    """Database; App1 and App2 after it; Web after both."""
    return house.plan(
        house.wave("Database", servers=house.aws.servers(2, LaunchSeconds=1000)),
        house.wave("App1", "Database"),
        house.wave("App2", "Database", servers=house.aws.servers(2, LaunchSeconds=1400)),
        house.wave("Web", "App1", "App2"),
        **fields,
    )


async def test_the_page_shows_the_diamond_from_start_to_end(
    house: House, served: str, open_page: Open
) -> None:
    plan = diamond(house)
    execution_id = new_execution_id(plan.plan_id)
    # The page is opened first and shows the execution as soon as it exists.
    tab = await open_page(f"{served}/executions/{execution_id}")
    await tab.sees("h1", "Unknown")
    await start_execution(house.client, plan, execution_id=execution_id)

    await tab.shows("app1", "Waiting for Database")
    await tab.shows("web", "Waiting for App1, App2")
    await tab.shows("database", "COMPLETED")
    await tab.shows("app1", "COMPLETED")
    await tab.shows("web", "Waiting for App2")
    await tab.shows("web", "COMPLETED")
    await tab.sees("#head .plan", "COMPLETED")
    await tab.sees("#status-line", "4 of 4 waves up, 6 of 6 servers launched")

    recorded = await house.end(plan, execution_id)
    for number, wave in enumerate(recorded.waves):
        row = tab.page.locator(f"#r{number}")
        assert wave.start_time is not None
        assert wave.end_time is not None
        assert wave.completion_duration is not None
        times = await row.locator("time").evaluate_all("all => all.map(each => each.title)")
        assert times == [moment(wave.start_time), moment(wave.end_time)]
        duration = row.locator(".duration span")
        assert await duration.get_attribute("title") == f"{wave.completion_duration} s"
        assert await duration.inner_text() == clock(wave.completion_duration)


async def test_a_selected_wave_shows_its_servers_with_their_instances(
    house: House, served: str, open_page: Open
) -> None:
    plan = house.plan(house.wave("Database", servers=2))
    state = await house.run(plan)
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


async def test_names_are_escaped(house: House, served: str, open_page: Open) -> None:
    wave = house.wave("Database").model_copy(update={"wave_name": _IMAGE})
    plan = house.plan(wave, plan_name=_SCRIPT)
    await register(plan)
    execution_id = await start_execution(house.client, plan, started_by=_SCRIPT)
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
    await house.end(plan, execution_id)


async def test_a_server_that_could_not_be_verified_is_shown_as_unknown(
    house: House, served: str, open_page: Open
) -> None:
    slow = house.aws.servers(1, LaunchSeconds=1000)
    plan = house.plan(house.wave("Database", servers=slow), house.wave("Web", "Database"))
    execution_id = new_execution_id(plan.plan_id)
    tab = await open_page(f"{served}/executions/{execution_id}#database")
    await start_execution(house.client, plan, execution_id=execution_id)
    await house.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    house.aws.apply(
        Faults=[{"Operation": "DescribeRecoveryInstances", "Error": "ThrottlingException"}]
    )

    await tab.shows("database", "1 UNKNOWN")
    await tab.sees("#status-line", "Verified: UNKNOWN")
    await tab.sees("#head", "Verified: UNKNOWN")
    await tab.sees("#r0", "Verified: UNKNOWN")
    await tab.sees("#panel .servers", "UNKNOWN")
    overview = await open_page(served)
    await overview.sees("#running", "Verified: UNKNOWN")
    house.aws.clear_faults()
    await house.end(plan, execution_id)


async def test_a_page_is_marked_out_of_date_while_temporal_does_not_answer(
    house_apart: House, open_page: Open
) -> None:
    stack = house_apart.stack
    stack.api_port = free_port()
    slow = house_apart.aws.servers(1, LaunchSeconds=100_000)
    plan = house_apart.plan(house_apart.wave("Database", servers=slow, timeout_seconds=100_000.0))
    async with serving(house_apart):
        execution_id = await start_execution(house_apart.client, plan)
        await house_apart.until(plan, lambda s: s.waves[0].start_time is not None)
        await asyncio.to_thread(stack.start_server)
        tab = await open_page(f"{stack.pages_url}/executions/{execution_id}")
        await tab.shows("database", "IN_PROGRESS")
        assert await tab.page.locator("#old").is_hidden()

        await asyncio.to_thread(stack.stop_part, "temporal")
        await tab.sees("#old", "OUT OF DATE since 20")
        assert await tab.node("database").is_visible()

        await asyncio.to_thread(stack.start_temporal)
        await tab.page.locator("#old").wait_for(state="hidden", timeout=40_000)

        await asyncio.to_thread(stack.stop_part, "server")
        await tab.sees("#old", "this page has no connection to drs-waves")
    # The browser itself logs that the server is not reachable.
    tab.console_errors.clear()


async def test_the_overview_shows_running_executions_and_the_last_drill_of_a_plan(
    house: House, served: str, open_page: Open
) -> None:
    waves = [house.wave("Database", servers=2), house.wave("Web", "Database", servers=4)]
    plan = house.plan(*waves, plan_name="Overview plan")
    await register(plan)
    tab = await open_page(served)
    row = tab.page.locator(".plans li", has_text=plan.plan_id)
    await row.get_by_text("never drilled").wait_for()

    await row.get_by_role("button", name="Start drill").click()
    await tab.sees("#dialog-details", "As the worker sees it")
    await tab.sees("#dialog-details", "SANDBOX")
    dialog = await tab.page.locator("#dialog").inner_text()
    assert plan.plan_hash in dialog
    assert "6 servers in 2 waves" in dialog
    assert house.aws.account_id in dialog
    await tab.page.get_by_role("button", name="Start the drill").click()
    await tab.sees("#dialog", "has been started")
    await tab.page.get_by_role("button", name="Close").click()

    running = tab.page.locator("#running article", has_text="Overview plan")
    await running.get_by_text("of 2 waves up").wait_for()
    await running.get_by_text("left").wait_for()
    await running.get_by_role("link", name="Overview plan").click()
    await tab.sees("#head h1", "Overview plan")
    execution_id = tab.page.url.rpartition("/")[2]
    await house.end(plan, execution_id)
    await tab.page.goto(served)
    await row.get_by_text("COMPLETED").wait_for()
