"""Points in time that a source server can be recovered to."""

from __future__ import annotations

import hashlib
from typing import Any

from ..servers.source_servers import NEVER_SYNCED, SourceServer
from ..simulation import simulation


def taken_at(server: SourceServer, now: float) -> list[float]:
    """Return the times of the server's retained snapshots in epoch seconds, oldest first.

    There is none of data that has not arrived.
    """
    if server.replication_state in NEVER_SYNCED:
        return []
    times = {
        float(latest - step * period)
        for period, age in server.snapshots.retention
        for latest in [int(now // period) * period]
        for step in range(age // period)
    }
    return sorted(
        taken
        for taken in times
        if taken <= server.point_in_time(now) and server.snapshots.has(taken, now)
    )


def snapshot_id(server: SourceServer, taken: float) -> str:
    """Return the ID of the snapshot that the server has at this time."""
    return f"pit-{_digest(server, taken)[:17]}"


def describe(server: SourceServer, taken: float) -> dict[str, Any]:
    """Return the RecoverySnapshot structure of the API."""
    stamp = simulation.timestamp(taken)
    return {
        "snapshotID": snapshot_id(server, taken),
        "sourceServerID": server.source_server_id,
        "expectedTimestamp": stamp,
        "timestamp": stamp,
        "ebsSnapshots": [f"snap-0{_digest(server, taken)[17:33]}"],
    }


def find(server: SourceServer, wanted: str, now: float) -> float | None:
    """Return the time of a snapshot, or None if the server does not have it."""
    if wanted in server.recovery_snapshot_ids:
        return server.point_in_time(now)
    return next((at for at in taken_at(server, now) if snapshot_id(server, at) == wanted), None)


def _digest(server: SourceServer, taken: float) -> str:
    return hashlib.sha256(f"{server.source_server_id}@{taken:.0f}".encode()).hexdigest()
