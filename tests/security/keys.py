"""Keys for tests, made when a test asks for them."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recovery.access.grants import StartSubject
from recovery.execution.state import ExecutionType
from security.public_keys import PublicKeys, TrustedKey, TrustedKeys
from security.signers import KeyFile


def private_key(folder: Path, name: str = "api") -> Path:
    """A new Ed25519 key in a file."""
    key = Ed25519PrivateKey.generate()
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.with_suffix(".pub").write_bytes(public)
    return path


def trusted(path: Path, *, break_glass: bool = False) -> TrustedKey:
    """The public half of a key, as a worker's file has it."""
    pem = path.with_suffix(".pub").read_text()
    return TrustedKey(public_key=pem, name=path.stem, break_glass=break_glass)


def key_file(folder: Path, *keys: TrustedKey) -> Path:
    """A worker's file of these keys."""
    path = folder / "request-keys.json"
    path.write_text(json.dumps(TrustedKeys(keys=list(keys)).model_dump(mode="json")))
    return path


def signer(folder: Path, *, break_glass: bool = False) -> tuple[KeyFile, PublicKeys]:
    """A new key, and a worker's keys with its public half."""
    path = private_key(folder)
    return KeyFile(path), PublicKeys(TrustedKeys(keys=[trusted(path, break_glass=break_glass)]))


def start_subject(**fields: Any) -> StartSubject:
    """The start of a drill."""
    values: dict[str, Any] = {
        "execution_id": "crm-0123456789ab",
        "plan_id": "crm",
        "plan_hash": "0" * 64,
        "execution_type": ExecutionType.DRILL,
        "start_time": 1000.0,
    }
    return StartSubject(**values | fields)
