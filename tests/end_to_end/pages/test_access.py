"""Who may see the pages, and who may act on them."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from client.start import replace_drill, start_execution
from recovery.execution.wave import WaitingFor
from sandbox.stack import Stack
from tests.end_to_end.conftest import House, wave_of
from tests.end_to_end.pages.conftest import Open, Tab, register

_ANN = "token-of-ops-the-operator"
_VIC = "token-of-vic-the-viewer"
_TOKENS = {
    "ops": {"Token": _ANN, "Roles": ["operator"]},
    "vic": {"Token": _VIC, "Roles": ["viewer"]},
}


@pytest.fixture(scope="module")
async def guarded(stack: Stack) -> AsyncIterator[str]:
    """The pages with static tokens, and their address."""
    variables = {"DRS_WAVES_API_TOKENS": json.dumps(_TOKENS)}
    await asyncio.to_thread(stack.stop_part, "server")
    await asyncio.to_thread(stack.start_server, variables)
    yield stack.pages_url
    await asyncio.to_thread(stack.stop_part, "server")


async def sign_in(tab: Tab, token: str) -> None:
    """Sign in on the page that asks for it."""
    await tab.page.get_by_label("Bearer token").fill(token)
    await tab.page.get_by_role("button", name="Sign in").click()


async def test_whoever_is_not_known_is_asked_to_sign_in_and_sees_nothing(
    house: House, guarded: str, open_page: Open
) -> None:
    tab = await open_page(f"{guarded}/executions/some-execution")
    assert tab.page.url == f"{guarded}/sign-in?next=/executions/some-execution"
    await sign_in(tab, "a-token-that-nobody-has")
    await tab.sees(".error", "not known here")
    tab.complaints.clear()
    await sign_in(tab, _ANN)
    assert tab.page.url == f"{guarded}/executions/some-execution"
    await tab.sees(".user", "ops")
    cookie = (await tab.page.context.cookies())[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    await tab.page.get_by_role("button", name="Sign out").click()
    await tab.page.goto(guarded)
    assert tab.page.url == f"{guarded}/sign-in?next=/"


async def test_an_operator_who_signed_in_is_the_actor_in_the_history(
    house: House, guarded: str, open_page: Open
) -> None:
    plan = house.plan(house.wave("Web", approval_required=True))
    await register(plan)
    tab = await open_page(guarded)
    await sign_in(tab, _ANN)
    page = tab.page
    await page.locator(f'[data-ask="drill"][data-wave="{plan.plan_id}"]').click()
    await page.get_by_role("button", name="Start the drill").click()
    await page.get_by_role("link", name="Watch it").click()
    await tab.shows("web", "Waiting for approval")
    # She is an operator, not an approver.
    approve = page.locator("#attention").get_by_role("button", name="Approve or refuse")
    assert await approve.is_disabled()
    await tab.sees("#attention", "this needs the role approver")
    await page.locator("#attention").get_by_role("button", name="Skip").click()
    await page.locator("#dialog").get_by_role("button", name="Skip", exact=True).click()
    await tab.sees("#dialog", "Done")
    state = await house.end(plan, page.url.rpartition("/")[2])
    assert state.started_by == "ops"
    assert (state.messages[0].actor, state.messages[0].actor_verified) == ("ops", True)


async def test_a_viewer_finds_no_button_that_acts(
    house: House, guarded: str, open_page: Open
) -> None:
    plan = house.plan(house.wave("Web", approval_required=True))
    await register(plan)
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    tab = await open_page(f"{guarded}/executions/{execution_id}#web")
    await sign_in(tab, _VIC)
    await tab.sees("#attention", "You may look, not act")
    await tab.page.goto(f"{guarded}/executions/{execution_id}#web")
    await tab.sees("#panel h2", "Web")
    assert await tab.page.locator("[data-ask]").count() >= 4
    assert await tab.page.locator("[data-ask]:enabled").count() == 0
    # Not even where somebody enables one.
    button = tab.page.locator('#panel [data-ask="skip_wave"]')
    await button.evaluate("each => (each.disabled = false)")
    await button.click()
    await tab.page.locator("#dialog").get_by_role("button", name="Skip", exact=True).click()
    await tab.sees("#dialog-outcome", "vic lacks the role operator")
    await tab.page.goto(guarded)
    await tab.sees("#plans", "You may look, not start")
    assert await tab.page.locator("[data-ask]:enabled").count() == 0
    await replace_drill(house.client, plan.plan_id)


async def test_nobody_is_sent_on_to_another_site_after_signing_in(
    house: House, guarded: str
) -> None:
    async with httpx.AsyncClient() as client:
        for wanted in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
            answer = await client.post(f"{guarded}/sign-in", data={"token": _ANN, "next": wanted})
            assert answer.headers["location"] == "/"


async def test_a_link_on_another_site_leads_to_the_page_without_signing_in_again(
    house: House, guarded: str, open_page: Open
) -> None:
    tab = await open_page(guarded)
    await sign_in(tab, _ANN)
    await tab.sees(".user", "ops")
    # The same server under a name that is another site to a browser.
    await tab.page.goto(guarded.replace("127.0.0.1", "localhost") + "/sign-in")
    await tab.page.evaluate("address => { window.location.href = address }", f"{guarded}/")
    await tab.sees(".user", "ops")
    tab.hosts = {each for each in tab.hosts if "localhost" not in each}
