"""A worker accepts what its keys signed, unchanged, and nothing else."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from recovery.access.grants import AccessCode, AccessRefusedError, Algorithm, SignedRequest
from security.public_keys import KeyFileError, PublicKeys, TrustedKey, TrustedKeys
from security.signers import RequestSigner
from tests.security.keys import key_file, private_key, signer, start_subject, trusted


def refused(keys: PublicKeys, request: SignedRequest) -> AccessCode:
    """Why a request is refused."""
    with pytest.raises(AccessRefusedError) as caught:
        keys.verified(request)
    return caught.value.code


async def test_an_unchanged_request_is_accepted_and_a_changed_one_is_not(tmp_path: Path) -> None:
    key, keys = signer(tmp_path)
    request = await RequestSigner(key, roles=["operator"]).sign(
        start_subject(), actor="ops", valid_seconds=60
    )
    grant = keys.verified(request)
    assert (grant.actor, grant.roles, grant.subject) == ("ops", ["operator"], start_subject())
    assert grant.signed_text == request.payload

    def changed(**values: object) -> SignedRequest:
        return SignedRequest(
            payload=json.dumps(json.loads(request.payload) | values), signature=request.signature
        )

    assert refused(keys, changed(Actor="boss")) is AccessCode.WRONG_SIGNATURE
    assert refused(keys, changed(ExpiresTime=1e12)) is AccessCode.WRONG_SIGNATURE
    # The key says how it signs, not the request.
    assert refused(keys, changed(Algorithm=Algorithm.ECDSA_P256)) is AccessCode.WRONG_SIGNATURE
    assert refused(keys, changed(Kid="0" * 16)) is AccessCode.UNKNOWN_KEY
    assert refused(keys, changed(Admin=True)) is AccessCode.MALFORMED
    assert refused(keys, SignedRequest(payload="?", signature="")) is AccessCode.MALFORMED
    for signature in ("", "no base64", request.signature[:-4]):
        forged = SignedRequest(payload=request.payload, signature=signature)
        assert refused(keys, forged) is AccessCode.WRONG_SIGNATURE


async def test_a_key_that_the_worker_does_not_have_is_refused(tmp_path: Path) -> None:
    key, _ = signer(tmp_path)
    _, keys = signer(tmp_path)
    request = await RequestSigner(key).sign(start_subject(), actor="ops", valid_seconds=60)
    assert refused(keys, request) is AccessCode.UNKNOWN_KEY


@pytest.mark.parametrize(("is_offline", "reason"), [(True, None), (False, "the Region is lost")])
async def test_only_an_offline_key_breaks_the_glass_and_only_with_a_reason(
    tmp_path: Path, is_offline: bool, reason: str | None
) -> None:
    key, keys = signer(tmp_path, break_glass=is_offline)
    wrong = RequestSigner(key, break_glass=reason)
    request = await wrong.sign(start_subject(), actor="ops", valid_seconds=60)
    assert refused(keys, request) is AccessCode.WRONG_KEY_USE
    right = RequestSigner(key, break_glass="the Region is lost" if is_offline else None)
    keys.verified(await right.sign(start_subject(), actor="ops", valid_seconds=60))


def test_the_file_of_keys_is_read_and_what_is_wrong_with_it_is_said(tmp_path: Path) -> None:
    path = key_file(tmp_path, trusted(private_key(tmp_path)))
    read = PublicKeys.read(str(path))
    # In a container there may be no files.
    assert PublicKeys.read(path.read_text()).key_ids == read.key_ids
    with pytest.raises(KeyFileError, match="in DRS_WAVES_REQUEST_KEYS cannot be read"):
        PublicKeys.read('{"Keys": "?"}')
    for text in ("", "{}", '{"Keys": []}', '{"Keys": [{"PublicKey": "?"}]}'):
        path.write_text(text)
        with pytest.raises(KeyFileError):
            PublicKeys.read(str(path))
    with pytest.raises(KeyFileError, match="cannot be read"):
        PublicKeys.read(str(tmp_path / "missing"))


def test_weak_keys_and_offline_keys_in_kms_are_refused() -> None:
    for key, break_glass in (
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), False),
        (ec.generate_private_key(ec.SECP384R1()), False),
        (ec.generate_private_key(ec.SECP256R1()), True),
    ):
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        each = TrustedKey(public_key=pem.decode(), break_glass=break_glass)
        with pytest.raises(KeyFileError, match="must be"):
            PublicKeys(TrustedKeys(keys=[each]))
