"""Which snapshots of a source server exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# DRS's default retention: every 10 minutes for an hour, hourly for a day, daily for a week (AWS
# documentation). Pairs of period and age, both in seconds.
_DEFAULT_RETENTION = ((600, 3600), (3600, 86_400), (86_400, 7 * 86_400))

_UNITS = {"DAY": 86_400, "HOUR": 3600, "MINUTE": 60}


@dataclass(frozen=True)
class SnapshotGap:
    """A time without snapshots, in epoch seconds.

    Attributes:
        missing_since: When its snapshots disappear.
    """

    begin: float
    end: float
    missing_since: float


@dataclass
class SnapshotPolicy:
    """Which snapshots a source server has.

    Attributes:
        retention: Pairs of the period and of the greatest age, both in seconds.
        since: Epoch seconds of its first snapshot.
    """

    retention: tuple[tuple[int, int], ...] = _DEFAULT_RETENTION
    gaps: tuple[SnapshotGap, ...] = ()
    since: float = 0.0

    def rules(self) -> list[dict[str, Any]]:
        """Return the PITPolicy structure of the API."""
        rules = []
        for number, (every, kept) in enumerate(self.retention, 1):
            unit = next((name for name, size in _UNITS.items() if every % size == 0), "MINUTE")
            rules.append(
                {
                    "ruleID": number,
                    "enabled": True,
                    "units": unit,
                    "interval": every // _UNITS[unit],
                    "retentionDuration": kept // _UNITS[unit],
                }
            )
        return rules

    def has(self, taken: float, now: float) -> bool:
        """Return whether the snapshot of a time exists now, if one was taken then."""
        return taken >= self.since and not any(
            each.begin <= taken <= each.end and each.missing_since <= now for each in self.gaps
        )
