"""In which Regions the parts of an installation are that a recovery needs."""

import os
from collections.abc import Iterable, Mapping

from aws.regions import history_region, region_in
from recovery.notify.channels import Channel, SecretReference
from settings import AUDIT_TO_CLOUDWATCH, Settings

_ARN_REGION = 3


def installation_regions(settings: Settings, channels: Iterable[Channel]) -> dict[str, str]:
    """The Region of each part, by what it is; without those whose Region is not known.

    The history and Temporal are in `DependencyRegions` already.

    Args:
        settings: of the worker.
        channels: of the installation.
    """
    tables = history_region(settings)
    found: dict[str, str | None] = {
        "The table of registered plans": tables,
        "This worker": _worker_region(os.environ),
        "The API": region_in(settings.public_url or settings.api_url or ""),
        "The identity provider": region_in(settings.oidc_issuer or ""),
        "The KMS key of signed requests": _region_of(settings.signing_kms_key),
    }
    if (settings.audit_log or "").startswith(AUDIT_TO_CLOUDWATCH):
        found["The audit log"] = tables
    for channel in channels:
        for what, region in _regions_of(channel, default=tables):
            found[f"{what} of channel {channel.name}"] = region
    found |= settings.dependency_regions or {}
    return {what: region for what, region in found.items() if region}


def _worker_region(environment: Mapping[str, str]) -> str | None:
    """Where AWS runs this worker: ECS and Lambda say so."""
    return environment.get("AWS_REGION") if environment.get("AWS_EXECUTION_ENV") else None


def _regions_of(channel: Channel, default: str | None) -> Iterable[tuple[str, str | None]]:
    if channel.sns is not None:
        yield "The topic", _region_of(channel.sns.topic_arn)
    if channel.event_bridge is not None:
        bus = channel.event_bridge
        yield "The event bus", _region_of(bus.bus) or bus.region or default
    hook, pager = channel.web_hook, channel.pager_duty
    secrets = [
        channel.apprise,
        hook and hook.url,
        hook and hook.secret,
        pager and pager.routing_key,
    ]
    for secret in secrets:
        if isinstance(secret, SecretReference) and secret.env is None:
            name = secret.secrets_manager or secret.ssm_parameter
            yield "A secret", _region_of(name) or secret.region or default


def _region_of(arn: str | None) -> str | None:
    """The Region of an ARN; None if it is none."""
    parts = (arn or "").split(":")
    return parts[_ARN_REGION] or None if parts[0] == "arn" and len(parts) > _ARN_REGION else None
