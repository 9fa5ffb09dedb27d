"""Authentication and roles on the pages."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from client.start import replace_drill, start_execution
from recovery.execution.wave import WaitingFor
from sandbox.stack import Stack
from tests.end_to_end.conftest import E2eEnvironment, wave_of
from tests.end_to_end.pages.conftest import Open, Tab, register

_OPERATOR_TOKEN = "token-of-ops-the-operator"
_VIEWER_TOKEN = "token-of-vic-the-viewer"
_TOKENS = {
    "ops": {"Token": _OPERATOR_TOKEN, "Roles": ["operator"]},
    "vic": {"Token": _VIEWER_TOKEN, "Roles": ["viewer"]},
}


@pytest.fixture(scope="module")
async def served_with_tokens(stack: Stack) -> AsyncIterator[str]:
    """The URL of the pages with static tokens."""
    variables = {"DRS_WAVES_API_TOKENS": json.dumps(_TOKENS)}
    await asyncio.to_thread(stack.stop_part, "server")
    await asyncio.to_thread(stack.start_server, variables)
    yield stack.pages_url
    await asyncio.to_thread(stack.stop_part, "server")


async def sign_in(tab: Tab, token: str) -> None:
    """Sign in on the sign-in page."""
    await tab.page.get_by_label("Bearer token").fill(token)
    await tab.page.get_by_role("button", name="Sign in").click()


async def test_an_unauthenticated_user_is_redirected_to_the_sign_in(
    env: E2eEnvironment, served_with_tokens: str, open_page: Open
) -> None:
    tab = await open_page(f"{served_with_tokens}/executions/some-execution")
    assert tab.page.url == f"{served_with_tokens}/sign-in?next=/executions/some-execution"
    await sign_in(tab, "a-token-that-nobody-has")
    await tab.sees(".error", "not known")
    tab.console_errors.clear()
    await sign_in(tab, _OPERATOR_TOKEN)
    assert tab.page.url == f"{served_with_tokens}/executions/some-execution"
    await tab.sees(".user", "ops")
    # No such execution exists.
    tab.console_errors.clear()
    cookie = (await tab.page.context.cookies())[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    await tab.page.get_by_role("button", name="Sign out").click()
    await tab.page.goto(served_with_tokens)
    assert tab.page.url == f"{served_with_tokens}/sign-in?next=/"


async def test_an_operator_who_signed_in_is_the_actor_in_the_history(
    env: E2eEnvironment, served_with_tokens: str, open_page: Open
) -> None:
    plan = env.plan(env.wave("Web", approval_required=True))
    await register(plan)
    tab = await open_page(served_with_tokens)
    await sign_in(tab, _OPERATOR_TOKEN)
    page = tab.page
    await page.locator(f'[data-ask="drill"][data-wave="{plan.plan_id}"]').click()
    await page.get_by_role("button", name="Start the drill").click()
    await page.get_by_role("link", name="Watch it").click()
    await tab.shows("web", "Waiting for approval")
    # The user is an operator, not an approver; a skip would pass the approval.
    for name in ("Approve or refuse", "Skip"):
        assert await page.locator("#attention").get_by_role("button", name=name).is_disabled()
    await tab.sees("#attention", "this needs the approver role")
    await page.locator('[data-ask="pause"]').first.click()
    await page.locator("#dialog").get_by_role("button", name="Pause", exact=True).click()
    await tab.sees("#dialog", "Accepted")
    state = await env.until(plan, lambda s: s.messages)
    assert state.started_by == "ops"
    assert state.messages[0].actor == "ops"
    await replace_drill(env.client, plan.plan_id)


async def test_a_viewer_has_no_enabled_action(
    env: E2eEnvironment, served_with_tokens: str, open_page: Open
) -> None:
    plan = env.plan(env.wave("Web", approval_required=True))
    await register(plan)
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    tab = await open_page(f"{served_with_tokens}/executions/{execution_id}#web")
    await sign_in(tab, _VIEWER_TOKEN)
    await tab.sees("#attention", "Read-only: this needs")
    await tab.page.goto(f"{served_with_tokens}/executions/{execution_id}#web")
    await tab.sees("#panel h2", "Web")
    assert await tab.page.locator("[data-ask]").count() >= 4
    assert await tab.page.locator("[data-ask]:enabled").count() == 0
    # Also not with a button that is enabled in the browser.
    button = tab.page.locator('#panel [data-ask="skip_wave"]')
    await button.evaluate("each => (each.disabled = false)")
    await button.click()
    await tab.page.locator("#dialog").get_by_role("button", name="Skip", exact=True).click()
    await tab.sees("#dialog-outcome", "vic lacks the role approver")
    tab.console_errors.clear()
    await tab.page.goto(served_with_tokens)
    await tab.sees("#plans", "Read-only: starting needs")
    assert await tab.page.locator("[data-ask]:enabled").count() == 0
    await replace_drill(env.client, plan.plan_id)


async def test_the_sign_in_never_redirects_to_another_site(
    env: E2eEnvironment, served_with_tokens: str
) -> None:
    async with httpx.AsyncClient() as client:
        for wanted in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
            answer = await client.post(
                f"{served_with_tokens}/sign-in", data={"token": _OPERATOR_TOKEN, "next": wanted}
            )
            assert answer.headers["location"] == "/"


async def test_a_link_on_another_site_opens_the_page_without_another_sign_in(
    env: E2eEnvironment, served_with_tokens: str, open_page: Open
) -> None:
    tab = await open_page(served_with_tokens)
    await sign_in(tab, _OPERATOR_TOKEN)
    await tab.sees(".user", "ops")
    # The same server under a name that is another site to a browser.
    await tab.page.goto(served_with_tokens.replace("127.0.0.1", "localhost") + "/sign-in")
    await tab.page.evaluate(
        "address => { window.location.href = address }", f"{served_with_tokens}/"
    )
    await tab.sees(".user", "ops")
    tab.hosts = {each for each in tab.hosts if "localhost" not in each}


async def test_the_content_security_policy_allows_no_inline_script_or_style(
    env: E2eEnvironment, served_with_tokens: str
) -> None:
    async with httpx.AsyncClient(base_url=served_with_tokens) as client:
        for path in ("/", "/sign-in", "/executions/none", "/api/docs"):
            response = await client.get(path, follow_redirects=True)
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "<script>" not in response.text
            assert " style=" not in response.text
