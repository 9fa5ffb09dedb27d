"""The headers of responses, and what proxies may say of requests."""

import httpx
import pytest
from typer.testing import CliRunner

from cli.app import app
from settings import Settings, get_settings
from tests.api.conftest import page_client
from tests.static_tokens import token_of, token_settings

pytestmark = pytest.mark.usefixtures("isolated_environment")
_TOKENS = token_settings(ops=["operator"])
_BY_HTTPS = {"X-Forwarded-Proto": "https"}
# ASGITransport connects from this address.
_PROXIED = Settings.model_validate({"api_tokens": _TOKENS, "trusted_proxies": "127.0.0.1"})


async def signed_in(client: httpx.AsyncClient) -> httpx.Response:
    """The answer to a sign-in through a proxy that has the certificate."""
    form = {"token": token_of("ops")}
    answer = await client.post("/sign-in", data=form, headers=_BY_HTTPS)
    assert answer.status_code == 303
    return answer


async def test_behind_a_named_proxy_the_cookie_is_secure_and_browsers_stay_with_https() -> None:
    async with page_client(_PROXIED) as client:
        answer = await signed_in(client)
        assert "; Secure" in answer.headers["set-cookie"]
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Strict-Transport-Security" not in (await client.get("/sign-in")).headers


async def test_what_others_say_of_the_connection_counts_for_nothing() -> None:
    others = _PROXIED.model_copy(update={"trusted_proxies": None})
    async with page_client(others) as client:
        answer = await signed_in(client)
        assert "; Secure" not in answer.headers["set-cookie"]
        assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/", "/sign-in", "/plans/crm", "/executions.csv", "/api/me", "/api/health", "/api/none",
     "/api/openapi.json", "/api/docs", "/no-such-page"],
)  # fmt: skip
async def test_no_response_is_kept_in_a_cache_or_may_use_a_device(path: str) -> None:
    async with page_client(_PROXIED) as client:
        headers = (await client.get(path)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_a_rejected_request_has_the_headers_too() -> None:
    async with page_client(Settings()) as client:
        answer = await client.get("/", headers={"Host": "rebound.example"})
    assert answer.status_code == 400
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/pages/page.js", "/api/docs/files/swagger-ui.css"])
async def test_static_files_may_be_kept(path: str) -> None:
    async with page_client(_PROXIED) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert "Cache-Control" not in answer.headers


def test_no_proxy_brings_others_to_a_server_that_knows_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variables, reached in (
        ({"DRS_WAVES_TRUSTED_PROXIES": "10.0.0.0/24, 2001:db8::1"}, "the proxies"),
        ({"DRS_WAVES_API_HOST": "0.0.0.0", "DRS_WAVES_API_TOKENS": "{}"}, "0.0.0.0"),
    ):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            get_settings.cache_clear()
            result = CliRunner().invoke(app, ["serve"])
        get_settings.cache_clear()
        assert result.exit_code == 2
        assert f"other machines can reach {reached}" in result.stderr
