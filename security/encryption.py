"""Encrypts payloads for Temporal with AES-256-GCM, by data keys of a file or of KMS."""

import asyncio
import base64
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ConfigDict, Field, ValidationError, model_validator
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from recovery.base_model import StrictModel
from security.public_keys import KeyFileError

# Not the `binary/encrypted` of Temporal's samples, which users' own codecs may have.
ENCODING = b"binary/drs-waves-aes-256-gcm"
_KEY_ID, _DATA_KEY = "drs-waves-key-id", "drs-waves-data-key"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_DATA_KEY_SECONDS = 3600.0
_MOST_DATA_KEYS = 1000


class EncryptionError(Exception):
    """A payload could not be encrypted or decrypted; the message says which key, and what to do.

    No RuntimeError and no ValueError, which would count as content that nobody can ever read.
    """


class DataKey(NamedTuple):
    """A key that encrypts payloads; `encrypted` is itself, encrypted by KMS."""

    key_id: str
    cipher: AESGCM
    encrypted: bytes = b""


class FileKey(StrictModel):
    """A key of a file."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}=$", repr=False, description="In base64.")


class EncryptionKeys(StrictModel):
    """The file of the keys: all of them read, one encrypts.

    Attributes:
        current: the ID of the key that encrypts; None if this file's keys only read.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    current: str | None = None
    keys: list[FileKey]

    @model_validator(mode="after")
    def _has_current(self) -> "EncryptionKeys":
        ids = [each.id for each in self.keys]
        if len(set(ids)) < len(ids):
            raise ValueError("two keys have one ID")
        if self.current is not None and self.current not in ids:
            raise ValueError(f"Current names {self.current}, which is none of Keys")
        return self

    def with_new_key(self) -> "EncryptionKeys":
        """These and a new one, which encrypts if it is the first."""
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        made = FileKey(
            id=f"{time.strftime('%Y-%m-%d', time.gmtime())}-{secrets.token_hex(4)}", key=key
        )
        return EncryptionKeys(current=self.current or made.id, keys=[*self.keys, made])

    @classmethod
    def read(cls, path: str | Path) -> "EncryptionKeys":
        """Read a file of keys.

        Raises:
            KeyFileError: it cannot be read, or is no such file.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            raise KeyFileError(
                f"the encryption keys in {path} cannot be read: {error}. "
                f"`drs-waves encryption-key {path}` makes such a file"
            ) from error

    def write(self, path: Path) -> None:
        """Replace the file at once, readable by its owner only."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        text = self.model_dump_json(by_alias=True, indent=2) + "\n"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


class FileKeys:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: str) -> None:
        """Read the keys.

        Raises:
            KeyFileError: they cannot be read.
        """
        self.path = Path(path)
        self._read_state = self._state()
        self._use(EncryptionKeys.read(path))

    def current(self) -> DataKey | None:
        """The key that encrypts."""
        self._follow()
        return self._current

    def find(self, key_id: str) -> DataKey | None:
        """A key by its ID."""
        self._follow()
        return self._keys.get(key_id)

    def _use(self, read: EncryptionKeys) -> None:
        self._keys = {
            each.id: DataKey(each.id, AESGCM(base64.b64decode(each.key))) for each in read.keys
        }
        self._current = self._keys[read.current] if read.current else None

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _follow(self) -> None:
        state = self._state()
        if state == self._read_state:
            return
        self._read_state = state
        try:
            self._use(EncryptionKeys.read(self.path))
        except KeyFileError as error:
            structlog.get_logger().warning(f"{error}; the keys read before stay in use")


class KmsKeys:
    """Data keys that KMS makes and encrypts; those in use are kept, in a bounded number.

    Attributes:
        names: ID, ARN or alias of each key of KMS; the first encrypts, all decrypt.
    """

    def __init__(self, clients: Sequence[tuple[str, Any]], namespace: str) -> None:
        """Use keys, each with boto3's client of KMS in its Region."""
        self._clients = clients
        self.names = [name for name, _ in clients]
        self._context = {"drs-waves-namespace": namespace}
        self._lock = threading.Lock()
        self._current: DataKey | None = None
        self._made_at = 0.0
        self._read: OrderedDict[bytes, DataKey] = OrderedDict()

    def current(self) -> DataKey:
        """The data key that encrypts, an hour long; longer while KMS does not make the next.

        Raises:
            EncryptionError: KMS makes none, and there is none yet.
        """
        with self._lock:
            if self._current is None or time.monotonic() - self._made_at >= _DATA_KEY_SECONDS:
                self._renew()
            assert self._current is not None
            return self._current

    def find(self, key_id: str, encrypted: bytes) -> DataKey:
        """The data key that was encrypted.

        Raises:
            EncryptionError: no key of KMS decrypts it.
        """
        with self._lock:
            if (known := self._read.get(encrypted)) is not None:
                self._read.move_to_end(encrypted)
                return known
        # Never without KeyId: a writer to Temporal could name a key of another account.
        problems = []
        for name, client in self._clients:
            try:
                answer = client.decrypt(
                    CiphertextBlob=encrypted, KeyId=name, EncryptionContext=self._context
                )
            except (BotoCoreError, ClientError) as error:
                problems.append(f"{name}: {error}")
                continue
            found = DataKey(key_id, AESGCM(answer["Plaintext"]), encrypted)
            self._keep(found)
            return found
        raise EncryptionError(
            f"KMS does not decrypt the data key of a payload, which {key_id} encrypted "
            f"({'; '.join(problems)}). Allow kms:Decrypt for it, and name it in "
            "DRS_WAVES_ENCRYPTION_KMS_KEYS; what waits for it goes on by itself"
        )

    def _keep(self, key: DataKey) -> None:
        with self._lock:
            self._read[key.encrypted] = key
            if len(self._read) > _MOST_DATA_KEYS:
                self._read.popitem(last=False)

    def _renew(self) -> None:
        name, client = self._clients[0]
        try:
            made = client.generate_data_key(
                KeyId=name, KeySpec="AES_256", EncryptionContext=self._context
            )
        except (BotoCoreError, ClientError) as error:
            if self._current is None:
                raise EncryptionError(
                    f"KMS key {name} makes no data key to encrypt with: {error}. Allow "
                    "kms:GenerateDataKey for it, or correct DRS_WAVES_ENCRYPTION_KMS_KEYS"
                ) from error
            # The outage of a Region must not stop a recovery.
            structlog.get_logger().warning(f"KMS makes no new data key, the last stays: {error}")
            self._made_at = time.monotonic() - _DATA_KEY_SECONDS + 60.0
            return
        self._current = DataKey(made["KeyId"], AESGCM(made["Plaintext"]), made["CiphertextBlob"])
        self._read[self._current.encrypted] = self._current
        self._made_at = time.monotonic()


class EncryptionCodec(PayloadCodec):
    """Encrypts payloads if there are keys; decrypts those that are encrypted, and reads others."""

    def __init__(
        self, namespace: str, *, file: FileKeys | None = None, kms: KmsKeys | None = None
    ) -> None:
        """Use keys; without any, nothing is encrypted, and what is encrypted is an error."""
        self._namespace, self._file, self._kms = namespace, file, kms

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt, if there is a key.

        Raises:
            EncryptionError: KMS makes no data key.
        """
        key = self._file.current() if self._file is not None else None
        if key is None and self._kms is not None:
            key = await asyncio.to_thread(self._kms.current)
        if key is None:
            return list(payloads)
        return [self._encrypted(each, key) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted.

        Raises:
            EncryptionError: its key is not known, or it is not what was encrypted.
        """
        return [await self._decrypted(each) for each in payloads]

    def _encrypted(self, payload: Payload, key: DataKey) -> Payload:
        if payload.metadata.get("encoding") == ENCODING:
            return payload
        nonce = os.urandom(_NONCE_BYTES)
        data = key.cipher.encrypt(nonce, payload.SerializeToString(), self._bound(key.key_id))
        metadata = {"encoding": ENCODING, _KEY_ID: key.key_id.encode()}
        if key.encrypted:
            metadata[_DATA_KEY] = key.encrypted
        return Payload(metadata=metadata, data=nonce + data)

    async def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(_KEY_ID, b"").decode(errors="replace")[:256]
        key = await self._key(key_id, payload.metadata.get(_DATA_KEY, b""))
        nonce, data = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(key.cipher.decrypt(nonce, data, self._bound(key_id)))
        except (InvalidTag, ValueError) as error:
            raise EncryptionError(
                f"a payload is not what key {key_id} encrypted in namespace {self._namespace}: it "
                "was changed, or comes from another namespace"
            ) from error

    async def _key(self, key_id: str, encrypted: bytes) -> DataKey:
        if encrypted:
            if self._kms is not None:
                return await asyncio.to_thread(self._kms.find, key_id, encrypted)
            raise EncryptionError(
                f"a payload is encrypted with key {key_id} of KMS, and this process uses none: set "
                "DRS_WAVES_ENCRYPTION_KMS_KEYS; what waits for it goes on by itself"
            )
        found = self._file.find(key_id) if self._file is not None else None
        if found is None:
            what = (
                f"which {self._file.path} does not have: add it there"
                if self._file
                else "and this process has no keys: set DRS_WAVES_ENCRYPTION_KEYS to the file that "
                "has it, and start the process again"
            )
            raise EncryptionError(
                f"a payload is encrypted with key {key_id}, {what}; what waits goes on by itself"
            )
        return found

    def _bound(self, key_id: str) -> bytes:
        """What a ciphertext is bound to: in another namespace, or under another key, it is none."""
        return b"\0".join((ENCODING, self._namespace.encode(), key_id.encode()))
