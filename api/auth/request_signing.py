"""The key that the API signs its callers' requests with."""

from api.auth.tokens import Principal
from aws.sessions import kms_client
from security.signers import KeyFile, KmsKey, RequestSigner, SigningKey
from settings import Settings


class RequestSigning:
    """Signs the requests of callers whose tokens the API has checked."""

    def __init__(self, settings: Settings) -> None:
        """Read the key.

        Raises:
            KeyFileError: it cannot be read.
        """
        self._key = configured_key(settings)

    def signer(self, caller: Principal) -> RequestSigner | None:
        """What signs the requests of a caller; None if requests are not signed."""
        if self._key is None:
            return None
        return RequestSigner(self._key, roles=sorted(caller.roles))


def configured_key(settings: Settings) -> SigningKey | None:
    """The key that the settings name; None: requests are not signed.

    Raises:
        KeyFileError: it cannot be read.
    """
    if settings.signing_key is not None:
        return KeyFile(settings.signing_key)
    if settings.signing_kms_key is None:
        return None
    return KmsKey(kms_client(settings.signing_kms_key), settings.signing_kms_key)
