"""Sign-in at an OpenID provider, with the provider's part played over loopback."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from api.auth import provider_sign_in
from security.static_tokens import token_hash
from settings import Settings, StaticToken
from tests.api.conftest import page_client
from tests.api.oidc import CLIENT_ID, Provider

KEY = "a-key-that-all-servers-of-the-pages-share"
TOKEN = "a-token-of-ops-00123"


@pytest.fixture
def settings(oidc_settings: Settings) -> Settings:
    """Settings with which people sign in at the provider."""
    return oidc_settings.model_copy(
        update={"oidc_client_id": CLIENT_ID, "session_key": SecretStr(KEY)}
    )


@pytest.fixture
async def browser(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at one server."""
    async with page_client(settings) as client:
        yield client


async def at_provider(browser: httpx.AsyncClient, next_path: str = "/plans/new") -> str:
    """Begin to sign in; the address at the provider."""
    begun = await browser.get("/sign-in/provider", params={"next": next_path})
    assert begun.status_code == 303
    return begun.headers["location"]


async def callback(browser: httpx.AsyncClient, next_path: str = "/plans/new") -> str:
    """Begin to sign in, and do so at the provider; the address that it leads back to."""
    async with httpx.AsyncClient() as other_tab:
        back = await other_tab.get(await at_provider(browser, next_path))
    return str(back.headers["location"])


async def subject(browser: httpx.AsyncClient) -> str | None:
    """Who is signed in, as the pages say."""
    page = await browser.get("/plans/new")
    found = re.search(r'class="user"[^>]*>([^<]*)<', page.text)
    return found and found[1]


async def refused(browser: httpx.AsyncClient, address: str, *, status: int = 401) -> str:
    """The page that says why a callback is refused; nobody is signed in."""
    page = await browser.get(address)
    assert page.status_code == status
    assert await subject(browser) is None
    return page.text.split('role="alert">')[1].split("<")[0]


async def test_one_signs_in_at_the_provider_and_lands_on_the_page_one_came_for(
    provider: Provider, browser: httpx.AsyncClient
) -> None:
    asked = await browser.get("/plans/new?x=1")
    form = await browser.get(asked.headers["location"])
    assert f"Sign in with {urlsplit(provider.issuer).netloc}" in form.text
    assert "Bearer token" not in form.text
    landed = await browser.get(await callback(browser, "/plans/new?x=1"))
    assert 'href="/plans/new?x=1"' in landed.text
    cookie = landed.headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert await subject(browser) == "ops"
    signed_out = await browser.post("/sign-out")
    assert f"{provider.issuer}/end?client_id={CLIENT_ID}" in signed_out.text
    assert await subject(browser) is None


async def test_the_provider_is_asked_with_pkce_state_and_nonce(browser: httpx.AsyncClient) -> None:
    asked = [parse_qs(urlsplit(await at_provider(browser)).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["redirect_uri"] == ["http://localhost:8080/sign-in/callback"]


async def test_an_access_token_for_the_api_is_kept_rather_than_the_id_token(
    provider: Provider, browser: httpx.AsyncClient
) -> None:
    provider.access_token = provider.token(sub="by-access-token")
    await browser.get(await callback(browser))
    assert await subject(browser) == "by-access-token"
    # One for another API is not taken.
    provider.access_token = provider.token(sub="by-access-token", aud="another")
    await browser.get(await callback(browser))
    assert await subject(browser) == "ops"


async def test_a_client_with_a_secret_authenticates_itself(
    provider: Provider, settings: Settings
) -> None:
    provider.secret = "the secret"
    async with page_client(settings) as browser:
        assert "invalid_client" in await refused(browser, await callback(browser))
    provider.secret = "the+secret"
    secret = settings.model_copy(update={"oidc_client_secret": SecretStr("the secret")})
    async with page_client(secret) as browser:
        await browser.get(await callback(browser))
        assert await subject(browser) == "ops"


async def test_a_sign_in_may_end_at_another_server_with_the_same_key(
    settings: Settings, browser: httpx.AsyncClient
) -> None:
    address = await callback(browser)
    async with page_client(settings) as other_server:
        other_server.cookies = browser.cookies
        await other_server.get(address)
        assert await subject(other_server) == "ops"
    elsewhere = settings.model_copy(update={"session_key": None})
    address = await callback(browser)
    async with page_client(elsewhere) as other_server:
        other_server.cookies = browser.cookies
        other_server.cookies.delete("drs_waves_token")
        assert "sign in again" in await refused(other_server, address)


async def test_behind_a_proxy_the_public_address_is_used_with_secure_cookies(
    settings: Settings,
) -> None:
    public = settings.model_copy(update={"public_url": "https://drs.example/"})
    async with page_client(public) as browser:
        begun = await browser.get("/sign-in/provider")
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["redirect_uri"] == ["https://drs.example/sign-in/callback"]
    assert "Secure" in begun.headers["set-cookie"]


async def test_a_callback_is_good_once(browser: httpx.AsyncClient) -> None:
    address = await callback(browser)
    kept = browser.cookies["drs_waves_sign_in"]
    assert (await browser.get(address)).status_code == 200
    browser.cookies.clear()
    assert "another browser, has ended" in await refused(browser, address)
    # Also not with what the browser had kept.
    browser.cookies.set("drs_waves_sign_in", kept)
    assert "invalid_grant" in await refused(browser, address)


async def test_a_code_from_another_browser_signs_nobody_in(
    settings: Settings, browser: httpx.AsyncClient
) -> None:
    async with page_client(settings) as attacker:
        theirs = await callback(attacker)
    assert "another browser" in await refused(browser, theirs)
    # Nor while this one signs in itself.
    mine = await callback(browser)
    assert "another sign-in" in await refused(browser, theirs)
    # Nor with this one's own state.
    state = parse_qs(urlsplit(mine).query)["state"][0]
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    query = {"code": code, "state": state}
    forged = str(httpx.URL("/sign-in/callback", params=query))
    assert "invalid_grant" in await refused(browser, forged)


@pytest.mark.parametrize("state", ["", "wrong", "ü", "\x00"])
async def test_a_wrong_state_is_refused_and_none_of_its_text_is_shown(
    browser: httpx.AsyncClient, state: str
) -> None:
    await at_provider(browser)
    query = {"state": state, "error": "call 555-0100", "code": "c"}
    text = await refused(browser, str(httpx.URL("/sign-in/callback", params=query)))
    assert "another sign-in" in text
    assert "555" not in text


async def test_a_refusal_of_the_provider_is_shown(browser: httpx.AsyncClient) -> None:
    state = parse_qs(urlsplit(await at_provider(browser)).query)["state"][0]
    query = {"state": state, "error": "access_denied", "error_description": "<b>Not a member"}
    text = await refused(browser, str(httpx.URL("/sign-in/callback", params=query)))
    assert "did not sign you in: access_denied: &lt;b&gt;Not a member" in text


@pytest.mark.parametrize("kept", ["", "x", "ü", "gAAAAAB", "=" * 5000])
async def test_a_forged_transaction_is_refused(browser: httpx.AsyncClient, kept: str) -> None:
    headers = [(b"cookie", f"drs_waves_sign_in={kept}".encode())]
    page = await browser.get("/sign-in/callback?state=s&code=c", headers=headers)
    assert page.status_code == 401
    assert "began in another browser" in page.text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "of-another-sign-in"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"aud": "another-client"}, "Audience"),
        ({"iss": "https://example.com"}, "issuer"),
        ({"exp": 1}, "expired"),
        ({"unsigned": True}, "alg"),
        ({"kid": "unknown"}, "no signing key"),
        ({"sub": "a\nb"}, "printable"),
    ],
)
async def test_an_invalid_id_token_signs_nobody_in(
    provider: Provider, browser: httpx.AsyncClient, claims: dict[str, object], why: str
) -> None:
    provider.id_claims = claims
    provider.access_token = "opaque"
    assert why in await refused(browser, await callback(browser))


async def test_a_token_that_no_cookie_holds_is_named_as_such(
    provider: Provider, browser: httpx.AsyncClient
) -> None:
    provider.id_claims = {"groups": ["a-group-with-a-long-name"] * 200}
    assert "leave claims out" in await refused(browser, await callback(browser))


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token"])
async def test_an_unavailable_provider_is_named_and_static_tokens_still_sign_in(
    provider: Provider, settings: Settings, path: str
) -> None:
    tokens = {"night": StaticToken(hash=token_hash(TOKEN), roles=["viewer"])}
    async with page_client(settings.model_copy(update={"api_tokens": tokens})) as browser:
        if path == "/token":
            address = await callback(browser)
            provider.is_exchanging = False
        else:
            provider.respond(path, b"", status=502)
            address = "/sign-in/provider"
        assert "nobody can sign in there now" in await refused(browser, address, status=503)
        form = await browser.get("/sign-in")
        assert "Bearer token" in form.text
        await browser.post("/sign-in", data={"token": TOKEN})
        assert await subject(browser) == "night"


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "x",
        "http://[",
        "/evil" * 300,
    ],
)
async def test_the_sign_in_leads_to_no_other_site(browser: httpx.AsyncClient, wanted: str) -> None:
    landed = await browser.get(await callback(browser, wanted))
    assert 'href="/"' in landed.text
    assert "evil" not in landed.text


async def test_a_sign_in_takes_at_most_ten_minutes(
    browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = await callback(browser)
    monkeypatch.setattr(provider_sign_in, "SIGN_IN_SECONDS", -1)
    assert "took longer" in await refused(browser, address)


async def test_a_page_of_another_site_cannot_sign_one_in_with_its_own_token(
    settings: Settings,
) -> None:
    tokens = {"evil": StaticToken(hash=token_hash(TOKEN), roles=["viewer"])}
    async with page_client(settings.model_copy(update={"api_tokens": tokens})) as browser:
        for site in ("cross-site", "same-site"):
            headers: Mapping[str, str] = {"Sec-Fetch-Site": site}
            answer = await browser.post("/sign-in", data={"token": TOKEN}, headers=headers)
            assert answer.status_code == 403
            assert await subject(browser) is None


async def test_an_ended_sign_in_is_said_and_leads_back(
    provider: Provider, browser: httpx.AsyncClient
) -> None:
    browser.cookies.set("drs_waves_token", provider.token(exp=time.time() - 60))
    asked = await browser.get("/plans/new")
    form = await browser.get(asked.headers["location"])
    assert "your sign-in has ended" in form.text
    assert "next=/plans/new" in form.text
    # Somebody has signed in in another tab meanwhile.
    browser.cookies.set("drs_waves_token", provider.token())
    assert (await browser.get(asked.headers["location"])).headers["location"] == "/plans/new"


async def test_a_token_that_cannot_be_verified_now_is_not_called_ended(
    provider: Provider, browser: httpx.AsyncClient
) -> None:
    browser.cookies.set("drs_waves_token", provider.token())
    provider.respond("/keys", b"", status=502)
    asked = await browser.get("/plans/new")
    assert "cannot be verified now" in await refused(browser, asked.headers["location"], status=503)
