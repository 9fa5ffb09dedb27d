"""Payloads are encrypted by one key, and read by each that is known."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from temporalio.api.common.v1 import Payload

from security.encryption import EncryptionCodec, EncryptionError, EncryptionKeys, FileKeys, KmsKeys
from security.public_keys import KeyFileError

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"s-1234"')


def keys_in(path: Path) -> EncryptionKeys:
    """A file with one new key, and what it holds."""
    made = EncryptionKeys(keys=[]).with_new_key()
    made.write(path)
    return made


async def test_a_payload_is_unreadable_and_names_its_key(tmp_path: Path) -> None:
    made = keys_in(tmp_path / "keys.json")
    codec = EncryptionCodec("default", file=FileKeys(str(tmp_path / "keys.json")))
    (one,), (other,) = await codec.encode([PLAIN]), await codec.encode([PLAIN])
    assert b"s-1234" not in one.SerializeToString()
    assert one.data != other.data
    assert one.metadata["drs-waves-key-id"].decode() == made.current
    assert await codec.decode([one, other, PLAIN]) == [PLAIN] * 3
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


async def test_an_older_key_still_reads_and_a_lost_one_reads_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = keys_in(path)
    codec = EncryptionCodec("default", file=FileKeys(str(path)))
    (old,) = await codec.encode([PLAIN])
    both = first.with_new_key()
    assert both.current == first.current
    EncryptionKeys(current=both.keys[1].id, keys=both.keys).write(path)
    (new,) = await codec.encode([PLAIN])
    assert new.metadata["drs-waves-key-id"].decode() == both.keys[1].id
    assert await codec.decode([old, new]) == [PLAIN, PLAIN]
    EncryptionKeys(current=both.keys[1].id, keys=both.keys[1:]).write(path)
    with pytest.raises(EncryptionError, match=f"{first.current}, which {path} does not have"):
        await codec.decode([old])
    path.write_text("{")
    assert await codec.decode([new]) == [PLAIN]
    both.write(path)
    assert await codec.decode([old]) == [PLAIN]


async def test_without_keys_nothing_is_encrypted_and_what_is_encrypted_is_an_error(
    tmp_path: Path,
) -> None:
    keys_in(tmp_path / "keys.json")
    (secret,) = await EncryptionCodec("default", file=FileKeys(str(tmp_path / "keys.json"))).encode(
        [PLAIN]
    )
    codec = EncryptionCodec("default")
    assert await codec.encode([PLAIN]) == [PLAIN]
    with pytest.raises(EncryptionError, match="set DRS_WAVES_ENCRYPTION_KEYS"):
        await codec.decode([secret])
    assert not issubclass(EncryptionError, RuntimeError | TypeError | ValueError)


async def test_a_payload_is_bound_to_its_namespace_and_content(tmp_path: Path) -> None:
    keys_in(tmp_path / "keys.json")
    file = FileKeys(str(tmp_path / "keys.json"))
    (secret,) = await EncryptionCodec("default", file=file).encode([PLAIN])
    with pytest.raises(EncryptionError, match="another namespace"):
        await EncryptionCodec("other", file=file).decode([secret])
    secret.data = secret.data[:-1] + bytes([secret.data[-1] ^ 1])
    with pytest.raises(EncryptionError, match="it was changed"):
        await EncryptionCodec("default", file=file).decode([secret])


def test_a_wrong_file_is_refused_without_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"Current": "b", "Keys": [{"Id": "a", "Key": "c2VjcmV0"}]}')
    with pytest.raises(KeyFileError, match="encryption-key") as refused:
        FileKeys(str(path))
    assert "c2VjcmV0" not in str(refused.value)


class Kms:
    """KMS with one key, which counts its calls and can fail."""

    def __init__(self) -> None:
        self.fails, self.made, self.decrypted = False, 0, 0

    def generate_data_key(self, **_: Any) -> dict[str, Any]:
        """Make a data key."""
        self._answer()
        self.made += 1
        key = bytes([self.made]) * 32
        return {"KeyId": "arn:key", "Plaintext": key, "CiphertextBlob": b"wrapped" + key}

    def decrypt(self, **asked: Any) -> dict[str, Any]:
        """Decrypt a data key."""
        self._answer()
        assert asked["KeyId"] == "alias/drs"
        self.decrypted += 1
        return {"Plaintext": asked["CiphertextBlob"].removeprefix(b"wrapped")}

    def _answer(self) -> None:
        if self.fails:
            raise ClientError({"Error": {"Code": "KMSInternalException"}}, "Decrypt")


async def test_kms_is_asked_once_a_data_key_and_its_outage_stops_nothing_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kms = Kms()
    codec = EncryptionCodec("default", kms=KmsKeys([("alias/drs", kms)], "default"))
    one, two = await codec.encode([PLAIN, PLAIN])
    other = EncryptionCodec("default", kms=KmsKeys([("alias/drs", kms)], "default"))
    assert await other.decode([one, two]) == [PLAIN, PLAIN]
    assert (kms.made, kms.decrypted) == (1, 1)
    kms.fails = True
    monkeypatch.setattr("security.encryption._DATA_KEY_SECONDS", 0.0)
    (three,) = await codec.encode([PLAIN])
    assert await other.decode([three]) == [PLAIN]
    fresh = EncryptionCodec("default", kms=KmsKeys([("alias/drs", kms)], "default"))
    with pytest.raises(EncryptionError, match="kms:Decrypt"):
        await fresh.decode([one])
    with pytest.raises(EncryptionError, match="kms:GenerateDataKey"):
        await fresh.encode([PLAIN])
