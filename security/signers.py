"""Signs requests, with the key of a file or of KMS."""

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recovery.access.grants import (
    Algorithm,
    Grant,
    SignedRequest,
    Subject,
    signed_bytes,
)
from security.public_keys import KeyFileError, key_id


class SigningError(Exception):
    """A request could not be signed; the message says why."""


class SigningKey(Protocol):
    """A private key, here or elsewhere."""

    @property
    def algorithm(self) -> Algorithm:
        """How it signs."""

    def kid(self) -> str:
        """Its ID, from its public half."""

    def sign(self, data: bytes) -> bytes:
        """Sign."""


class KeyFile:
    """An Ed25519 key in a PEM file."""

    algorithm = Algorithm.ED25519

    def __init__(self, path: str | Path) -> None:
        """Read the key.

        Raises:
            KeyFileError: it cannot be read.
        """
        if "-----BEGIN" in str(path):
            raise KeyFileError("the signing key is given itself; write it to a file, and name that")
        try:
            key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise KeyFileError(f"the signing key {path} cannot be read: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(
                f"the signing key {path} is not an Ed25519 key; "
                f"`openssl genpkey -algorithm ed25519 -out {path}` makes one"
            )
        self._key = key

    def kid(self) -> str:
        """See `SigningKey`."""
        return key_id(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        """See `SigningKey`."""
        return self._key.sign(data)


class KmsKey:
    """An ECDSA P-256 key of KMS (ECC_NIST_P256, SIGN_VERIFY)."""

    algorithm = Algorithm.ECDSA_P256

    def __init__(self, client: Any, key: str) -> None:
        """Use a key.

        Args:
            client: boto3's client of KMS.
            key: its ID, ARN or alias.
        """
        self._client = client
        self._key = key
        self._kid: str | None = None

    def kid(self) -> str:
        """See `SigningKey`; KMS is asked once."""
        if self._kid is None:
            der = self._client.get_public_key(KeyId=self._key)["PublicKey"]
            public = cast(ec.EllipticCurvePublicKey, serialization.load_der_public_key(der))
            self._kid = key_id(public)
        return self._kid

    def sign(self, data: bytes) -> bytes:
        """See `SigningKey`."""
        answer = self._client.sign(
            KeyId=self._key,
            Message=data,
            MessageType="RAW",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        return bytes(answer["Signature"])


@dataclass(frozen=True)
class RequestSigner:
    """Signs the requests of one caller.

    Attributes:
        roles: of the caller.
        break_glass: the reason for using an offline key.
    """

    key: SigningKey
    roles: Sequence[str] = ()
    break_glass: str | None = None

    async def sign(
        self,
        subject: Subject,
        *,
        actor: str,
        valid_seconds: float,
    ) -> SignedRequest:
        """Sign a request.

        Args:
            subject: what is asked for.
            actor: who asks for it.
            valid_seconds: how long the signature is valid from now on.

        Raises:
            SigningError: KMS did not sign.
        """
        try:
            return await asyncio.to_thread(self._sign, subject, actor, valid_seconds)
        except (BotoCoreError, ClientError) as error:
            raise SigningError(f"KMS did not sign the request: {error}") from error

    def _sign(
        self,
        subject: Subject,
        actor: str,
        valid_seconds: float,
    ) -> SignedRequest:
        now = time.time()
        grant = Grant(
            kid=self.key.kid(),
            algorithm=self.key.algorithm,
            issued_time=now,
            expires_time=now + valid_seconds,
            nonce=uuid4().hex,
            actor=actor,
            roles=list(self.roles),
            break_glass=self.break_glass,
            subject=subject,
        )
        payload = grant.signed_text
        signature = base64.b64encode(self.key.sign(signed_bytes(payload))).decode()
        return SignedRequest(payload=payload, signature=signature)
