"""`login` finds the provider from the API, and keeps a token that the API accepts."""

import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner, Result

from api.app import create_app
from cli.app import app
from client.remote import sign_in
from sandbox.stack import free_port
from settings import Settings, get_settings
from tests.api.oidc import AUDIENCE, Provider
from tests.client.remote.conftest import no_keyring
from tests.client.remote.provider import CLIENT_ID, SignInProvider

__all__ = ["no_keyring"]


@pytest.fixture(scope="module")
def tokens() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(tokens: Provider) -> SignInProvider:
    found = SignInProvider(tokens)
    found.offer()
    return found


@pytest.fixture(scope="module")
def url(tokens: Provider) -> Iterator[str]:
    """A real API, without Temporal or AWS behind it."""
    settings = Settings(
        oidc_issuer=tokens.issuer, oidc_audience=AUDIENCE, oidc_cli_client_id=CLIENT_ID
    )
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def environment(
    url: str, provider: SignInProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("DRS_WAVES_API_URL", url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


def do(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result


def test_where_there_is_no_browser_a_code_is_shown(
    environment: pytest.MonkeyPatch, provider: SignInProvider, url: str, tmp_path: Path
) -> None:
    signed_in = do("login")
    assert "The code is WDJB-MJHT" in signed_in.stderr
    assert f"ann at {url} (viewer, operator; until 20" in signed_in.stdout
    kept = tmp_path / "drs-waves" / "tokens.json"
    assert f"The token is in {kept}" in signed_in.stdout
    whoami = do("whoami")
    # Of a token that is renewed, the end says nothing.
    assert "ann at" in whoami.stdout
    for secret in (*provider.refresh_tokens, '"AccessToken"'):
        assert secret in kept.read_text()
        assert secret not in signed_in.output + whoami.output
    assert do("logout").stdout == f"Signed out of {url}\n"
    refused = do("whoami", code=2)
    assert "Sign in again: `drs-waves login`" in refused.stderr


def test_with_a_browser_its_page_signs_in(
    environment: pytest.MonkeyPatch, provider: SignInProvider
) -> None:
    def browse(page: str) -> bool:
        sent_back = provider.approve(page)
        threading.Thread(target=httpx.get, args=(sent_back,)).start()
        return True

    environment.setenv("DISPLAY", ":0")
    environment.setattr(webbrowser, "get", lambda: None)
    environment.setattr(webbrowser, "open", browse)
    assert "ann at" in do("login").stdout
    assert provider.forms[-1]["grant_type"] == "authorization_code"


def test_a_token_that_the_api_does_not_accept_is_not_kept(
    environment: pytest.MonkeyPatch, provider: SignInProvider, tmp_path: Path
) -> None:
    environment.setattr(provider.tokens, "token", lambda **_: "the-token-of-another-audience")
    refused = do("login", code=2)
    assert "the-token-of-another-audience" not in refused.output
    assert not (tmp_path / "drs-waves").exists()


def test_the_token_of_the_environment_has_precedence(
    environment: pytest.MonkeyPatch, provider: SignInProvider
) -> None:
    environment.setenv("DRS_WAVES_API_TOKEN", provider.tokens.token(sub="pipeline"))
    assert "pipeline at" in do("whoami").stdout
    assert "DRS_WAVES_API_TOKEN is set" in do("login", code=2).stderr


def test_while_the_provider_is_lost_the_way_without_it_is_named(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setattr(sign_in, "_PROVIDER_SECONDS", 1e-9)
    text = do("login", code=5).stderr
    assert "does not answer: ConnectTimeout. If the API or its identity provider is" in text
    assert "`--break-glass REASON --key FILE`" in text


@pytest.mark.parametrize("words", [["login"], ["logout"], ["whoami"]])
def test_without_an_api_there_is_nothing_to_sign_in_at(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRS_WAVES_API_URL", raising=False)
    get_settings.cache_clear()
    assert "set DRS_WAVES_API_URL" in do(*words, code=2).stderr


def test_a_token_is_sent_over_tls_only(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DRS_WAVES_API_URL", "http://drs.example.com")
    get_settings.cache_clear()
    assert "could be read on the way" in " ".join(do("status", code=2).stderr.split())


@pytest.mark.parametrize(
    "words", [["worker"], ["serve"], ["init-tables"], ["history", "verify", "--all"]]
)
def test_what_the_api_cannot_do_is_refused_in_one_line(
    words: list[str], environment: pytest.MonkeyPatch
) -> None:
    needs = " ".join(each for each in words if not each.startswith("-"))
    refused = f"error: {needs} needs Temporal itself; unset DRS_WAVES_API_URL\n"
    assert do(*words, code=2).stderr == refused
