"""Snapshots: whether the points in time that a plan names still exist."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget

SNAPSHOT_GONE = FindingKind(
    code=FindingCode.SNAPSHOT_GONE,
    severity=Severity.BLOCKS,
    title="DRS no longer has the snapshot that the plan names",
    meaning="The server is not launched: its snapshot has expired or was deleted.",
    action="Choose another RecoverySnapshotId, or none for the latest data.",
    prevents_launch=True,
)
POINT_IN_TIME_UNMET = FindingKind(
    code=FindingCode.POINT_IN_TIME_UNMET,
    severity=Severity.BLOCKS,
    title="The server has no snapshot for the point in time",
    meaning="It is not launched to another time than the one that was asked for.",
    action="Choose a later time, a larger --max-spread, or --or-latest.",
    prevents_launch=True,
)
KINDS = (SNAPSHOT_GONE, POINT_IN_TIME_UNMET)


class ServerSnapshotsEvidence(Model):
    """The snapshots of a server that DRS has, or why they could not be read."""

    snapshot_ids: frozenset[str] = frozenset()
    failed: FailedRead | None = None


def snapshots_findings(
    planned: PlannedTarget, evidence: dict[str, ServerSnapshotsEvidence]
) -> Iterator[Finding]:
    """Judge the snapshots that the plan names.

    Args:
        planned: the servers.
        evidence: by server; one that DRS does not have is a finding about replication.
    """
    for server_id, server in planned.servers.items():
        known, wanted = evidence.get(server_id), server.snapshot_id
        if known is None or wanted is None:
            continue
        if known.failed is not None:
            yield known.failed.finding("its snapshots", planned, server_id)
        elif wanted not in known.snapshot_ids:
            message = (
                f"DRS has no snapshot {wanted} of it, so it will not be launched: choose another "
                "RecoverySnapshotId, or none for the latest data"
            )
            yield planned.finding(SNAPSHOT_GONE, message, server_id, evidence={"Snapshot": wanted})
