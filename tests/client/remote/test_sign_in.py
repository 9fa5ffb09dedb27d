"""Signing in, against a provider that checks PKCE; the tokens are those that the API accepts."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from client.remote.session import Session
from client.remote.sign_in import SignIn, SignInError
from client.remote.sign_in_options import SignInOptions
from client.remote.token_store import StoredToken, TokenStore
from tests.api.oidc import AUDIENCE, Provider
from tests.client.remote.provider import CLIENT_ID, SignInProvider

API = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def tokens() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(tokens: Provider) -> SignInProvider:
    found = SignInProvider(tokens)
    found.offer()
    return found


async def signing_in(provider: SignInProvider) -> SignIn:
    found = SignIn(
        SignInOptions(
            is_open=False, issuer=provider.tokens.issuer, client_id=CLIENT_ID, audience=AUDIENCE
        )
    )
    await found.read_provider()
    return found


async def in_browser(
    provider: SignInProvider, browse: Callable[[str, httpx.AsyncClient], Coroutine[Any, Any, None]]
) -> StoredToken:
    """Sign in; `browse` is what the browser does with the page's address."""
    sign_in = await signing_in(provider)
    tasks = []
    async with httpx.AsyncClient() as browser:
        token = await sign_in.in_browser(
            lambda url: tasks.append(asyncio.create_task(browse(url, browser)))
        )
        await asyncio.gather(*tasks)
    return token


async def test_a_person_signs_in_in_the_browser_with_pkce(provider: SignInProvider) -> None:
    async def browse(url: str, browser: httpx.AsyncClient) -> None:
        assert f"audience={AUDIENCE}" in url
        answer = await browser.get(provider.approve(url))
        assert "You can close this page" in answer.text
        assert answer.headers["cache-control"] == "no-store"

    token = await in_browser(provider, browse)
    assert token.refresh_token is not None
    assert provider.forms[-1]["grant_type"] == "authorization_code"
    assert "code_verifier" in provider.forms[-1]


async def test_an_answer_that_nobody_asked_for_does_not_sign_anybody_in(
    provider: SignInProvider,
) -> None:
    """Another page of the browser sends a code of its own to the open port."""

    async def browse(url: str, browser: httpx.AsyncClient) -> None:
        forged = [provider.approve(url, state="forged"), provider.approve(url).partition("?")[0]]
        forged.append(provider.approve(url).replace("/callback", "/other"))
        for each in forged:
            assert (await browser.get(each)).status_code == 400
        assert not provider.forms
        await browser.get(provider.approve(url))

    assert await in_browser(provider, browse)


async def test_a_code_that_was_given_to_another_sign_in_is_of_no_use(
    provider: SignInProvider,
) -> None:
    async def browse(url: str, browser: httpx.AsyncClient) -> None:
        back = httpx.URL(provider.approve(url))
        provider.codes[back.params["code"]]["code_challenge"] = "another"
        await browser.get(back)

    with pytest.raises(SignInError, match="the identity provider refused: invalid_grant"):
        await in_browser(provider, browse)


async def test_a_person_who_refuses_is_not_signed_in(provider: SignInProvider) -> None:
    async def browse(url: str, browser: httpx.AsyncClient) -> None:
        back = httpx.URL(provider.approve(url))
        refused = back.copy_remove_param("code").copy_add_param("error", "access_denied")
        assert "Not signed in: access_denied" in (await browser.get(refused)).text

    with pytest.raises(SignInError, match="access_denied"):
        await in_browser(provider, browse)


async def test_a_person_signs_in_with_a_code_on_another_machine(provider: SignInProvider) -> None:
    provider.pending = ["authorization_pending", "authorization_pending"]
    shown: list[tuple[str, str]] = []
    sign_in = await signing_in(provider)
    assert sign_in.has_device_flow
    token = await sign_in.with_device(lambda *each: shown.append(each))
    assert shown == [(f"{provider.tokens.issuer}/activate", "WDJB-MJHT")]
    assert (len(provider.forms), token.client_id) == (3, CLIENT_ID)


async def test_a_refused_code_ends_the_sign_in(provider: SignInProvider) -> None:
    provider.pending = ["access_denied"]
    sign_in = await signing_in(provider)
    with pytest.raises(SignInError, match="access_denied"):
        await sign_in.with_device(lambda *_: None)


async def test_another_issuer_or_one_without_tls_is_not_asked(provider: SignInProvider) -> None:
    options = SignInOptions(
        is_open=False, issuer=f"{provider.tokens.issuer}/tenant", client_id=CLIENT_ID
    )
    provider.tokens.respond(
        "/tenant/.well-known/openid-configuration", {"issuer": provider.tokens.issuer}
    )
    with pytest.raises(SignInError, match="answers as another issuer"):
        await SignIn(options).read_provider()
    plain = options.model_copy(update={"issuer": "http://idp.example.com"})
    with pytest.raises(SignInError, match="has no https://"):
        await SignIn(plain).read_provider()


async def signed_in(provider: SignInProvider, folder: Path) -> Session:
    """A session with the token of a sign-in with a code."""
    session = Session(API, None, TokenStore(folder))
    session.keep(await (await signing_in(provider)).with_device(lambda *_: None))
    return session


async def test_a_token_that_ends_is_renewed_silently_and_the_new_one_is_kept(
    provider: SignInProvider, tmp_path: Path
) -> None:
    provider.lasts = 10
    session = await signed_in(provider, tmp_path)
    first = session.stored()
    provider.lasts = 300
    renewed = await session.token()
    assert first is not None
    assert renewed != first.access_token.get_secret_value()
    assert await Session(API, None, TokenStore(tmp_path)).token() == renewed
    assert [form["grant_type"] for form in provider.forms][1:] == ["refresh_token"]
    # The API refused it before its end.
    assert await session.token(True) != renewed


async def test_without_a_refresh_token_the_api_is_to_say_that_the_token_has_ended(
    provider: SignInProvider, tmp_path: Path
) -> None:
    provider.lasts, provider.gives_refresh_tokens = 0, False
    session = await signed_in(provider, tmp_path)
    assert await session.token() == await session.token(True)
    assert len(provider.forms) == 1
