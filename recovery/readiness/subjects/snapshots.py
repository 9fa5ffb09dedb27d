"""Snapshots: whether there are points in time to recover to, and those that the plan names."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.readiness.affected import affected, unread
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.slow_evidence import SlowEvidence
from recovery.readiness.subjects.replication import NOT_LAUNCHABLE_STATES, ServerReplication
from recovery.text_format import rounded_duration, utc_timestamp

# DRS takes a snapshot every 10 minutes by default (AWS documentation).
_DEFAULT_SECONDS = 600.0
# A snapshot may be late without anything being wrong.
_LATE = 3

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
SNAPSHOT_MISSING = FindingKind(
    code=FindingCode.SNAPSHOT_MISSING,
    severity=Severity.BLOCKS,
    title="The server has no snapshot",
    meaning="It cannot be recovered to an earlier point in time, such as before an attack.",
    action="See whether its initial sync is over and its policy of snapshots is on, in DRS.",
)
SNAPSHOT_STALE = FindingKind(
    code=FindingCode.SNAPSHOT_STALE,
    severity=Severity.WARNS,
    title="The newest snapshot is older than the policy and the RPO allow",
    meaning="A recovery to a point in time would lose more data than the plan allows.",
    action="See why DRS takes no snapshots: the policy of the server, and events of its agent.",
)
KINDS = (SNAPSHOT_GONE, POINT_IN_TIME_UNMET, SNAPSHOT_MISSING, SNAPSHOT_STALE)


class SnapshotsEvidence(Model):
    """The snapshots of a plan's servers in one target; those of servers that DRS has.

    Attributes:
        slow: what is kept of each server.
        replication: of each server; what it explains is a finding of it alone.
        planned: of servers for which the plan names a snapshot, whether DRS has it, read now.
    """

    slow: dict[str, SlowEvidence] = {}
    replication: dict[str, ServerReplication] = {}
    planned: dict[str, bool | FailedRead] = {}


def snapshots_findings(planned: PlannedTarget, evidence: SnapshotsEvidence) -> Iterator[Finding]:
    """Judge the snapshots of a plan's servers in one target."""
    failed = {i: s.failed["snapshots"] for i, s in evidence.slow.items() if "snapshots" in s.failed}
    failed |= {i: each for i, each in evidence.planned.items() if isinstance(each, FailedRead)}
    yield from unread(planned, "its snapshots", failed)
    for server_id, is_there in evidence.planned.items():
        wanted = planned.servers[server_id].snapshot_id
        if is_there is False and wanted is not None:
            message = (
                f"DRS has no snapshot {wanted} of it, so it will not be launched: choose another "
                "RecoverySnapshotId, or none for the latest data"
            )
            yield planned.finding(SNAPSHOT_GONE, message, server_id, evidence={"Snapshot": wanted})
    seen = {i: each for i, each in evidence.slow.items() if i not in failed}
    missing = [
        i
        for i, each in seen.items()
        if each.newest_snapshot is None and not _is_never_synced(evidence.replication.get(i))
    ]
    read_time = min((seen[i].read_time for i in missing), default=None)
    message = "DRS has no snapshot of it to recover to"
    yield from affected(planned, SNAPSHOT_MISSING, missing, message, read_time=read_time)
    for server_id, each in seen.items():
        replication = evidence.replication.get(server_id)
        lag = (replication.lag_seconds if replication else None) or 0.0
        yield from _stale(planned, server_id, each, lag)


def _is_never_synced(replication: ServerReplication | None) -> bool:
    return replication is not None and replication.state in NOT_LAUNCHABLE_STATES


def _stale(
    planned: PlannedTarget, server_id: str, seen: SlowEvidence, lag: float
) -> Iterator[Finding]:
    newest = seen.newest_snapshot
    if newest is None:
        return
    # As it was when it was read: what is kept for hours is not stale for that.
    age = seen.read_time - newest
    interval = seen.snapshot_seconds or _DEFAULT_SECONDS
    # DRS keeps one snapshot an hour after the first hour, and one a day after the first day: of a
    # server that lags, the newest one may be twice as old as its data.
    allowed = max(_LATE * interval + 2 * lag, (planned.plan.rpo or 0) * 60.0)
    if age > allowed:
        yield planned.finding(
            SNAPSHOT_STALE,
            f"its newest snapshot was {rounded_duration(age)} old; its policy takes one every "
            f"{rounded_duration(interval)}",
            server_id,
            evidence={
                "Newest": utc_timestamp(newest),
                "Age": f"{age:.0f} s",
                "Allowed": f"{allowed:.0f} s",
            },
            read_time=seen.read_time,
        )
