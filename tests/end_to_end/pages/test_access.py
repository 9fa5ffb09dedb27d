"""Authentication and roles on the pages."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from cli.app import app
from client.start import replace_drill, start_execution
from recovery.execution.wave import WaitingFor
from recovery.notify.events import ItemKind
from sandbox.stack import Stack
from settings import get_settings
from tests.api.oidc import AUDIENCE, CLIENT_ID, Provider
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.notified import asking, channel_variables, incidents_are_resolved
from tests.end_to_end.pages.conftest import Open, Tab, register
from tests.static_tokens import token_of, token_settings

_OPERATOR_TOKEN, _VIEWER_TOKEN = token_of("ops"), token_of("vic")
_TOKENS = token_settings(ops=["operator"], vic=["viewer"])


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """An OpenID provider that is another site to a browser."""
    with Provider() as started:
        started.issuer = started.issuer.replace("127.0.0.1", "localhost")
        started.reset()
        yield started


@pytest.fixture(scope="module")
async def served_with_tokens(stack: Stack, provider: Provider) -> AsyncIterator[str]:
    """The URL of the pages with static tokens and a provider."""
    variables = {
        "DRS_WAVES_API_TOKENS": json.dumps(_TOKENS),
        "DRS_WAVES_OIDC_ISSUER": provider.issuer,
        "DRS_WAVES_OIDC_AUDIENCE": AUDIENCE,
        "DRS_WAVES_OIDC_CLIENT_ID": CLIENT_ID,
    }
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
    await tab.sees(".error", "not valid")
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


@pytest.mark.slow
async def test_a_sign_in_at_the_provider_that_ends_loses_nothing_that_was_typed(
    env: E2eEnvironment, served_with_tokens: str, provider: Provider, open_page: Open
) -> None:
    plan = env.plan(env.wave("Web", approval_required=True))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    address = f"{served_with_tokens}/executions/{execution_id}"
    provider.asks = True
    tab = await open_page(address)
    page, dialog = tab.page, tab.page.locator("#dialog")
    await page.get_by_role("link", name="Sign in with localhost").click()
    # Accepted for eight seconds more, because clocks differ.
    roles = ["operator", "approver"]
    provider.id_claims = {"exp": int(time.time()) - 22, "roles": roles}
    await page.get_by_role("link", name="Sign in as ops").click()
    await tab.sees(".user", "ops")
    assert page.url == address
    assert [each["sameSite"] for each in await page.context.cookies()] == ["Strict"]

    await page.locator("#attention").get_by_role("button", name="Skip").click()
    await dialog.get_by_label("Reason").fill("typed before the end")
    await tab.sees("#old", "LAST KNOWN STATE")
    await tab.sees("#old", "your sign-in has ended")
    skip = dialog.get_by_role("button", name="Skip", exact=True)
    await skip.click()
    await tab.sees("#dialog-outcome", "NOT DONE: your sign-in has ended")
    tab.console_errors.clear()

    # With a session at the provider, nothing is typed.
    provider.reset()
    provider.id_claims = {"roles": roles}
    async with page.context.expect_page() as opened:
        await dialog.get_by_role("link", name="Sign in").click()
    other = await opened.value
    await other.get_by_role("link", name="Sign in with localhost").click()
    await other.wait_for_url(address)
    await skip.click()
    await tab.sees("#dialog", "Accepted")
    await page.locator("#old").wait_for(state="hidden")
    message = (await env.end(plan, execution_id)).messages[0]
    assert (message.actor, message.reason) == ("ops", "typed before the end")
    tab.hosts = {each for each in tab.hosts if "localhost" not in each}


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


@pytest.fixture
async def notified(
    env_without_worker: E2eEnvironment,
    served_with_tokens: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[E2eEnvironment]:
    """The stack with a worker that has channels, and links to the pages."""
    variables = channel_variables(env_without_worker, tmp_path)
    for name, value in {**variables, "DRS_WAVES_PUBLIC_URL": served_with_tokens}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    async with RunningWorkers(env_without_worker):
        yield env_without_worker


async def test_a_decision_is_made_on_the_page_that_its_message_links_to(
    notified: E2eEnvironment, served_with_tokens: str, provider: Provider, open_page: Open
) -> None:
    env = notified
    plan, execution_id = await asking(env)

    def items(kind: ItemKind) -> list[dict[str, Any]]:
        return [
            item
            for message in env.aws.messages("web-hook")
            for item in message["Content"]["Items"]
            if "Decision" in item["Item"] and item["Item"]["Kind"] == kind
            if item["Item"]["Execution"]["PlanId"] == plan.plan_id
        ]

    async def hears(kind: ItemKind) -> bool:
        return bool(items(kind))

    await env.eventually(lambda: hears(ItemKind.ASKED))
    link = items(ItemKind.ASKED)[0]["Link"]
    provider.reset()
    provider.asks = True
    provider.id_claims = {"sub": "ann", "roles": ["operator", "approver"]}
    tab = await open_page(link)
    page, attention = tab.page, tab.page.locator("#attention")
    assert urlsplit(page.url).path == "/sign-in"
    await page.get_by_role("link", name="Sign in with localhost").click()
    await page.get_by_role("link", name="Sign in as").click()
    await tab.sees(".user", "ann")
    # The provider has no icon.
    tab.console_errors.clear()
    assert page.url == link == f"{served_with_tokens}/executions/{execution_id}"
    await attention.get_by_role("button", name="I have it").click()
    await page.locator("#dialog").get_by_role("button", name="I have it").click()
    await tab.sees("#dialog", "Accepted")
    await page.keyboard.press("Escape")
    await tab.sees("#attention", "ann has it")
    await env.eventually(lambda: hears(ItemKind.ACKNOWLEDGED))

    await attention.get_by_role("button", name="Accept").click()
    await page.locator("#dialog").get_by_role("button", name="Accept").click()
    await tab.sees("#dialog", "Accepted")
    await page.keyboard.press("Escape")
    state = await env.end(plan, execution_id)
    assert [each.actor for each in state.messages] == ["ann", "ann"]
    await env.eventually(lambda: hears(ItemKind.RESOLVED))
    await env.eventually(lambda: incidents_are_resolved(env))
    await page.goto(f"{served_with_tokens}/decisions")
    await tab.sees("h1", "Open decisions")
    assert plan.plan_id not in await page.locator("body").inner_text()
    listed = await asyncio.to_thread(CliRunner().invoke, app, ["decisions"])
    assert listed.exit_code == 0, listed.output
    assert plan.plan_id not in listed.output
    provider.asks = False
    tab.hosts = {each for each in tab.hosts if "localhost" not in each}
