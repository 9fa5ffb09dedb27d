"""The report and the action items on the page of an execution."""

from recovery.text_format import utc_timestamp
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.pages.conftest import Open

_SCRIPT = "<script>window.hacked = 1</script>"


async def test_an_action_item_is_added_and_closed_and_is_in_the_report(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    plan = env.plan(env.wave("Database"), plan_name=f"Shop {_SCRIPT}")
    state = await env.run(plan)
    address = f"{served}/executions/{state.execution_id}"
    tab = await open_page(address)
    page = tab.page
    await page.locator("#action-items-title").click()
    await tab.sees("#action_items", "None are recorded")
    await page.locator('[data-ask="add_action_item"]').click()
    await page.locator('#dialog input[name="text"]').fill(f"Test {_SCRIPT}")
    await page.locator('#dialog input[name="owner"]').fill("ops")
    await page.locator('#dialog input[name="due"]').fill("2020-01-31")
    await page.locator('#dialog button[type="submit"]').click()
    await tab.sees("#dialog", "Action item 1 is added, due 2020-01-31.")
    await page.locator("#dialog [data-close]").first.click()
    await tab.sees("#action_items", "OVERDUE")

    report = await open_page(f"{address}/report.html")
    await report.sees("h1", f"Shop {_SCRIPT}")
    await report.sees("body", f"Test {_SCRIPT}")
    await report.sees(".facts", utc_timestamp(state.start_time))
    styled = "getComputedStyle(document.querySelector('.figures')).display"
    assert await report.page.evaluate(styled) == "grid"
    assert await report.page.evaluate("window.hacked") is None

    await page.locator('[data-ask="close_action_item"]').click()
    await page.locator('#dialog input[name="note"]').fill("tested")
    await page.locator('#dialog button[type="submit"]').click()
    await tab.sees("#dialog", "Action item 1 is closed.")
    await page.locator("#dialog [data-close]").first.click()
    await tab.sees("#action_items", "closed by")
