"""The public keys that a worker verifies signed requests with; no call leaves the worker."""

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ConfigDict, ValidationError

from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Algorithm,
    Grant,
    SignedRequest,
)
from recovery.base_model import StrictModel

PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey
_KID_CHARACTERS = 16


class KeyFileError(Exception):
    """A file with keys cannot be used; the message says why and what to do."""


class TrustedKey(StrictModel):
    """A key whose signatures a worker accepts.

    Attributes:
        public_key: in PEM.
        break_glass: it is kept offline, for the day when the API is lost.
    """

    public_key: str
    name: str = ""
    break_glass: bool = False


class TrustedKeys(StrictModel):
    """The file of a worker's keys."""

    # Somebody may name the file of a private key.
    model_config = ConfigDict(hide_input_in_errors=True)

    keys: list[TrustedKey]


class PublicKeys:
    """The keys whose signatures a worker accepts."""

    def __init__(self, trusted: TrustedKeys) -> None:
        """Read the keys.

        Raises:
            KeyFileError: one of them cannot be used.
        """
        self._keys: dict[str, tuple[PublicKey, TrustedKey]] = {}
        for each in trusted.keys:
            key = _public_key(each)
            self._keys[key_id(key)] = (key, each)

    @classmethod
    def read(cls, given: str) -> "PublicKeys":
        """Read a worker's keys.

        Args:
            given: the path of their file, or its content, where there are no files.

        Raises:
            KeyFileError: it cannot be read, or holds no usable key.
        """
        is_content = given.lstrip().startswith("{")
        path = "DRS_WAVES_REQUEST_KEYS" if is_content else given
        try:
            text = given if is_content else Path(given).read_bytes()
            trusted = TrustedKeys.model_validate_json(text)
        except (OSError, ValidationError) as error:
            raise KeyFileError(
                f"the public keys in {path} cannot be read: {error}. It must be JSON such as "
                '{"Keys": [{"Name": "api", "PublicKey": "-----BEGIN PUBLIC KEY-----…"}]}'
            ) from error
        if not trusted.keys:
            raise KeyFileError(f"{path} has no public key, so every request would be refused")
        return cls(trusted)

    @property
    def trusted(self) -> list[TrustedKey]:
        """All of them."""
        return [trusted for _, trusted in self._keys.values()]

    @property
    def key_ids(self) -> list[str]:
        """The IDs of all of them."""
        return list(self._keys)

    def verified(self, signed: SignedRequest) -> Grant:
        """The grant of a request, once its signature is verified.

        Raises:
            AccessRefusedError: it is not signed by one of these keys.
        """
        grant = signed.grant()
        key, trusted = self._keys.get(grant.kid, (None, None))
        if key is None or trusted is None:
            raise AccessRefusedError(
                AccessCode.UNKNOWN_KEY,
                f"it is signed with key {grant.kid[:64]}, which this worker does not know; add its "
                "public key to DRS_WAVES_REQUEST_KEYS",
            )
        try:
            _verify(key, grant.algorithm, signed)
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise AccessRefusedError(
                AccessCode.WRONG_SIGNATURE, f"its signature is not of key {grant.kid}"
            ) from error
        if trusted.break_glass is not bool(grant.break_glass):
            wanted = "needs a reason" if trusted.break_glass else "is no break-glass key"
            raise AccessRefusedError(AccessCode.WRONG_KEY_USE, f"key {grant.kid} {wanted}")
        return grant


def key_id(key: PublicKey) -> str:
    """The ID of a key, from its public half: the beginning of the SHA-256 of its DER form."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:_KID_CHARACTERS]


def _public_key(trusted: TrustedKey) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(trusted.public_key.encode())
    except ValueError as error:
        raise KeyFileError(f"public key {trusted.name!r} is not PEM: {error}") from error
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        is_p256 = isinstance(key.curve, ec.SECP256R1)
        if is_p256 and not trusted.break_glass:
            return key
    wanted = "Ed25519" if trusted.break_glass else "Ed25519 or ECDSA P-256"
    raise KeyFileError(f"public key {trusted.name!r} must be {wanted}")


def _verify(key: PublicKey, algorithm: Algorithm, signed: SignedRequest) -> None:
    """Verify a signature by the kind of the key, which the grant must name too.

    Raises:
        InvalidSignature: it does not fit.
        ValueError: it is not base64.
    """
    signature = base64.b64decode(signed.signature, validate=True)
    data = signed.signed_bytes
    match key, algorithm:
        case Ed25519PublicKey(), Algorithm.ED25519:
            key.verify(signature, data)
        case ec.EllipticCurvePublicKey(), Algorithm.ECDSA_P256:
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        case _:
            raise InvalidSignature
