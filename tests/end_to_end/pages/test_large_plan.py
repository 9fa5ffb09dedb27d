"""A plan of many waves on the pages: folded, searched and zoomed by keyboard, and on the wall."""

import pytest

from client.start import start_execution
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.pages.conftest import Open, Tab
from tests.end_to_end.pages.test_steering import assert_accessible, tab_to

_WAITING = 14


@pytest.mark.slow
async def test_finished_waves_are_folded_and_any_server_is_found(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    plan = env.plan(
        env.wave("Database"),
        *(env.wave(f"Service{n}", "Database", approval_required=True) for n in range(_WAITING)),
        env.wave("Web", *(f"Service{n}" for n in range(_WAITING)), approval_required=True),
        rto=240,
    )
    execution_id = await start_execution(env.client, plan)
    tab = await open_page(f"{served}/executions/{execution_id}")
    page = tab.page
    await tab.shows("database", "COMPLETED")
    # It moved from the waves that run to those that are up, which are folded.
    assert await page.locator("#waves-up tr#r0").count() == 1
    assert await page.locator("#r0").is_hidden()
    assert await page.locator("#r1").is_visible()
    assert await page.locator(f"#r{_WAITING + 1}").is_hidden()
    await tab_to(tab, "details[data-keep=waves-up] > summary")
    await page.keyboard.press("Enter")
    await page.locator("#r0").wait_for()
    await skip(env, plan.plan_id, "service0")
    await tab.sees("#c-left-out", "1")
    assert await page.locator("#r0").is_visible()
    await page.reload()
    await page.locator("#r0").wait_for()

    zoomed = float((await page.locator("#zoom").inner_text()).removesuffix(" %"))
    await page.locator(".graph-box").focus()
    for _ in range(8):
        await page.keyboard.press("+")
    assert float((await page.locator("#zoom").inner_text()).removesuffix(" %")) > zoomed
    await page.get_by_label("Find a wave or a server").fill(plan.waves[-1].server_ids[0][-12:])
    await page.keyboard.press("Enter")
    await tab.sees("#found", "1 of 1")
    await tab.sees("#panel h2", "Web")
    assert await is_in_view(tab, '.node[data-choose="web"]')
    await assert_accessible(tab)

    await page.get_by_role("link", name="Wall view").click()
    await tab.sees("#wall", f"1 of {_WAITING + 2} waves up")
    await tab.sees("#wall", "left of RTO")
    assert await page.locator("button, input").count() == 0
    await assert_accessible(tab)
    await skip(env, plan.plan_id, "service1")
    await tab.sees("#wall", "2 SKIPPED")
    await env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}").cancel()
    await env.end(plan, execution_id)
    await tab.sees("#wall", "CANCELLED")


async def skip(env: E2eEnvironment, plan_id: str, wave_id: str) -> None:
    """Skip a wave, as somebody else would."""
    handle = env.client.get_workflow_handle(f"drs-plan/{plan_id}")
    await handle.signal("skip_wave", {"wave": wave_id})


async def is_in_view(tab: Tab, selector: str) -> bool:
    """Whether the middle of an element is in the window."""
    found: bool = await tab.page.locator(selector).evaluate(
        "each => { const box = each.getBoundingClientRect();"
        "  return document.elementFromPoint((box.left + box.right) / 2,"
        "    (box.top + box.bottom) / 2)?.closest('.node') === each; }"
    )
    return found
