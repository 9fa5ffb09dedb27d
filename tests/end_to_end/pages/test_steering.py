"""Actions on the pages: by mouse, by keyboard, on a phone, in the dark theme."""

import time

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]

from client.start import start_execution
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.pages.conftest import Open, Tab, register

_MOST_TABS = 60
_LONG = "A wave whose name is far longer than a screen can show " * 3


def plan_with_approval(env: E2eEnvironment) -> RecoveryPlan:
    """Web waits for an approval; Reports, which depends on it, can be skipped."""
    return env.plan(
        env.wave("Web", approval_required=True),
        env.wave("Reports", "Web"),
        plan_name="Plan with approval",
    )


async def page_at_approval(
    env: E2eEnvironment, served: str, open_page: Open, **how: bool
) -> tuple[Tab, str]:
    """A page of an execution that waits for an approval."""
    plan = plan_with_approval(env)
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    tab = await open_page(f"{served}/executions/{execution_id}", **how)
    await tab.sees("#attention", "Web waits for an approval")
    return tab, execution_id


async def test_a_wave_is_skipped_and_another_approved_in_dialogs(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    tab, execution_id = await page_at_approval(env, served, open_page)
    page = tab.page
    await tab.node("reports").click()
    await page.locator("#panel").get_by_role("button", name="Skip").click()
    await tab.sees(
        "#dialog", "It skips Reports (reports): Reports is not launched; no wave waits for it."
    )
    await page.get_by_label("Reason").fill("not needed today")
    await page.locator("#dialog").get_by_role("button", name="Skip").click()
    await tab.sees("#dialog", "Accepted")
    await page.get_by_role("button", name="Close").click()
    await tab.shows("reports", "SKIPPED")
    await tab.sees("#messages", "not needed today")

    await page.locator("#attention").get_by_role("button", name="Approve or refuse").click()
    await tab.sees("#dialog", "Launches 1 server in us-west-2")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await tab.sees("#dialog", "Accepted")
    await page.get_by_role("button", name="Close").click()
    await tab.sees("#head .plan", "PARTIAL")
    await tab.shows("web", "COMPLETED")

    state = await env.recorded(execution_id)
    assert [(m.name, m.reason, m.accepted) for m in state.messages] == [
        ("skip_wave", "not needed today", True),
        ("approve_wave", "", True),
    ]


async def test_a_rejection_is_shown_and_what_was_filled_in_stays(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    tab, execution_id = await page_at_approval(env, served, open_page)
    page = tab.page
    await page.locator("#attention").get_by_role("button", name="Skip").click()
    await page.get_by_label("Only this wave").check()
    await page.get_by_label("Reason").fill("not needed")
    plan_id = execution_id.rpartition("-")[0]
    handle = env.client.get_workflow_handle(f"drs-plan/{plan_id}")
    await handle.signal("skip_wave", {"wave": "web", "cascade": True})
    await tab.shows("web", "SKIPPED")
    await page.locator("#dialog").get_by_role("button", name="Skip", exact=True).click()
    await tab.sees("#dialog-outcome", "NOT DONE")
    tab.console_errors.clear()
    assert await page.get_by_label("Reason").input_value() == "not needed"


async def test_all_of_it_works_by_keyboard(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    tab, execution_id = await page_at_approval(env, served, open_page)
    await tab_to(tab, 'button.node[data-choose="reports"]')
    await tab.page.keyboard.press("Enter")
    await tab.sees("#panel h2", "Reports")
    await tab_to(tab, '#panel [data-ask="skip_wave"]')
    await tab.page.keyboard.press("Enter")
    await tab.sees("#dialog h2", "Skip: Reports")
    await tab.page.keyboard.press("Escape")
    await tab.page.locator("#dialog").wait_for(state="hidden")
    # The element that had the focus before.
    assert await has_focus(tab, '#panel [data-ask="skip_wave"]')
    await tab.page.keyboard.press("Enter")
    await tab.sees("#dialog h2", "Skip: Reports")
    await tab.page.keyboard.type("by keyboard")
    for _ in range(5):
        await tab.page.keyboard.press("Tab")
        inside = "!document.hasFocus() || document.activeElement === document.body ||"
        inside += " document.activeElement.closest('#dialog') !== null"
        assert await tab.page.evaluate(inside)
    await tab_to(tab, "#dialog button.main")
    await tab.page.keyboard.press("Enter")
    await tab.sees("#dialog", "Accepted")
    await tab.page.keyboard.press("Enter")
    await tab.shows("reports", "SKIPPED")
    await tab_to(tab, '[data-ask="cancel"]')
    await tab.page.keyboard.press("Enter")
    await tab.sees("#dialog", "nothing new launches")
    await tab.page.keyboard.press("Enter")
    await tab.sees("#head .plan", "CANCELLED")
    state = await env.recorded(execution_id)
    assert state.messages[0].reason == "by keyboard"


async def test_a_real_recovery_needs_the_check_and_the_plan_id_to_start_and_to_cancel(
    env_without_worker: E2eEnvironment, served: str, open_page: Open
) -> None:
    env = env_without_worker
    plan = plan_with_approval(env)
    await register(plan)
    tab = await open_page(served)
    page = tab.page
    row = page.locator(".plans li", has_text=plan.plan_id)
    await row.get_by_role("button", name="Real recovery").click()
    await tab.sees("#dialog", "RECOVERY: this is not a drill")
    start = page.get_by_role("button", name="Start the RECOVERY")
    await page.get_by_label("Type the PlanId").fill(plan.plan_id)
    await tab.sees("#dialog-details", "No worker answers")
    await tab.sees("#dialog-details", "only after a check by the worker")
    assert await start.is_disabled()
    async with RunningWorkers(env):
        await page.get_by_role("button", name="Check again").click()
        await tab.sees("#dialog-details", "Checked by the worker")
        assert await start.is_enabled()
        await start_and_cancel(env, plan, tab)


async def start_and_cancel(env: E2eEnvironment, plan: RecoveryPlan, tab: Tab) -> None:
    """Start a checked recovery and cancel it, by its PlanId."""
    page = tab.page
    await tab.sees("#dialog", plan.plan_hash)
    start = page.get_by_role("button", name="Start the RECOVERY")
    await page.get_by_label("Type the PlanId").fill(plan.plan_id[:-1])
    assert await start.is_disabled()
    await page.get_by_label("Type the PlanId").fill(plan.plan_id)
    await start.click()
    await tab.sees("#dialog", "has been started")
    await page.get_by_role("link", name="Watch it").click()
    await tab.sees("#head", "RECOVERY")
    await tab.shows("web", "Waiting for approval")

    await page.get_by_role("button", name="Cancel execution").click()
    cancel = page.get_by_role("button", name="Cancel the execution")
    assert await cancel.is_disabled()
    await page.get_by_label("Type the PlanId").fill(plan.plan_id)
    await cancel.click()
    await tab.sees("#head .plan", "CANCELLED")
    execution_id = page.url.rpartition("/")[2]
    state = await env.end(plan, execution_id)
    assert state.execution_type is ExecutionType.RECOVERY
    assert state.status is PlanStatus.CANCELLED
    assert not env.aws.accepted_launches(plan.waves[0].server_ids[0])


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_the_pages_have_contrast_and_names_for_everything(
    env: E2eEnvironment, served: str, open_page: Open, dark: bool
) -> None:
    tab, _ = await page_at_approval(env, served, open_page, dark=dark)
    await register(plan_with_approval(env))
    await tab.node("web").click()
    await tab.sees("#panel h2", "Web")
    execution_id = tab.page.url.rpartition("/")[2].partition("#")[0]
    await env.table.add_deliveries([
        DeliveryRecord(
            notification_id=execution_id, channel="on-call", time=time.time(), items=1,
            keys=[f"{execution_id}/ASKED/APPROVAL/web/1"], execution_ids=[execution_id],
            attempts=3, error="the receiver answered HTTP 503",
        )
    ])  # fmt: skip
    await tab.page.get_by_text("Notifications sent").click()
    await tab.sees("#notifications", "✗ not delivered in 3 attempts: the receiver answered")
    await assert_accessible(tab)
    await tab.page.locator("#attention").get_by_role("button", name="Skip").click()
    await tab.sees("#dialog h2", "Skip")
    await assert_accessible(tab)
    overview = await open_page(served, dark=dark)
    await overview.sees(".plans", "Plan with approval")
    await assert_accessible(overview)
    await overview.page.get_by_role("button", name="Real recovery").first.click()
    await overview.sees("#dialog-details", "Checked by the worker")
    await assert_accessible(overview)


@pytest.mark.slow
async def test_a_phone_never_scrolls_sideways(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    long = _LONG[:250]
    waves = [env.wave(name) for name in ("One", "Two")]
    waves.append(env.wave("Three", "One", "Two"))
    named = [wave.model_copy(update={"wave_name": f"{wave.wave_id} {long}"}) for wave in waves]
    plan = env.plan(*named, plan_name="W" * 250)
    await register(plan)
    state = await env.run(plan)
    assert {wave.status for wave in state.waves} == {WaveStatus.COMPLETED}
    tab = await open_page(f"{served}/executions/{state.execution_id}#three", phone=True)
    await tab.sees("#panel h2", "three A wave")
    assert await tab.is_as_wide_as_its_window()
    overview = await open_page(served, phone=True)
    await overview.sees(".plans", "WWWW")
    assert await overview.is_as_wide_as_its_window()
    await overview.page.locator(f'[data-ask="drill"][data-wave="{plan.plan_id}"]').click()
    await overview.sees("#dialog-details", "Checked by the worker")
    assert await overview.is_as_wide_as_its_window()


async def tab_to(tab: Tab, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(_MOST_TABS):
        if await has_focus(tab, selector):
            return
        await tab.page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


async def has_focus(tab: Tab, selector: str) -> bool:
    """Whether an element has the focus."""
    found: bool = await tab.page.evaluate(
        "selector => document.activeElement?.matches(selector) ?? false", selector
    )
    return found


async def assert_accessible(tab: Tab) -> None:
    """Check that axe finds no serious or critical violations."""
    results = await Axe().run(tab.page)
    violations = [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in results.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert not violations
