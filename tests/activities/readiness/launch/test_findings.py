"""Each finding about launches is produced by a scenario, and gone when that is mended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.readiness.readiness_activities import ReadinessActivities
from aws.targets import TargetClients
from contract.readiness import TargetLook
from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.readiness.finding import Finding, FindingCode, Severity
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from settings import Settings
from tests.aws_in_process import REGION, TARGET, LocalAws

SUBNET, OTHER_SUBNET = PRODUCTION.subnet_ids
DRILL_SUBNET = DRILL.subnet_ids[0]
DRILL_SETTINGS = LaunchSettings(
    subnet_id=DRILL_SUBNET, security_group_ids=[DRILL.security_group_id]
)
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:123456789012:key/{KEY}"

Look = Callable[..., Awaitable[list[Finding]]]


@pytest.fixture
def look(fast: Settings) -> Look:
    """Looks at a target as a worker does; all looks of a test share what a worker keeps."""
    activities = ReadinessActivities(TargetClients(fast))

    async def run(plan: RecoveryPlan, *, is_fresh: bool = True) -> list[Finding]:
        request = TargetLook(plan=plan, target=TARGET, is_fresh=is_fresh)
        result = await ActivityEnvironment().run(activities.look_at_target, request)
        return result.findings

    return run


def plan_of(servers: list[Server], **settings: Any) -> RecoveryPlan:
    wave = Wave(wave_id="db", servers=servers, region=REGION)
    return RecoveryPlan(plan_id="crm", region=REGION, waves=[wave], **settings)


@dataclass
class Case:
    """A fault of what a launch needs.

    Attributes:
        server: what the scenario says of the plan's servers from the start.
        broken: the scenario that breaks it; `Server` is of the servers.
        mended: the scenario that mends it.
        says: what the finding's message has.
        settings: of the plan.
        severity: of the finding.
    """

    code: FindingCode
    broken: dict[str, Any]
    mended: dict[str, Any]
    says: str
    server: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.BLOCKS


CASES = [
    Case(
        FindingCode.SUBNET_MISSING,
        {"Subnets": [{"SubnetId": SUBNET, "Exists": False}]},
        {"Subnets": [{"SubnetId": SUBNET}]},
        f"{SUBNET}, the subnet of its launch template, does not exist",
    ),
    Case(
        FindingCode.ADDRESSES_SHORT,
        {"Subnets": [{"SubnetId": SUBNET, "AvailableIps": 1}]},
        {"Subnets": [{"SubnetId": SUBNET, "AvailableIps": 2}]},
        f"{SUBNET} has free addresses for 1 server; the plan launches 2 servers into it",
    ),
    Case(
        FindingCode.SECURITY_GROUP_MISSING,
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd", "Exists": False}]},
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd"}]},
        "sg-0000000000000abcd, a security group of its launch template, does not exist",
        server={
            "LaunchTemplate": {"SubnetId": SUBNET, "SecurityGroupIds": ["sg-0000000000000abcd"]}
        },
    ),
    Case(
        FindingCode.SECURITY_GROUP_OF_OTHER_VPC,
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd", "VpcId": DRILL.vpc_id}]},
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd"}]},
        f"sg-0000000000000abcd is of {DRILL.vpc_id}, and its subnet is of {PRODUCTION.vpc_id}",
        server={
            "LaunchTemplate": {"SubnetId": SUBNET, "SecurityGroupIds": ["sg-0000000000000abcd"]}
        },
    ),
    Case(
        FindingCode.INSTANCE_PROFILE_MISSING,
        {"InstanceProfiles": [{"Name": "web", "Exists": False}]},
        {"InstanceProfiles": [{"Name": "web"}]},
        "the instance profile web of its launch template does not exist",
        server={"LaunchTemplate": {"InstanceProfile": "web"}},
    ),
    Case(
        FindingCode.KEY_UNUSABLE,
        {"KmsKeys": [{"KeyId": KEY, "State": "PendingDeletion"}]},
        {"KmsKeys": [{"KeyId": KEY}]},
        f"the key {KEY_ARN} of its disks is PendingDeletion",
        server={"EncryptionKeyArn": KEY_ARN},
    ),
    Case(
        FindingCode.INSTANCE_TYPE_NOT_OFFERED,
        {"InstanceTypeOfferings": [{"InstanceType": "m6i.large", "NotOfferedIn": ["us-west-2a"]}]},
        {"InstanceTypeOfferings": [{"InstanceType": "m6i.large", "NotOfferedIn": []}]},
        "its instance type m6i.large is not offered in us-west-2a",
        server={"RightSizing": "NONE", "LaunchTemplate": {"InstanceType": "m6i.large"}},
    ),
    Case(
        FindingCode.RECOMMENDED_TYPE_NOT_OFFERED,
        {"InstanceTypeOfferings": [{"InstanceType": "r5.large", "NotOfferedIn": ["us-west-2a"]}]},
        {"InstanceTypeOfferings": [{"InstanceType": "r5.large", "NotOfferedIn": []}]},
        "r5.large, which DRS recommends for it, is not offered in us-west-2a",
        server={"RecommendedInstanceType": "r5.large"},
        severity=Severity.WARNS,
    ),
    Case(
        FindingCode.INSTANCE_TYPE_UNKNOWN,
        {"Server": {"RecommendedInstanceType": ""}},
        {"Server": {"RecommendedInstanceType": "c5.large"}},
        "DRS chooses its instance type at the launch, and recommends none",
        severity=Severity.WARNS,
    ),
    Case(
        FindingCode.VCPU_QUOTA_SHORT,
        {"Quotas": {"StandardVcpus": 3}},
        {"Quotas": {"StandardVcpus": 4}},
        "the plan needs 4 vCPUs here and 0 run already",
    ),
    Case(
        FindingCode.SNAPSHOT_MISSING,
        {"Server": {"SnapshotsSince": "PT0S"}},
        {"Server": {"SnapshotsSince": "PT20H"}},
        "DRS has no snapshot of it to recover to",
    ),
    Case(
        FindingCode.SNAPSHOT_STALE,
        {"Server": {"SnapshotGaps": [{"FromAgo": "PT2H"}]}},
        {"Server": {"SnapshotRetention": [{"EverySeconds": 86_400, "KeptSeconds": 604_800}]}},
        "its policy takes one every 10 min",
        severity=Severity.WARNS,
    ),
    Case(
        FindingCode.LAUNCH_SETTINGS_DRIFT,
        {"Server": {"LaunchTemplate": {"InstanceType": "m5.large"}}},
        {"Server": {"LaunchTemplate": {"InstanceType": "m5.xlarge"}}},
        "it would launch with InstanceType m5.large, not m5.xlarge",
        server={"RightSizing": "NONE", "LaunchTemplate": {"InstanceType": "m5.xlarge"}},
        settings={"launch_settings": LaunchSettings(instance_type="m5.xlarge")},
        severity=Severity.WARNS,
    ),
    Case(
        FindingCode.ISOLATION_IMPOSSIBLE,
        {"Subnets": [{"SubnetId": DRILL_SUBNET, "Exists": False}]},
        {"Subnets": [{"SubnetId": DRILL_SUBNET}]},
        f"a drill cannot isolate it: {DRILL_SUBNET} does not exist in {REGION}",
        settings={"drill_launch_settings": DRILL_SETTINGS},
    ),
    Case(
        FindingCode.ISOLATION_IMPOSSIBLE,
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd"}]},
        {"SecurityGroups": [{"SecurityGroupId": "sg-0000000000000abcd", "VpcId": DRILL.vpc_id}]},
        "security group sg-0000000000000abcd is not of the VPC of",
        settings={
            "drill_launch_settings": LaunchSettings(
                subnet_id=DRILL_SUBNET, security_group_ids=["sg-0000000000000abcd"]
            )
        },
    ),
    Case(
        FindingCode.ISOLATION_IMPOSSIBLE,
        {"Server": {"PostLaunchEnabled": True}},
        {"Server": {"PostLaunchEnabled": False}},
        "its post-launch actions are active, and DrillLaunchSettings do not state",
        settings={"drill_launch_settings": DRILL_SETTINGS},
    ),
]


def _apply(aws: LocalAws, servers: list[Server], scenario: dict[str, Any]) -> None:
    own = scenario.get("Server")
    listed = [{"SourceServerId": s.source_server_id, **own} for s in servers] if own else []
    rest = {key: value for key, value in scenario.items() if key != "Server"}
    aws.apply(**rest, **({"SourceServers": listed} if listed else {}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.says[:20]}")
async def test_a_fault_is_a_finding_and_gone_when_mended(
    aws: LocalAws, look: Look, case: Case
) -> None:
    servers = aws.servers(2, **case.server)
    plan = plan_of(servers, **case.settings)

    _apply(aws, servers, case.broken)
    found = [each for each in await look(plan) if each.code is case.code]
    assert found
    assert all(each.severity is case.severity for each in found)
    assert case.says in found[0].message
    assert found[0].region == REGION

    _apply(aws, servers, case.mended)
    assert await look(plan) == []


async def test_a_launch_template_that_was_deleted_is_a_finding(aws: LocalAws, look: Look) -> None:
    servers = aws.servers(2)
    template = aws.client("drs").get_launch_configuration(
        sourceServerID=servers[0].source_server_id
    )["ec2LaunchTemplateID"]
    aws.client("ec2").delete_launch_template(LaunchTemplateId=template)

    (found,) = await look(plan_of(servers))

    assert (found.code, found.source_server_id) == (
        FindingCode.TEMPLATE_MISSING,
        servers[0].source_server_id,
    )
    assert template in found.message


async def test_a_snapshot_that_the_plan_names_and_drs_lacks_is_a_finding(
    aws: LocalAws, look: Look
) -> None:
    (server,) = aws.servers(1)
    gone = server.model_copy(update={"recovery_snapshot_id": f"pit-{1:017x}"})
    (found,) = await look(plan_of([gone]))
    assert (found.code, found.prevents_launch) == (FindingCode.SNAPSHOT_GONE, True)

    listed = aws.client("drs").describe_recovery_snapshots(sourceServerID=server.source_server_id)
    known = {"recovery_snapshot_id": listed["items"][0]["snapshotID"]}
    assert await look(plan_of([server.model_copy(update=known)])) == []


@pytest.mark.parametrize(
    ("action", "what"),
    [
        ("drs:GetLaunchConfiguration", "its launch settings"),
        ("drs:GetReplicationConfiguration", "the keys of encrypted disks"),
        ("drs:DescribeRecoverySnapshots", "its snapshots"),
        ("ec2:DescribeLaunchTemplateVersions", "the launch templates"),
        ("ec2:DescribeSubnets", "the subnets of the launch templates"),
        ("ec2:DescribeSecurityGroups", "the security groups of the launch templates"),
        ("iam:GetInstanceProfile", "instance profiles"),
        ("kms:DescribeKey", "the keys of encrypted disks"),
        ("ec2:DescribeInstanceTypes", "the instance types"),
        ("ec2:DescribeInstanceTypeOfferings", "the instance types"),
        ("ec2:DescribeInstances", "what runs in EC2"),
        ("servicequotas:ListServiceQuotas", "the quotas of EC2"),
    ],
)
async def test_what_may_not_be_read_is_unknown_once_and_names_the_permission(
    aws: LocalAws, look: Look, action: str, what: str
) -> None:
    aws.apply(KmsKeys=[{"KeyId": KEY}], InstanceProfiles=[{"Name": "web"}])
    template = {"InstanceProfile": "web"}
    servers = aws.servers(2, EncryptionKeyArn=KEY_ARN, LaunchTemplate=template)
    aws.apply(Faults=[{"DeniedAction": action}])

    (found,) = await look(plan_of(servers))

    assert (found.code, found.severity) == (FindingCode.PERMISSION_MISSING, Severity.UNKNOWN)
    assert found.evidence["Permission"] == action
    assert found.message.startswith(what)

    aws.clear_faults()
    assert await look(plan_of(servers)) == []


async def test_what_runs_counts_against_the_quota_but_not_what_a_launch_replaces(
    aws: LocalAws, look: Look
) -> None:
    servers = aws.servers(2)
    aws.apply(
        Quotas={"StandardVcpus": 4},
        SourceServers=[
            {"SourceServerId": servers[0].source_server_id, "LiveRecoveryInstance": "DRILL"}
        ],
    )
    assert await look(plan_of(servers)) == []

    other = aws.servers(1, LiveRecoveryInstance="DRILL")
    assert other
    (found,) = await look(plan_of(servers))
    assert found.code is FindingCode.VCPU_QUOTA_SHORT
    assert (found.evidence["Needed"], found.evidence["Running"]) == ("4", "2")
    assert found.evidence["ChosenByDrs"] == "2"


async def test_looks_of_schedules_read_slow_evidence_once_and_shared_evidence_together(
    aws: LocalAws, look: Look
) -> None:
    plans = [plan_of(aws.servers(2)) for _ in range(3)]
    for plan in plans * 2:
        assert await look(plan, is_fresh=False) == []

    assert aws.calls("GetLaunchConfiguration") == 6
    assert aws.calls("GetReplicationConfiguration") == 6
    assert aws.calls("DescribeRecoverySnapshots") == 6
    shared = {
        "ec2": (
            "DescribeLaunchTemplateVersions",
            "DescribeSubnets",
            "DescribeSecurityGroups",
            "DescribeInstances",
        ),
        "service-quotas": ("ListServiceQuotas",),
    }
    for service, operations in shared.items():
        for operation in operations:
            assert aws.calls(operation, service) <= 2, operation


async def test_a_finding_from_kept_evidence_says_when_that_was_read(
    aws: LocalAws, look: Look
) -> None:
    servers = aws.servers(1, SnapshotsSince="PT0S")
    (first,) = await look(plan_of(servers), is_fresh=False)
    (second,) = await look(plan_of(servers), is_fresh=False)
    assert first.code is second.code is FindingCode.SNAPSHOT_MISSING
    assert first.read_time == second.read_time
    assert aws.calls("DescribeRecoverySnapshots") == 1


async def test_a_fault_of_very_many_servers_is_one_finding(aws: LocalAws, look: Look) -> None:
    servers = aws.servers(30)
    aws.apply(Subnets=[{"SubnetId": SUBNET, "Exists": False}])

    (found,) = await look(plan_of(servers))

    assert found.code is FindingCode.SUBNET_MISSING
    assert found.evidence["Servers"] == "30"
    assert found.message.startswith("30 servers (")


async def test_what_replication_explains_is_no_finding_about_snapshots(
    aws: LocalAws, look: Look
) -> None:
    servers = aws.servers(1, LagDuration="PT4H") + aws.servers(1, ReplicationState="INITIAL_SYNC")
    codes = {each.code for each in await look(plan_of(servers))}
    assert codes == {FindingCode.REPLICATION_LAG, FindingCode.NOT_LAUNCHABLE}
