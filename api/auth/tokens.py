"""Who calls: bearer tokens, static or of an OpenID provider, and the roles that they carry."""

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from client.local_user import whoami
from settings import Role, Settings

_LEEWAY_SECONDS = 30.0
_PROVIDER_SECONDS = 5.0
_KEYS_SECONDS = 300.0
# A provider that is away is not asked for every request, each of which would wait for it.
_AWAY_SECONDS = 3.0
_MOST_CHARACTERS = 200
# Asymmetric only: a public key must never serve as a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]


class NotAuthenticatedError(Exception):
    """The caller did not say, or prove, who it is; the message says what is wrong."""


class TokenMissingError(NotAuthenticatedError):
    """The caller gave no token at all."""


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
        self._asking = asyncio.Lock()
        self._away: tuple[float, ProviderAwayError] | None = None
        self.is_open = not self._tokens and settings.oidc_issuer is None

    async def admit(self, token: str | None) -> Principal:
        """Tell whose a token is.

        Args:
            token: the bearer token; None where the caller has none.

        Raises:
            NotAuthenticatedError: it is missing (TokenMissingError), or not valid.
            ProviderAwayError: that cannot be decided now.
        """
        if self.is_open:
            return Principal(whoami(), frozenset(Role))
        if not token:
            raise TokenMissingError("a bearer token is needed")
        for subject, known in self._tokens.items():
            if hmac.compare_digest(known.token.get_secret_value().encode(), token.encode()):
                return Principal(subject, frozenset(known.roles))
        if self._settings.oidc_issuer is None:
            raise NotAuthenticatedError("the bearer token is not known here")
        return await self._of_provider(token)

    async def _of_provider(self, token: str) -> Principal:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                await self._key_of(token),
                algorithms=_ALGORITHMS,
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticatedError(f"the bearer token is not valid: {error}") from error
        subject = str(claims["sub"])
        if not subject.isprintable() or not 0 < len(subject) <= _MOST_CHARACTERS:
            # It is kept in the history and shown on terminals.
            raise NotAuthenticatedError(
                "the bearer token is not valid: its sub must be 1 to "
                f"{_MOST_CHARACTERS} printable characters"
            )
        return Principal(subject, frozenset(_roles(claims, settings.oidc_roles_claim)))

    async def _key_of(self, token: str) -> jwt.PyJWK:
        """The provider's key that a token says it is signed with.

        Raises:
            jwt.PyJWTError: the provider has no such key, or that is no token.
            ProviderAwayError: its keys cannot be read.
        """
        # Before anybody is asked, and so that what is wrong below is the provider's fault.
        named = jwt.get_unverified_header(token).get("kid")
        if not isinstance(named, str):
            raise jwt.InvalidTokenError("it does not name the key that it is signed with")
        async with self._asking:
            if self._away is not None and time.monotonic() < self._away[0]:
                raise self._away[1]
            self._away = None
            try:
                return await self._ask(named)
            except ProviderAwayError as error:
                self._away = time.monotonic() + _AWAY_SECONDS, error
                raise

    async def _ask(self, named: str) -> jwt.PyJWK:
        try:
            keys = await self._provider()
            # First whether they can be read at all, from its cache as a rule.
            await asyncio.to_thread(keys.get_signing_keys)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise ProviderAwayError(f"the keys of {self._settings.oidc_issuer}: {error}") from error
        try:
            return await asyncio.to_thread(keys.get_signing_key, named)
        except (jwt.PyJWKClientConnectionError, OSError, ValueError) as error:
            raise ProviderAwayError(f"the keys of {self._settings.oidc_issuer}: {error}") from error

    async def _provider(self) -> jwt.PyJWKClient:
        if self._keys is None:
            url = self._settings.oidc_jwks_url or await self._discovered()
            self._keys = jwt.PyJWKClient(url, lifespan=_KEYS_SECONDS, timeout=_PROVIDER_SECONDS)
        return self._keys

    async def _discovered(self) -> str:
        """Where the keys are, by the issuer's discovery document (OpenID Connect Discovery 1.0)."""
        issuer = str(self._settings.oidc_issuer)
        where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(timeout=_PROVIDER_SECONDS) as client:
                answer = (await client.get(where)).raise_for_status().json()
            found = str(answer["jwks_uri"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise ProviderAwayError(f"{where}: {error or type(error).__name__}") from error
        if answer.get("issuer") != issuer:
            raise ProviderAwayError(f"{where} is of another issuer, {answer.get('issuer')!r}")
        return found


def _roles(claims: Mapping[str, Any], claim: str) -> Iterable[Role]:
    """The roles of ours that a claim names: a list, or a text with spaces.

    Args:
        claims: the token's.
        claim: its name as it is, such as `https://example.com/roles`; else dots lead inside.
    """
    found: Any = claims
    for name in [claim] if claim in claims else claim.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    named = found.split() if isinstance(found, str) else found
    if not isinstance(named, list):
        return []
    return [Role(each) for each in named if isinstance(each, str) and each in list(Role)]
