"""The OpenID provider: its discovery document and its signing keys."""

import asyncio
import math
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from settings import Settings

PROVIDER_SECONDS = 5.0
_KEYS_SECONDS = 300.0
# A provider that does not answer is asked again after this time; requests do not each wait for it.
_UNAVAILABLE_SECONDS = 3.0
# The same while earlier keys are used, and the least time between two reads for unknown keys.
_RETRY_SECONDS = 30.0
# A Region may be lost with the provider in it; a recovery must not need it.
_STALE_SECONDS = 24 * 3600.0


class ProviderUnavailableError(Exception):
    """The OpenID provider does not answer, so no JWT can be verified and nobody can sign in."""


class IdentityProvider:
    """Reads and keeps what the provider publishes.

    Attributes:
        host: the host of the issuer, as people know it.
    """

    def __init__(self, settings: Settings) -> None:
        self._issuer = str(settings.oidc_issuer)
        self.host = urlsplit(self._issuer).netloc
        self._jwks_url = settings.oidc_jwks_url
        self._document: dict[str, Any] | None = None
        self._lock = asyncio.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = self._asked_at = -math.inf
        self._failure: ProviderUnavailableError | None = None

    async def signing_key(self, kid: str) -> jwt.PyJWK:
        """The key with an ID; while the provider does not answer, one read in the last 24 hours.

        Raises:
            jwt.PyJWTError: the provider has no such key.
            ProviderUnavailableError: the key is not known, and the keys cannot be read.
        """
        async with self._lock:
            if time.monotonic() - self._asked_at > self._pause(kid):
                await self._read_keys()
            is_usable = time.monotonic() - self._read_at < _STALE_SECONDS
            if kid in self._keys and is_usable:
                return self._keys[kid]
            if self._failure is not None:
                raise self._failure
            raise jwt.InvalidTokenError(f"the provider has no signing key {kid!r}")

    async def count_keys(self) -> int:
        """How many signing keys the provider has now.

        Raises:
            ProviderUnavailableError: they cannot be read.
        """
        async with self._lock:
            await self._read_keys()
        if self._failure is not None:
            raise self._failure
        return len(self._keys)

    async def document(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0).

        Raises:
            ProviderUnavailableError: it cannot be read, or is of another issuer.
        """
        if self._document is None:
            url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            found = await _read(url)
            if found.get("issuer") != self._issuer:
                raise ProviderUnavailableError(
                    f"{url} is of another issuer, {found.get('issuer')!r}"
                )
            self._document = found
        return self._document

    async def endpoint(self, name: str) -> str:
        """An address of the discovery document.

        Raises:
            ProviderUnavailableError: the document cannot be read, or lacks it.
        """
        found = (await self.document()).get(name)
        if not isinstance(found, str):
            raise ProviderUnavailableError(f"the discovery document of {self.host} lacks {name}")
        return found

    def _pause(self, kid: str) -> float:
        """The seconds between two reads of the keys, for a caller who needs this one."""
        if not self._keys:
            return _UNAVAILABLE_SECONDS
        is_current = self._failure is None and kid in self._keys
        return _KEYS_SECONDS if is_current else _RETRY_SECONDS

    async def _read_keys(self) -> None:
        try:
            url = self._jwks_url or await self.endpoint("jwks_uri")
            self._keys = _signing_keys(url, await _read(url))
        except ProviderUnavailableError as error:
            if self._keys and self._failure is None:
                structlog.get_logger().warning(
                    "the identity provider's keys cannot be read; the last ones are used for up "
                    "to 24 hours",
                    error=str(error),
                )
            self._failure = ProviderUnavailableError(f"the keys of {self._issuer}: {error}")
        else:
            self._failure, self._read_at = None, time.monotonic()
        self._asked_at = time.monotonic()


async def _read(url: str) -> dict[str, Any]:
    """A JSON object of the provider.

    Raises:
        ProviderUnavailableError: it cannot be read.
    """
    try:
        async with httpx.AsyncClient(timeout=PROVIDER_SECONDS) as client:
            found = (await client.get(url)).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProviderUnavailableError(f"{url}: {error or type(error).__name__}") from error
    if not isinstance(found, dict):
        raise ProviderUnavailableError(f"{url}: not a JSON object")
    return found


def _signing_keys(url: str, document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """The signing keys of a JWK set, by their ID.

    Raises:
        ProviderUnavailableError: there are none.
    """
    try:
        keys = jwt.PyJWKSet.from_dict(document).keys
    except jwt.PyJWTError as error:
        raise ProviderUnavailableError(f"{url}: {error}") from error
    found = {key.key_id: key for key in keys if key.key_id and key.public_key_use in ("sig", None)}
    if not found:
        raise ProviderUnavailableError(f"{url}: it has no signing keys")
    return found
