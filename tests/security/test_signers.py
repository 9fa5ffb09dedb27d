"""Requests are signed with a key of a file or of KMS, and a worker needs neither."""

from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from moto import mock_aws

from security.public_keys import KeyFileError, PublicKeys, TrustedKey, TrustedKeys
from security.signers import KeyFile, KmsKey, RequestSigner, SigningError
from tests.security.keys import private_key, start_subject


async def test_kms_signs_and_the_worker_verifies_without_kms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        kms = boto3.client("kms", region_name="eu-west-1")
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        public = serialization.load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
        large = start_subject(relaunch=[f"s-{n:017x}" for n in range(1000)])
        signer = RequestSigner(KmsKey(kms, key), roles=["admin"])
        request = await signer.sign(large, actor="ops", valid_seconds=60)
        unknown = RequestSigner(KmsKey(kms, "alias/missing"))
        with pytest.raises(SigningError, match="KMS did not sign"):
            await unknown.sign(large, actor="ops", valid_seconds=60)
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    keys = PublicKeys(TrustedKeys(keys=[TrustedKey(public_key=pem.decode())]))
    assert keys.verified(request).subject == large


def test_what_is_wrong_with_a_key_file_is_said(tmp_path: Path) -> None:
    path = private_key(tmp_path)
    assert KeyFile(path).kid() == KeyFile(path).kid()
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(path.with_suffix(".pub"))
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(tmp_path / "missing.pem")
