"""The Regions that drs-waves itself depends on, compared with those that a plan recovers from.

A history table or a Temporal server in the lost Region would be lost too. What AWS's SDK knows
about Regions is read here as well.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from recovery.plan.file.regions import KnownRegions
from settings import Settings

# As in us-west-2.aws.api.temporal.io or vpce-svc-0a1b.eu-central-1.vpce.amazonaws.com.
_NAME = re.compile(r"(?<![a-z0-9-])[a-z]+(?:-[a-z]+)+-\d+(?![a-z0-9-])")


@dataclass(frozen=True)
class DependencyRegions:
    """The Regions that the history and Temporal are in, as the worker sees them.

    Attributes:
        history: the history table's; None if unknown.
        temporal: Temporal's; None if unknown.
        others: those of other parts of the installation, by what they are.
    """

    history: str | None = None
    temporal: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, temporal_address: str) -> "DependencyRegions":
        """The Regions from the settings, or otherwise from Temporal's address."""
        return cls(
            history=history_region(settings),
            temporal=settings.temporal_region or region_in(temporal_address),
        )

    def lost_with(self, origins: Iterable[str]) -> dict[str, str]:
        """What would be lost with these Regions, from which source servers replicate."""
        lost = set(origins)
        return {
            what: region
            for what, region in (
                ("The history", self.history),
                ("Temporal", self.temporal),
                *self.others.items(),
            )
            if region in lost
        }


def history_region(settings: Settings) -> str | None:
    """The Region of the history table: a setting of its own, or AWS's."""
    # boto3 itself reads AWS_DEFAULT_REGION and its files only.
    if named := settings.history_region or os.environ.get("AWS_REGION"):
        return named
    try:
        return boto3.Session().region_name
    except BotoCoreError:
        return None


def region_in(address: str) -> str | None:
    """The AWS Region that a host name names, or None."""
    regions = {name for partition in _partitions() for name in partition["regions"]}
    return next((name for name in _NAME.findall(address.lower()) if name in regions), None)


@cache
def known_regions() -> KnownRegions:
    """The partitions and the Regions with DRS that botocore knows."""
    endpoints = EndpointResolver({"partitions": _partitions()})
    partitions = {each["partition"]: each["regionRegex"] for each in _partitions()}
    return KnownRegions(
        partitions=partitions,
        names=tuple(name for each in _partitions() for name in each["regions"]),
        with_drs=tuple(
            region
            for name in partitions
            for region in endpoints.get_available_endpoints("drs", name)
        ),
    )


@cache
def _partitions() -> list[dict[str, Any]]:
    # Not through a session, which fails if the profile does not exist.
    partitions: list[dict[str, Any]] = create_loader().load_data("endpoints")["partitions"]
    return partitions
