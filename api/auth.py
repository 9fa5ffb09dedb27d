"""Who calls: bearer tokens, static or of an OpenID provider, and the roles that they carry."""

import asyncio
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from settings import Role, Settings
from workflows.client import whoami

_LEEWAY_SECONDS = 30.0
_PROVIDER_SECONDS = 5.0
_KEYS_SECONDS = 300.0
# Asymmetric only: a public key must never serve as a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]


class NotAuthenticatedError(Exception):
    """The caller did not say, or prove, who it is; the message says what is wrong."""


class ProviderAwayError(Exception):
    """The OpenID provider's keys cannot be read, so nobody can be told from anybody."""


@dataclass(frozen=True)
class Principal:
    """Who calls.

    Attributes:
        subject: the authenticated name, which the history keeps as the actor.
    """

    subject: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether the caller has a role; everybody may look, and an admin may do all of it."""
        return role is Role.VIEWER or role in self.roles or Role.ADMIN in self.roles


class Gate:
    """Tells callers by their tokens.

    Attributes:
        is_open: no authentication is configured, so every caller is this machine's user.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = settings.api_tokens or {}
        self._keys: jwt.PyJWKClient | None = None
        self.is_open = not self._tokens and settings.oidc_issuer is None

    async def admit(self, token: str | None) -> Principal:
        """Tell whose a token is.

        Args:
            token: the bearer token; None where the caller has none.

        Raises:
            NotAuthenticatedError: it is missing, or not valid.
            ProviderAwayError: that cannot be decided now.
        """
        if self.is_open:
            return Principal(whoami(), frozenset(Role))
        if not token:
            raise NotAuthenticatedError("a bearer token is needed")
        for subject, known in self._tokens.items():
            if hmac.compare_digest(known.token.get_secret_value().encode(), token.encode()):
                return Principal(subject, frozenset(known.roles))
        if self._settings.oidc_issuer is None:
            raise NotAuthenticatedError("the bearer token is not known here")
        return await self._of_provider(token)

    async def _of_provider(self, token: str) -> Principal:
        settings = self._settings
        try:
            key = await asyncio.to_thread((await self._provider()).get_signing_key_from_jwt, token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ProviderAwayError(f"the keys of {settings.oidc_issuer}: {error}") from error
        except jwt.PyJWTError as error:
            raise NotAuthenticatedError(f"the bearer token is not valid: {error}") from error
        return Principal(
            str(claims["sub"]), frozenset(_roles(claims, settings.oidc_roles_claim.split(".")))
        )

    async def _provider(self) -> jwt.PyJWKClient:
        if self._keys is None:
            url = self._settings.oidc_jwks_url or await self._discovered()
            self._keys = jwt.PyJWKClient(url, lifespan=_KEYS_SECONDS, timeout=_PROVIDER_SECONDS)
        return self._keys

    async def _discovered(self) -> str:
        """Where the keys are, by the issuer's discovery document."""
        issuer = str(self._settings.oidc_issuer).rstrip("/")
        where = f"{issuer}/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(timeout=_PROVIDER_SECONDS) as client:
                answer = (await client.get(where)).raise_for_status().json()
            return str(answer["jwks_uri"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ProviderAwayError(f"{where}: {error or type(error).__name__}") from error


def _roles(claims: Mapping[str, Any], path: Iterable[str]) -> Iterable[Role]:
    """The roles of ours that a claim names: a list, or a text with spaces."""
    found: Any = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    named = found.split() if isinstance(found, str) else found
    return [Role(each) for each in named or () if isinstance(each, str) and each in list(Role)]
