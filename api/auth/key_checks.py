"""Checks the keys that `drs-waves serve` signs with, and those of the identity provider."""

import asyncio
from collections.abc import Sequence

from api.auth.provider import IdentityProvider, ProviderUnavailableError
from api.auth.request_signing import configured_key
from recovery.doctor.check import Check, Part
from recovery.doctor.installation import signer_check
from security.public_keys import KeyFileError
from security.signers import SigningError
from settings import Settings


async def serve_key_checks(settings: Settings, trusted: Sequence[str] | None) -> list[Check]:
    """Check the keys of `drs-waves serve`, as the settings of this machine name them.

    Args:
        settings: of this machine.
        trusted: the IDs of the keys that workers trust; None: no worker said.
    """
    return [await _signing(settings, trusted), await _provider(settings)]


async def _signing(settings: Settings, trusted: Sequence[str] | None) -> Check:
    try:
        key = configured_key(settings)
        if key is None:
            why = "none is set here; run this with the environment of `drs-waves serve`"
            return Check.skipped(Part.KEYS, "signing key", why)
        kid = await asyncio.to_thread(key.kid)
    except (KeyFileError, SigningError) as error:
        return Check.fail(Part.KEYS, "signing key", str(error))
    return signer_check(kid, trusted)


async def _provider(settings: Settings) -> Check:
    if settings.oidc_issuer is None:
        why = "none is set here; run this with the environment of `drs-waves serve`"
        return Check.skipped(Part.KEYS, "identity provider", why)
    provider = IdentityProvider(settings)
    try:
        number = await provider.count_keys()
    except ProviderUnavailableError as error:
        action = "Nobody can sign in: correct DRS_WAVES_OIDC_ISSUER, or the way there"
        return Check.fail(Part.KEYS, "identity provider", str(error), action)
    return Check.ok(Part.KEYS, "identity provider", f"{provider.host} has {number} signing keys")
