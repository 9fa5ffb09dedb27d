"""Authentication by static tokens and by JWTs of a provider on loopback."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from api.auth.provider import ProviderUnavailableError
from api.auth.rate_limits import RateLimits
from api.auth.tokens import Authenticator, NotAuthenticatedError, Principal
from recovery.access.audit import Proof
from recovery.access.roles import Role
from security.static_tokens import token_hash
from settings import Settings, StaticToken
from tests.api.conftest import api_client
from tests.api.oidc import AUDIENCE, Provider

pytestmark = pytest.mark.usefixtures("isolated_environment")
TOKEN = "a-token-of-ops-00123"
STATIC = Settings(
    api_tokens={
        "ops": StaticToken(hash=token_hash(TOKEN), roles=[Role.OPERATOR, Role.APPROVER]),
        "last": StaticToken(hash=token_hash("another"), roles=[Role.VIEWER]),
    }
)
ADDRESS = "192.0.2.1"


def authenticator(settings: Settings) -> Authenticator:
    """An authenticator of a server alone, as there is no AWS."""
    return Authenticator(settings, RateLimits(settings))


async def authenticated(settings: Settings, token: str | None) -> Principal:
    """The caller of a token."""
    return await authenticator(settings).authenticate(token, ADDRESS)


async def refused(settings: Settings, token: str | None) -> str:
    """Why a token is refused."""
    with pytest.raises(NotAuthenticatedError) as caught:
        await authenticator(settings).authenticate(token, ADDRESS)
    return str(caught.value)


async def away(settings: Settings, token: str) -> str:
    """Why a token cannot be verified."""
    with pytest.raises(ProviderUnavailableError) as caught:
        await authenticator(settings).authenticate(token, ADDRESS)
    return str(caught.value)


async def test_a_static_token_has_its_subject_and_roles() -> None:
    ops = await authenticated(STATIC, TOKEN)
    assert ops == Principal("ops", frozenset({Role.OPERATOR, Role.APPROVER}), Proof.STATIC_TOKEN)
    assert ops.may(Role.VIEWER)
    assert not ops.may(Role.ADMIN)


@pytest.mark.parametrize("token", [None, "", "a-token-of-ops-00124", TOKEN + "x", TOKEN[:-1], "ü"])
async def test_an_unknown_static_token_is_refused(token: str | None) -> None:
    assert "bearer token" in await refused(STATIC, token)


@pytest.mark.parametrize("key", ["rsa", "ec"])
async def test_a_signed_token_has_its_subject_and_roles(
    provider: Provider, oidc_settings: Settings, key: str
) -> None:
    token = provider.token(key=key, sub="night", roles=["approver", "viewer", "of something else"])
    night = await authenticated(oidc_settings, token)
    assert night == Principal("night", frozenset({Role.APPROVER, Role.VIEWER}), Proof.OIDC)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"exp": -120}, "expired"),
        ({"nbf": 120}, "not yet valid"),
        ({"iat": 120}, "not yet valid"),
        ({"aud": "somebody-else"}, "Audience"),
        ({"aud": ["a", "b"]}, "Audience"),
        ({"iss": "https://example.com"}, "issuer"),
        ({"exp": None}, "exp"),
        ({"aud": None}, "aud"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "ub"),
        ({"sub": "a\nb"}, "printable"),
        ({"sub": "\ud800"}, "printable"),
        ({"sub": "x" * 201}, "printable"),
        ({"exp": "tomorrow"}, "exp"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    provider: Provider, oidc_settings: Settings, changed: dict[str, Any], why: str
) -> None:
    # Times are given in seconds from now.
    now = time.time()
    times = {name: now + value for name, value in changed.items() if name in ("exp", "nbf", "iat")
             and isinstance(value, int)}  # fmt: skip
    assert why in await refused(oidc_settings, provider.token(**changed | times))


async def test_a_token_signed_with_another_key_is_refused(
    provider: Provider, oidc_settings: Settings
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "ignature" in await refused(oidc_settings, provider.token(private=other))
    assert "signing key" in await refused(oidc_settings, provider.token(kid="unknown"))
    # Signed with one of the provider's keys, but with the kid of another.
    assert "not valid" in await refused(oidc_settings, provider.token(key="ec", kid="rsa"))


async def test_an_unsigned_token_or_one_signed_with_the_public_key_is_refused(
    provider: Provider, oidc_settings: Settings
) -> None:
    assert "alg" in await refused(oidc_settings, provider.unsigned(roles=["admin"]))
    assert "alg" in await refused(
        oidc_settings, provider.signed_with_the_public_key(roles=["admin"])
    )


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "." * 9, "\x00", "é" * 99])
async def test_a_malformed_token_is_refused_without_a_request_to_the_provider(
    provider: Provider, oidc_settings: Settings, token: str
) -> None:
    await refused(oidc_settings, token)
    assert provider.requests == []


@pytest.mark.parametrize(
    "roles", [None, [], ["of something else"], 5, {"admin": True}, [["admin"]]]
)
async def test_a_caller_without_a_known_role_is_a_viewer(
    provider: Provider, oidc_settings: Settings, roles: object
) -> None:
    ops = await authenticated(oidc_settings, provider.token(roles=roles))
    assert [role for role in Role if ops.may(role)] == [Role.VIEWER]


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("resource_access.drs.roles", {"resource_access": {"drs": {"roles": ["admin"]}}}),
        ("https://example.com/roles", {"https://example.com/roles": ["admin"]}),
        ("scope", {"scope": "openid admin"}),
    ],
)
async def test_roles_are_found_where_the_claim_is_set_to(
    provider: Provider, oidc_settings: Settings, claim: str, claims: dict[str, Any]
) -> None:
    settings = oidc_settings.model_copy(update={"oidc_roles_claim": claim})
    assert (await authenticated(settings, provider.token(**claims))).may(Role.ADMIN)
    others: dict[str, Any] = {"https://example.com/roles": 1}
    wrong = provider.token(resource_access="x", scope="openid", **others)
    assert not (await authenticated(settings, wrong)).may(Role.ADMIN)


async def test_static_tokens_and_a_provider_serve_side_by_side(
    provider: Provider, oidc_settings: Settings
) -> None:
    both = oidc_settings.model_copy(update={"api_tokens": STATIC.api_tokens})
    assert (await authenticated(both, TOKEN)).subject == "ops"
    assert (await authenticated(both, provider.token(sub="night"))).subject == "night"
    assert "not valid" in await refused(both, "neither")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", b"<html>busy</html>"),
        ("/keys", {"keys": []}),
        ("/keys", []),
        ("/keys", {"keys": [{"kty": "RSA"}]}),
        ("/.well-known/openid-configuration", b"nonsense"),
        ("/.well-known/openid-configuration", {"issuer": "https://example.com"}),
        ("/.well-known/openid-configuration", {"jwks_uri": "file:///etc/passwd"}),
        ("/.well-known/openid-configuration", []),
    ],
)
async def test_an_invalid_response_of_the_provider_is_not_the_tokens_fault(
    provider: Provider, oidc_settings: Settings, path: str, answer: object
) -> None:
    provider.respond(path, answer)
    await away(oidc_settings, provider.token())


async def test_a_discovery_document_of_another_issuer_is_rejected(
    provider: Provider, oidc_settings: Settings
) -> None:
    document = {"issuer": "https://example.com", "jwks_uri": f"{provider.issuer}/keys"}
    provider.respond("/.well-known/openid-configuration", document)
    assert "another issuer" in await away(oidc_settings, provider.token())


async def test_an_unavailable_provider_gives_503_and_gets_one_request_for_many_callers(
    provider: Provider, oidc_settings: Settings
) -> None:
    provider.respond("/keys", b"", status=502)
    token = provider.token()
    async with api_client(oidc_settings, Authorization=f"Bearer {token}") as client:
        answers = await asyncio.gather(*(client.get("/me") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["retry-after"]
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert provider.requests.count("/keys") <= 2


async def test_an_unreachable_provider_gives_503_and_static_tokens_still_work(
    provider: Provider, oidc_settings: Settings
) -> None:
    nowhere = {"oidc_issuer": "http://127.0.0.1:9", "api_tokens": STATIC.api_tokens}
    settings = oidc_settings.model_copy(update=nowhere)
    async with api_client(settings) as client:
        by_provider = {"Authorization": f"Bearer {provider.token()}"}
        assert (await client.get("/me", headers=by_provider)).status_code == 503
        static = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/me", headers=static)).json()["Subject"] == "ops"


async def test_keys_are_read_once_even_if_a_token_names_an_unknown_key(
    provider: Provider, oidc_settings: Settings
) -> None:
    one = authenticator(oidc_settings)
    for _ in range(5):
        await one.authenticate(provider.token(), ADDRESS)
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            await one.authenticate(provider.token(kid="unknown"), ADDRESS)
    assert provider.requests == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_may_be_configured_without_discovery(
    provider: Provider, isolated_environment: None
) -> None:
    settings = Settings(
        oidc_issuer="https://issuer.example",
        oidc_audience=AUDIENCE,
        oidc_jwks_url=f"{provider.issuer}/keys",
    )
    ops = await authenticated(settings, provider.token(iss="https://issuer.example"))
    assert ops.subject == "ops"
    assert provider.requests == ["/keys"]


@pytest.mark.parametrize("header", ["", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer  "])
async def test_a_header_without_a_bearer_token_gets_401_and_says_how_to_send_one(
    isolated_environment: None, header: str
) -> None:
    async with api_client(STATIC, Authorization=header) as client:
        answer = await client.get("/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.json()["detail"]


async def test_without_authentication_this_machines_user_has_every_role(
    isolated_environment: None,
) -> None:
    async with api_client(Settings()) as client:
        me = (await client.get("/me")).json()
    assert me["IsOpen"] is True
    assert me["Roles"] == ["viewer", "operator", "approver", "admin"]


async def test_with_authentication_other_host_names_are_served(isolated_environment: None) -> None:
    async with api_client(STATIC, Authorization=f"Bearer {TOKEN}", Host="drs.example") as client:
        assert (await client.get("/me")).status_code == 200


def page_request(client: httpx.AsyncClient, **headers: str) -> httpx.Request:
    """A request that changes something, with the headers of a page."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    path = "/executions/crm-0f3b52a1c7d9/pause"
    return client.build_request("POST", path, headers=names, json={})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost"},
        {"Origin": "http://[::1"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
async def test_without_authentication_a_page_of_another_site_cannot_act(
    isolated_environment: None, headers: dict[str, str]
) -> None:
    async with api_client(Settings()) as client:
        answer = await client.send(page_request(client, **headers))
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://localhost:8080", "Sec_Fetch_Site": "same-origin"}]
)
async def test_without_authentication_our_own_pages_and_programs_may_act(
    isolated_environment: None, headers: dict[str, str]
) -> None:
    async with api_client(Settings()) as client:
        # It passed the checks and failed on Temporal, which does not run.
        assert (await client.send(page_request(client, **headers))).status_code == 503


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "", "10.0.0.1"])
async def test_without_authentication_only_this_machines_names_are_served(
    isolated_environment: None, host: str
) -> None:
    async with api_client(Settings(), Host=host) as client:
        assert (await client.get("/me")).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1"])
async def test_without_authentication_every_name_of_this_machine_is_served(
    isolated_environment: None, host: str
) -> None:
    async with api_client(Settings(), Host=host) as client:
        assert (await client.get("/me")).status_code == 200
