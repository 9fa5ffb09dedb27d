"""The judgement of snapshots."""

import pytest

from recovery.readiness.finding import FindingCode
from recovery.readiness.slow_evidence import SlowEvidence
from recovery.readiness.subjects.replication import ServerReplication
from recovery.readiness.subjects.snapshots import SnapshotsEvidence, snapshots_findings
from tests.recovery.readiness.subjects.test_replication import NOW, SERVER, planned

HOUR = 3600.0


@pytest.mark.parametrize(
    ("lag_hours", "age_hours", "is_stale"),
    [
        (0, 0.4, False),
        (0, 0.6, True),
        # Of the time before the last hour DRS keeps one an hour, before the last day one a day.
        (4, 5, False),
        (25, 48, False),
        (4, 9, True),
    ],
)
def test_a_snapshot_is_stale_only_if_lag_and_retention_do_not_explain_its_age(
    lag_hours: float, age_hours: float, is_stale: bool
) -> None:
    seen = SlowEvidence(
        read_time=NOW, snapshot_seconds=600.0, newest_snapshot=NOW - age_hours * HOUR
    )
    replication = ServerReplication(state="CONTINUOUS", lag_seconds=lag_hours * HOUR)
    evidence = SnapshotsEvidence(slow={SERVER: seen}, replication={SERVER: replication})
    codes = [each.code for each in snapshots_findings(planned(), evidence)]
    assert codes == [FindingCode.SNAPSHOT_STALE] * is_stale
