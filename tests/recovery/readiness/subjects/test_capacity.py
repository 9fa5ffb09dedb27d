"""The judgement of capacity."""

import pytest

from recovery.launch_settings.in_force import DrsFields, SettingsInForce
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.subjects.capacity import (
    STANDARD,
    CapacityEvidence,
    RunningVcpus,
    TypeSeen,
    capacity_findings,
    quota_of,
)

SERVERS = [f"s-{number:017x}" for number in (1, 2)]
TYPES = {
    "m6i.xlarge": TypeSeen(vcpus=4, zones=("us-west-2a",)),
    # EC2 does not have the first, and says little of the second.
    "m9z.huge": TypeSeen(),
    "m9.odd": TypeSeen(zones=("us-west-2a",)),
}


def findings_of(
    *,
    right_sizing: str = "NONE",
    disposition: str = "STARTED",
    running: int = 0,
    quota: int | None = 8,
    instance_type: str | None = "m6i.xlarge",
    subnet_id: str | None = "subnet-1",
) -> list[Finding]:
    servers = [Server(source_server_id=each) for each in SERVERS]
    wave = Wave(wave_id="db", servers=servers, region="us-west-2")
    planned = PlannedTarget(RecoveryPlan(plan_id="crm", waves=[wave]), wave.target)
    settings = SettingsInForce(
        template_id="lt-1",
        template_version=1,
        subnet_id=subnet_id,
        instance_type=instance_type,
        drs=DrsFields(right_sizing=right_sizing, launch_disposition=disposition),
    )
    evidence = CapacityEvidence(
        settings=dict.fromkeys(SERVERS, settings),
        zones={"subnet-1": "us-west-2a"},
        types=TYPES,
        running=RunningVcpus(total={STANDARD: running}),
        quotas={} if quota is None else {STANDARD: quota},
    )
    return list(capacity_findings(planned, evidence))


@pytest.mark.parametrize(
    ("running", "quota", "is_short"), [(0, 8, False), (0, 7, True), (1, 8, True), (1, 9, False)]
)
def test_what_runs_and_what_the_plan_starts_must_fit_into_the_quota(
    running: int, quota: int, is_short: bool
) -> None:
    found = findings_of(running=running, quota=quota)
    assert [each.code for each in found] == [FindingCode.VCPU_QUOTA_SHORT] * is_short


@pytest.mark.parametrize(("quota", "name"), [(None, "m6i.xlarge"), (8, "m9.odd")])
def test_a_quota_that_cannot_be_compared_is_not_known(quota: int | None, name: str) -> None:
    (found,) = findings_of(quota=quota, instance_type=name)
    assert (found.code, found.severity) == (FindingCode.VCPU_QUOTA_UNKNOWN, Severity.UNKNOWN)


@pytest.mark.parametrize("subnet_id", ["subnet-1", None])
def test_a_type_that_ec2_does_not_have_is_found_also_without_a_subnet(
    subnet_id: str | None,
) -> None:
    found = findings_of(instance_type="m9z.huge", subnet_id=subnet_id)
    assert [each.code for each in found] == [FindingCode.INSTANCE_TYPE_NOT_OFFERED] * 2


def test_without_a_subnet_a_type_that_some_zone_has_is_not_missing() -> None:
    assert findings_of(subnet_id=None) == []


def test_a_template_without_a_type_is_a_finding() -> None:
    found = findings_of(instance_type=None)
    assert [each.code for each in found] == [FindingCode.INSTANCE_TYPE_UNKNOWN] * 2


def test_a_server_that_is_not_started_takes_no_quota() -> None:
    assert findings_of(disposition="STOPPED", quota=0) == []


def test_the_type_of_the_template_means_nothing_where_drs_chooses_it() -> None:
    found = findings_of(right_sizing="BASIC", quota=0)
    assert [each.code for each in found] == [FindingCode.INSTANCE_TYPE_UNKNOWN] * 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("m6i.large", STANDARD),
        ("im4gn.large", STANDARD),
        ("inf2.xlarge", "L-1945791B"),
        ("g5.xlarge", "L-DB2E81BA"),
        ("x2idn.16xlarge", "L-7295265B"),
        ("mac1.metal", None),
    ],
)
def test_a_type_counts_against_the_quota_of_its_family(name: str, code: str | None) -> None:
    assert quota_of(name) == code
