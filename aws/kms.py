"""Clients of KMS, for the keys that sign and encrypt."""

from typing import Any

from aws.sessions import checked_session, client_config


def kms_client(key: str) -> Any:
    """boto3's client of KMS for a key, by the Region that its ARN names."""
    region = key.split(":")[3] if key.startswith("arn:") else None
    return checked_session(region_name=region).client("kms", config=client_config())
