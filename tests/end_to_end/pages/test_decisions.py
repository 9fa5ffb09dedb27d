"""All open decisions on one page: taken and made there, by keyboard, on a phone, in both themes."""

import pytest

from client.start import start_execution
from recovery.execution.wave import WaitingFor
from tests.end_to_end.conftest import E2eEnvironment, wave_of
from tests.end_to_end.pages.conftest import Open
from tests.end_to_end.pages.test_steering import assert_accessible, plan_with_approval

_MOST_TABS = 40


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, marks=pytest.mark.slow, id="desk"),
        pytest.param({"phone": True, "dark": True}, id="phone"),
    ],
)
async def test_a_decision_is_taken_by_keyboard_and_made_on_the_page_of_all_decisions(
    env: E2eEnvironment, served: str, open_page: Open, how: dict[str, bool]
) -> None:
    plan = plan_with_approval(env)
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    tab = await open_page(f"{served}/decisions", **how)
    page, own = tab.page, f'#open li[data-key="{execution_id}/web"]'
    await tab.sees(own, "Web waits for an approval")
    await tab.sees(own, f"drs-waves approve-wave {plan.plan_id} web")
    await tab.sees("#open-count", "1")
    assert await tab.is_as_wide_as_its_window()
    await assert_accessible(tab)

    await page.keyboard.press("/")
    await page.keyboard.type(f"{plan.plan_id} nobody")
    await tab.sees("#filter-count", "1 of")
    taking = page.locator(own).get_by_role("button", name="I have it")
    for _ in range(_MOST_TABS):
        await page.keyboard.press("Tab")
        if await taking.evaluate("each => each === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "Decisions about: Web. Everybody sees your name beside them.")
    await page.keyboard.type("calling the owner")
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "Accepted")
    await page.keyboard.press("Escape")
    await page.get_by_label("Filter").fill(plan.plan_id)
    await tab.sees(own, "has it since")
    await tab.sees(own, "calling the owner")
    if not how:
        for path in (f"/executions/{execution_id}", f"/plans/{plan.plan_id}", "/"):
            other = await open_page(served + path)
            await other.sees("#attention, #decisions", "calling the owner")

    await page.locator(own).get_by_role("button", name="Approve or refuse").click()
    await tab.sees("#dialog", plan.plan_name)
    await page.get_by_role("button", name="Approve", exact=True).click()
    await tab.sees("#dialog", "Accepted")
    await page.get_by_role("button", name="Close").click()
    await page.locator(own).wait_for(state="detached")
    await env.end(plan, execution_id)
