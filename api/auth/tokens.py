"""Authenticates callers by bearer tokens: static ones, or JWTs of an OpenID provider."""

import hmac
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from api.auth.audited_requests import note_caller, note_wrong_token
from api.auth.provider import IdentityProvider
from api.auth.rate_limits import FAILED_SIGN_INS, RateLimits, TooManyRequestsError
from client.local_user import whoami
from recovery.access.audit import Proof
from recovery.access.roles import Role
from security.static_tokens import token_hash
from settings import Settings

_LEEWAY_SECONDS = 30.0
_MAX_CHARACTERS = 200
# Asymmetric only: a public key must never serve as a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]


EXPIRED = "the token has expired"


class NotAuthenticatedError(Exception):
    """The token is missing or not valid; the message says why."""


class TokenMissingError(NotAuthenticatedError):
    """The request has no token."""


class TooManyFailuresError(TooManyRequestsError, NotAuthenticatedError):
    """The token is not valid, and neither were too many others from its address."""


@dataclass(frozen=True)
class Principal:
    """An authenticated caller.

    Attributes:
        subject: the authenticated name; the history records it as the actor.
        proof: what proves the name.
        expiry_time: when the token ends, and with it what is open for the caller (epoch seconds);
            None: never.
    """

    subject: str
    roles: frozenset[Role]
    proof: Proof = Proof.NONE
    expiry_time: float | None = field(default=None, compare=False)

    @property
    def has_expired(self) -> bool:
        """Whether the token has ended."""
        return self.expiry_time is not None and time.time() >= self.expiry_time

    def may(self, role: Role) -> bool:
        """Whether the caller has a role; all callers are viewers, and an admin has every role."""
        return role.is_among(self.roles)


class Authenticator:
    """Authenticates callers by their tokens.

    Failures are limited by address. A valid token is accepted above the limit too: somebody behind
    the same address, such as an attacker, must not lock out who is on call. Guesses gain nothing by
    it, for a token has 256 random bits or a signature; the limit keeps floods out of the logs.

    Attributes:
        is_open: no authentication is configured, so every caller is this machine's user.
        provider: the OpenID provider; not asked for anything unless an issuer is set.
    """

    def __init__(self, settings: Settings, limits: RateLimits) -> None:
        self._settings = settings
        self._limits = limits
        self._tokens = settings.api_tokens or {}
        self.provider = IdentityProvider(settings)
        self.is_open = not self._tokens and settings.oidc_issuer is None

    async def authenticate(self, token: str | None, address: str) -> Principal:
        """Return the caller that a token authenticates.

        Args:
            token: the bearer token; None if the request has none.
            address: where the request comes from (`address_of`).

        Raises:
            NotAuthenticatedError: the token is missing (TokenMissingError) or not valid, as too
                many from this address were (TooManyFailuresError).
            ProviderUnavailableError: the token cannot be verified now.
        """
        try:
            caller = await self._authenticate(token, address)
        except TokenMissingError:
            raise
        except NotAuthenticatedError as error:
            note_wrong_token(str(error))
            raise
        note_caller(caller.subject, caller.proof)
        return caller

    async def _authenticate(self, token: str | None, address: str) -> Principal:
        if self.is_open:
            return Principal(whoami(), frozenset(Role))
        if not token:
            raise TokenMissingError("a bearer token is needed")
        try:
            if caller := self._static_caller(token):
                return caller
            if self._settings.oidc_issuer is None:
                raise NotAuthenticatedError("the bearer token is not known")
            return await self.authenticate_jwt(token)
        except NotAuthenticatedError:
            try:
                await self._limits.count(FAILED_SIGN_INS, address)
            except TooManyRequestsError as error:
                text = f"the token is not valid; {error}. A valid token is accepted at once"
                raise TooManyFailuresError(text, error.retry_after) from None
            raise

    def _static_caller(self, token: str) -> Principal | None:
        """The caller of a static token; as slow for each token."""
        given, found = token_hash(token), None
        for subject, known in self._tokens.items():
            if hmac.compare_digest(known.hash, given):
                found = Principal(subject, frozenset(known.roles), Proof.STATIC_TOKEN)
        return found

    async def verified_claims(self, token: str, audiences: Sequence[str]) -> dict[str, Any]:
        """The claims of a JWT of the provider for one of these audiences.

        Raises:
            NotAuthenticatedError: the token is not valid.
            ProviderUnavailableError: the token cannot be verified now.
        """
        try:
            return jwt.decode(
                token,
                await self._signing_key(token),
                algorithms=_ALGORITHMS,
                audience=audiences,
                issuer=self._settings.oidc_issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticatedError(f"the bearer token is not valid: {error}") from error

    async def authenticate_jwt(self, token: str) -> Principal:
        """Return the caller that a JWT of the provider authenticates.

        Raises:
            NotAuthenticatedError: the token is not valid.
            ProviderUnavailableError: the token cannot be verified now.
        """
        settings = self._settings
        # ID tokens of the pages' own sign-in are for its client ID.
        audiences = [each for each in (settings.oidc_audience, settings.oidc_client_id) if each]
        claims = await self.verified_claims(token, audiences)
        subject = str(claims["sub"])
        if not subject.isprintable() or not 0 < len(subject) <= _MAX_CHARACTERS:
            # The history records it and terminals print it.
            raise NotAuthenticatedError(
                "the bearer token is not valid: its sub must be 1 to "
                f"{_MAX_CHARACTERS} printable characters"
            )
        roles = frozenset(_roles(claims, self._settings.oidc_roles_claim))
        expiry_time = float(claims["exp"]) + _LEEWAY_SECONDS
        return Principal(subject, roles, Proof.OIDC, expiry_time)

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
        return await self.provider.signing_key(kid)


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
