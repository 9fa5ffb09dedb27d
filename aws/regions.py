"""The Regions that drs-waves itself depends on, compared with those that a plan recovers from.

A history table or a Temporal server in the lost Region would be lost too.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import boto3
from botocore.exceptions import BotoCoreError

from settings import Settings

# As in us-west-2.aws.api.temporal.io or vpce-svc-0a1b.eu-central-1.vpce.amazonaws.com.
_REGION = re.compile(
    r"(?<![a-z0-9-])[a-z]{2}(?:-gov|-iso[a-z]?)?-"
    r"(?:central|(?:north|south)(?:east|west)?|east|west)-\d(?![a-z0-9-])"
)


@dataclass(frozen=True)
class DependencyRegions:
    """The Regions that the history and Temporal are in, as the worker sees them.

    Attributes:
        history: the history table's; None if unknown.
        temporal: Temporal's; None if unknown.
    """

    history: str | None = None
    temporal: str | None = None

    @classmethod
    def of(cls, settings: Settings, temporal_address: str) -> "DependencyRegions":
        """The Regions from the settings, or otherwise from Temporal's address."""
        return cls(
            history=history_region(settings),
            temporal=settings.temporal_region or region_in(temporal_address),
        )

    def warnings(self, origins: Iterable[str]) -> list[str]:
        """The warnings for a plan whose source servers replicate from these Regions."""
        lost = set(origins)
        return [
            f"{what} is in {region}, a Region this plan recovers from"
            for what, region in (("The history", self.history), ("Temporal", self.temporal))
            if region in lost
        ]


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
    found = _REGION.search(address.lower())
    return found[0] if found else None
