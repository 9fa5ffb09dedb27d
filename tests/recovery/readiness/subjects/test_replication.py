"""The judgement of replication."""

import pytest

from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.subjects.replication import (
    ReplicationEvidence,
    ServerReplication,
    replication_findings,
)

SERVER = f"s-{1:017x}"
NOW = 1_000_000.0
HEALTHY = ServerReplication(state="CONTINUOUS", lag_seconds=0.0, last_seen=NOW - 60)


def planned(rpo: int | None = None) -> PlannedTarget:
    wave = Wave(wave_id="db", servers=[Server(source_server_id=SERVER)], region="us-west-2")
    return PlannedTarget(RecoveryPlan(plan_id="crm", rpo=rpo, waves=[wave]), wave.target)


def findings_of(server: ServerReplication | None, rpo: int | None = None) -> list[Finding]:
    evidence = ReplicationEvidence(servers={SERVER: server} if server else {})
    return list(replication_findings(planned(rpo), evidence, NOW))


def test_a_healthy_server_has_no_findings() -> None:
    assert findings_of(HEALTHY, rpo=1) == []


@pytest.mark.parametrize(
    ("server", "code", "severity", "prevents_launch"),
    [
        (None, FindingCode.SERVER_MISSING, Severity.BLOCKS, True),
        ({"state": "INITIAL_SYNC"}, FindingCode.NOT_LAUNCHABLE, Severity.BLOCKS, True),
        ({"state": "DISCONNECTED"}, FindingCode.NOT_LAUNCHABLE, Severity.BLOCKS, True),
        ({"state": "STALLED"}, FindingCode.REPLICATION_STALLED, Severity.BLOCKS, False),
        ({"state": "RESCAN"}, FindingCode.REPLICATION_NOT_CONTINUOUS, Severity.WARNS, False),
        ({"state": None}, FindingCode.REPLICATION_STATE_UNKNOWN, Severity.UNKNOWN, False),
        ({"state": "NEW"}, FindingCode.REPLICATION_STATE_UNKNOWN, Severity.UNKNOWN, False),
        ({"error": "AGENT_NOT_SEEN"}, FindingCode.REPLICATION_ERROR, Severity.WARNS, False),
        ({"lag_seconds": 60.0}, FindingCode.REPLICATION_LAG, Severity.WARNS, False),
        ({"extension_error": ""}, FindingCode.EXTENSION_FAILED, Severity.BLOCKS, True),
        ({"last_seen": NOW - 601}, FindingCode.AGENT_UNSEEN, Severity.WARNS, False),
        ({"last_seen": None}, FindingCode.AGENT_SIGHTING_UNKNOWN, Severity.WARNS, False),
    ],
)
def test_each_fault_is_a_finding_of_its_server(
    server: dict[str, object] | None, code: FindingCode, severity: Severity, prevents_launch: bool
) -> None:
    found = findings_of(HEALTHY.model_copy(update=server) if server is not None else None)

    (finding,) = found
    assert (finding.code, finding.severity) == (code, severity)
    assert finding.prevents_launch is prevents_launch
    assert (finding.source_server_id, finding.wave_id) == (SERVER, "db")


@pytest.mark.parametrize(("lag", "exceeds"), [(899.0, False), (900.0, False), (901.0, True)])
def test_a_lag_counts_against_the_rpo_of_the_plan(lag: float, exceeds: bool) -> None:
    found = findings_of(HEALTHY.model_copy(update={"lag_seconds": lag}), rpo=15)

    assert [f.code for f in found] == [FindingCode.RPO_EXCEEDED] * exceeds
    if exceeds:
        assert found[0].evidence == {"Lag": "901 s", "Rpo": "900 s"}


def test_a_lag_that_is_not_known_is_not_within_the_rpo() -> None:
    paused = HEALTHY.model_copy(update={"state": "PAUSED", "lag_seconds": None})

    assert FindingCode.LAG_UNKNOWN in [f.code for f in findings_of(paused, rpo=15)]
    assert FindingCode.LAG_UNKNOWN not in [f.code for f in findings_of(paused)]


def test_servers_that_may_not_be_read_are_unknown_and_the_permission_is_named() -> None:
    denied = FailedRead(action="drs:DescribeSourceServers", error="denied", is_denied=True)

    (found,) = replication_findings(planned(), ReplicationEvidence(failed=denied), NOW)

    assert (found.code, found.severity) == (FindingCode.PERMISSION_MISSING, Severity.UNKNOWN)
    assert found.evidence["Permission"] == "drs:DescribeSourceServers"
