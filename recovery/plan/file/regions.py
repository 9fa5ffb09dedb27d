"""What AWS's SDK knows about Regions; `aws.regions` reads it from there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownRegions:
    """The Regions that AWS's SDK knows.

    Attributes:
        partitions: by partition, the pattern of its Regions' names.
        names: the Regions of all services.
        with_drs: the Regions that have DRS.
    """

    partitions: Mapping[str, str]
    names: tuple[str, ...]
    with_drs: tuple[str, ...]

    def partition_of(self, region: str) -> str | None:
        """Return the partition of a Region; None if no partition has such names."""
        matching = (name for name, pattern in self.partitions.items() if re.match(pattern, region))
        return next(matching, None)
