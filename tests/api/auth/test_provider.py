"""The identity provider's keys while it does not answer."""

import pytest
from structlog.testing import capture_logs

from api.auth import provider as provider_module
from api.auth.provider import ProviderUnavailableError
from api.auth.rate_limits import RateLimits
from api.auth.tokens import Authenticator
from settings import Settings
from tests.api.oidc import Provider


@pytest.fixture
async def knows_keys(
    provider: Provider, oidc_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Authenticator:
    """Has read the keys of a provider that no longer answers, and reads them again each time."""
    authenticator = Authenticator(oidc_settings, RateLimits(oidc_settings))
    await authenticator.authenticate(provider.token(), "127.0.0.1")
    for name in ("_KEYS_SECONDS", "_RETRY_SECONDS", "_UNAVAILABLE_SECONDS"):
        monkeypatch.setattr(provider_module, name, 0.0)
    provider.respond("/keys", b"", status=502)
    provider.requests.clear()
    return authenticator


async def test_known_keys_serve_while_the_provider_is_away_with_one_warning(
    provider: Provider, knows_keys: Authenticator
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            assert (await knows_keys.authenticate(provider.token(), "127.0.0.1")).subject == "ops"
    assert provider.requests == ["/keys"] * 3
    assert [each["log_level"] for each in logs] == ["warning"]
    assert "502" in logs[0]["error"]


async def test_a_known_key_serves_no_longer_than_a_day(
    provider: Provider, knows_keys: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provider_module._STALE_SECONDS == 24 * 3600
    monkeypatch.setattr(provider_module, "_STALE_SECONDS", 0.0)
    with pytest.raises(ProviderUnavailableError, match="502"):
        await knows_keys.authenticate(provider.token(), "127.0.0.1")


async def test_an_unknown_key_is_not_the_tokens_fault_while_the_provider_is_away(
    provider: Provider, knows_keys: Authenticator
) -> None:
    with pytest.raises(ProviderUnavailableError, match="502"):
        await knows_keys.authenticate(provider.token(kid="rotated"), "127.0.0.1")


async def test_a_key_that_the_provider_withdrew_is_refused_once_it_answers(
    provider: Provider, knows_keys: Authenticator
) -> None:
    await knows_keys.authenticate(provider.token(), "127.0.0.1")
    provider.reset()
    provider.respond("/keys", {"keys": [provider.public_jwk("ec")]})
    assert await knows_keys.authenticate(provider.token(key="ec"), "127.0.0.1")
    with pytest.raises(Exception, match="no signing key 'rsa'"):
        await knows_keys.authenticate(provider.token(), "127.0.0.1")
