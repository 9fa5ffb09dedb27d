"""Secrets are read where references say, when they are used."""

import boto3
import pytest

from activities.notify import secret_reader
from activities.notify.delivery import DeliveryError
from activities.notify.secret_reader import SecretReader
from aws.sessions import OwnClients
from recovery.notify.channels import SecretReference
from tests.aws_in_process import LocalAws

SECRET = SecretReference(secrets_manager="drs-waves/slack")
PARAMETER = SecretReference(ssm_parameter="/drs-waves/slack", region="eu-central-1")


@pytest.fixture
def reader(aws: LocalAws) -> SecretReader:
    """A reader of the local AWS."""
    return SecretReader(OwnClients())


async def test_a_secret_is_read_and_kept_for_a_minute(
    aws: LocalAws, reader: SecretReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = aws.client("secretsmanager")
    manager.create_secret(Name="drs-waves/slack", SecretString="one\n")
    assert await reader.read(SECRET) == "one"
    manager.put_secret_value(SecretId="drs-waves/slack", SecretString="two")
    assert await reader.read(SECRET) == "one"
    assert aws.calls("GetSecretValue", "secretsmanager") == 1
    monkeypatch.setattr(secret_reader, "_CACHED_SECONDS", -1.0)
    fresh = SecretReader(OwnClients())
    assert [await fresh.read(SECRET) for _ in range(2)] == ["two", "two"]
    assert aws.calls("GetSecretValue", "secretsmanager") == 3


async def test_a_parameter_is_read_decrypted_in_its_region(
    aws: LocalAws, reader: SecretReader
) -> None:
    ssm = boto3.client("ssm", region_name="eu-central-1")
    ssm.put_parameter(Name="/drs-waves/slack", Value="hidden", Type="SecureString")
    assert await reader.read(PARAMETER) == "hidden"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (SECRET, "the secret drs-waves/slack of Secrets Manager cannot be read"),
        (PARAMETER, "the parameter /drs-waves/slack of SSM cannot be read"),
        (SecretReference(env="NOT_THERE"), "the environment variable NOT_THERE is not set"),
    ],
)
async def test_a_missing_one_names_its_reference(
    reader: SecretReader, reference: SecretReference, name: str
) -> None:
    with pytest.raises(DeliveryError, match=name):
        await reader.read(reference)
