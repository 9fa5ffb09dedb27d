"""Authenticates callers by bearer tokens: static ones, or JWTs of an OpenID provider."""

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from client.local_user import whoami
from recovery.access.roles import Role
from settings import Settings

_LEEWAY_SECONDS = 30.0
_PROVIDER_SECONDS = 5.0
_KEYS_SECONDS = 300.0
# Requests do not each wait for a provider that does not answer.
_UNAVAILABLE_SECONDS = 3.0
_MAX_CHARACTERS = 200
# Asymmetric only: a public key must never serve as a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]


class NotAuthenticatedError(Exception):
    """The token is missing or not valid; the message says why."""


class TokenMissingError(NotAuthenticatedError):
    """The request has no token."""


class ProviderUnavailableError(Exception):
    """The OpenID provider's keys cannot be read, so no JWT can be verified."""


@dataclass(frozen=True)
class Principal:
    """An authenticated caller.

    Attributes:
        subject: the authenticated name; the history records it as the actor.
    """

    subject: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether the caller has a role; all callers are viewers, and an admin has every role."""
        return role.is_among(self.roles)


class Authenticator:
    """Authenticates callers by their tokens.

    Attributes:
        is_open: no authentication is configured, so every caller is this machine's user.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = settings.api_tokens or {}
        self._keys: jwt.PyJWKClient | None = None
        self._provider_lock = asyncio.Lock()
        self._unavailable: tuple[float, ProviderUnavailableError] | None = None
        self.is_open = not self._tokens and settings.oidc_issuer is None

    async def authenticate(self, token: str | None) -> Principal:
        """Return the caller that a token authenticates.

        Args:
            token: the bearer token; None if the request has none.

        Raises:
            NotAuthenticatedError: the token is missing (TokenMissingError) or not valid.
            ProviderUnavailableError: the token cannot be verified now.
        """
        if self.is_open:
            return Principal(whoami(), frozenset(Role))
        if not token:
            raise TokenMissingError("a bearer token is needed")
        for subject, known in self._tokens.items():
            if hmac.compare_digest(known.token.get_secret_value().encode(), token.encode()):
                return Principal(subject, frozenset(known.roles))
        if self._settings.oidc_issuer is None:
            raise NotAuthenticatedError("the bearer token is not known")
        return await self._authenticate_jwt(token)

    async def _authenticate_jwt(self, token: str) -> Principal:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                await self._signing_key(token),
                algorithms=_ALGORITHMS,
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticatedError(f"the bearer token is not valid: {error}") from error
        subject = str(claims["sub"])
        if not subject.isprintable() or not 0 < len(subject) <= _MAX_CHARACTERS:
            # The history records it and terminals print it.
            raise NotAuthenticatedError(
                "the bearer token is not valid: its sub must be 1 to "
                f"{_MAX_CHARACTERS} printable characters"
            )
        return Principal(subject, frozenset(_roles(claims, settings.oidc_roles_claim)))

    async def _signing_key(self, token: str) -> jwt.PyJWK:
        """The provider's key that the token's `kid` names.

        Raises:
            jwt.PyJWTError: the provider has no such key, or the text is not a JWT.
            ProviderUnavailableError: the provider's keys cannot be read.
        """
        # First, so that a malformed token costs no request and later errors are the provider's.
        kid = jwt.get_unverified_header(token).get("kid")
        if not isinstance(kid, str):
            raise jwt.InvalidTokenError("it does not name its signing key (kid)")
        async with self._provider_lock:
            if self._unavailable is not None and time.monotonic() < self._unavailable[0]:
                raise self._unavailable[1]
            self._unavailable = None
            try:
                return await self._fetch_key(kid)
            except ProviderUnavailableError as error:
                self._unavailable = time.monotonic() + _UNAVAILABLE_SECONDS, error
                raise

    async def _fetch_key(self, kid: str) -> jwt.PyJWK:
        try:
            keys = await self._jwks_client()
            # Separate, to tell an unavailable provider from an unknown key. Usually a cache hit.
            await asyncio.to_thread(keys.get_signing_keys)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise ProviderUnavailableError(
                f"the keys of {self._settings.oidc_issuer}: {error}"
            ) from error
        try:
            return await asyncio.to_thread(keys.get_signing_key, kid)
        except (jwt.PyJWKClientConnectionError, OSError, ValueError) as error:
            raise ProviderUnavailableError(
                f"the keys of {self._settings.oidc_issuer}: {error}"
            ) from error

    async def _jwks_client(self) -> jwt.PyJWKClient:
        if self._keys is None:
            url = self._settings.oidc_jwks_url or await self._discovered_jwks_url()
            self._keys = jwt.PyJWKClient(url, lifespan=_KEYS_SECONDS, timeout=_PROVIDER_SECONDS)
        return self._keys

    async def _discovered_jwks_url(self) -> str:
        """The URL of the keys, from the discovery document (OpenID Connect Discovery 1.0)."""
        issuer = str(self._settings.oidc_issuer)
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(timeout=_PROVIDER_SECONDS) as client:
                answer = (await client.get(url)).raise_for_status().json()
            found = str(answer["jwks_uri"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise ProviderUnavailableError(f"{url}: {error or type(error).__name__}") from error
        if answer.get("issuer") != issuer:
            raise ProviderUnavailableError(f"{url} is of another issuer, {answer.get('issuer')!r}")
        return found


def _roles(claims: Mapping[str, Any], claim: str) -> Iterable[Role]:
    """The roles that a claim contains, as a list or as a space-separated string.

    Args:
        claims: the claims of the token.
        claim: the name of a top-level claim, such as `https://example.com/roles`, or a dotted
            path into nested claims.
    """
    found: Any = claims
    for part in [claim] if claim in claims else claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    names = found.split() if isinstance(found, str) else found
    if not isinstance(names, list):
        return []
    return [Role(each) for each in names if isinstance(each, str) and each in list(Role)]
