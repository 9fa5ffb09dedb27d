"""Launch settings are read, and applied to exactly the servers and settings that a plan names."""

from typing import Any

import pytest

from activities.access.verifier import RequestVerifier
from activities.launch_settings.settings_activities import LaunchSettingsActivities
from aws.targets import TargetClients
from contract.launch_settings.apply import (
    ApplyRequest,
    PreparedServer,
    PrepareRequest,
    SettingsRequest,
)
from recovery.access.audit import AuditPlace
from recovery.launch_settings.in_force import DrsFields
from recovery.launch_settings.report import AppliedServer, AppliedStatus, WantedServer
from recovery.plan.model import Server
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from security.audit_log import AuditLog
from settings import Settings
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal
from tests.recovery.launch_settings.settings import wanted

OTHER_SUBNET = PRODUCTION.subnet_ids[1]


class Applying:
    """Applying settings, as the workflow does it."""

    def __init__(self, aws: LocalAws, settings: Settings) -> None:
        self.aws = aws
        verifier = RequestVerifier(settings, AuditLog(AuditPlace.WORKER))
        self.activities = LaunchSettingsActivities(TargetClients(settings), settings, verifier)
        self.ec2, self.drs = aws.client("ec2"), aws.client("drs")

    async def prepare(self, *servers: WantedServer) -> list[PreparedServer]:
        request = PrepareRequest(
            target=TARGET, servers=list(servers), apply_id="crm-1", plan_id="crm", actor="ana"
        )
        return await Attempt(Temporal()).run(self.activities.create_template_versions, request)

    async def apply(self, *prepared: PreparedServer) -> list[AppliedServer]:
        request = ApplyRequest(
            target=TARGET, servers=list(prepared), apply_id="crm-1", plan_id="crm", actor="ana"
        )
        return await Attempt(Temporal()).run(self.activities.apply_launch_settings, request)

    def template_id(self, server: WantedServer) -> str:
        found = self.drs.get_launch_configuration(sourceServerID=server.source_server_id)
        return str(found["ec2LaunchTemplateID"])

    def versions(self, server: WantedServer) -> list[dict[str, Any]]:
        answer = self.ec2.describe_launch_template_versions(
            LaunchTemplateId=self.template_id(server)
        )
        return sorted(answer["LaunchTemplateVersions"], key=lambda each: each["VersionNumber"])

    def default(self, server: WantedServer) -> dict[str, Any]:
        (found,) = [each for each in self.versions(server) if each["DefaultVersion"]]
        return found

    def drill_version(self, server: WantedServer) -> None:
        """Make a version of a drill."""
        self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template_id(server),
            SourceVersion="1",
            VersionDescription="DRILL crm-0f3b52a1c7d9: restore version 1",
            LaunchTemplateData={"InstanceType": "t3.small"},
        )


@pytest.fixture
def applying(aws: LocalAws, fast: Settings) -> Applying:
    return Applying(aws, fast)


def server_with(server: Server, **settings: Any) -> WantedServer:
    return WantedServer(
        wave_id="db", source_server_id=server.source_server_id, settings=wanted(**settings)
    )


async def test_settings_are_read_with_their_differences(applying: Applying) -> None:
    same, other = applying.aws.servers(2)
    request = SettingsRequest(
        target=TARGET,
        servers=[
            server_with(same, SubnetId=PRODUCTION.subnet_ids[0]),
            server_with(other, SubnetId=DRILL.subnet_ids[0], RecoveryMode="FAST"),
        ],
    )
    found = await Attempt(Temporal()).run(applying.activities.read_launch_settings, request)
    assert [each.is_as_wanted for each in found] == [True, False]
    assert {d.setting: (d.found, d.wanted) for d in found[1].differences} == {
        "SubnetId": (PRODUCTION.subnet_ids[0], DRILL.subnet_ids[0]),
        "RecoveryMode": ("OPTIMAL", "FAST"),
    }


async def test_a_server_that_cannot_be_read_has_a_problem_and_holds_back_no_other(
    applying: Applying,
) -> None:
    (known,) = applying.aws.servers(1)
    unknown = Server(source_server_id="s-000000000000fffff")
    request = SettingsRequest(
        target=TARGET,
        servers=[server_with(each, RecoveryMode="OPTIMAL") for each in (known, unknown)],
    )
    found = await Attempt(Temporal()).run(applying.activities.read_launch_settings, request)
    assert [each.problem is None for each in found] == [True, False]
    assert "s-000000000000fffff" in str(found[1].problem)


async def test_many_templates_are_read_together(applying: Applying) -> None:
    servers = [server_with(each, InstanceType="t3.small") for each in applying.aws.servers(30)]
    request = SettingsRequest(target=TARGET, servers=servers)
    found = await Attempt(Temporal()).run(applying.activities.read_launch_settings, request)
    assert all(each.found and each.found.template_version == 1 for each in found)
    assert applying.aws.calls("DescribeLaunchTemplateVersions", "ec2") == 1


async def test_settings_are_applied_and_nothing_else_changes(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(
        server, SubnetId=OTHER_SUBNET, Tags={"Tier": "db"}, LaunchDisposition="STOPPED"
    )
    before = applying.default(change)
    (prepared,) = await applying.prepare(change)
    assert (prepared.version_before, prepared.version_after) == (1, 2)
    # It is not used yet.
    assert applying.default(change) == before
    (result,) = await applying.apply(prepared)
    assert (result.status, result.version_after) == (AppliedStatus.APPLIED, 2)
    assert result.drs_before == DrsFields(launch_disposition="STARTED")
    assert result.drs_after == DrsFields(launch_disposition="STOPPED")
    after = applying.default(change)
    assert after["VersionNumber"] == 2
    assert after["VersionDescription"] == "LaunchSettings of crm, applied by ana"
    old, new = before["LaunchTemplateData"], after["LaunchTemplateData"]
    interface = new["NetworkInterfaces"][0]
    assert interface["SubnetId"] == OTHER_SUBNET
    assert interface["Groups"] == old["NetworkInterfaces"][0]["Groups"]
    kept = {"NetworkInterfaces", "TagSpecifications"}
    assert {k: v for k, v in new.items() if k not in kept} == {
        k: v for k, v in old.items() if k not in kept
    }
    found = applying.drs.get_launch_configuration(sourceServerID=change.source_server_id)
    assert (found["launchDisposition"], found["recoveryMode"]) == ("STOPPED", "OPTIMAL")


async def test_a_repeated_activity_creates_and_changes_nothing_more(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(server, InstanceType="c6i.large")
    first = await applying.prepare(change)
    assert await applying.prepare(change) == first
    assert len(applying.versions(change)) == 2
    for _ in range(2):
        (result,) = await applying.apply(*first)
        assert result.status is AppliedStatus.APPLIED
    assert applying.aws.calls("ModifyLaunchTemplate", "ec2") == 1


async def test_a_lost_answer_to_a_creation_creates_no_second_version(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(server, InstanceType="c6i.large")
    applying.aws.fault("CreateLaunchTemplateVersion", Service="ec2", Effect="drop", Times=1)
    attempt = Attempt(Temporal())
    request = PrepareRequest(target=TARGET, servers=[change], apply_id="crm-1", plan_id="crm")
    error = await attempt.run_failing(applying.activities.create_template_versions, request)
    assert not error.non_retryable
    (prepared,) = await applying.prepare(change)
    assert (prepared.version_after, len(applying.versions(change))) == (2, 2)


async def test_what_is_as_wanted_needs_no_version(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    (prepared,) = await applying.prepare(server_with(server, RecoveryMode="OPTIMAL"))
    assert prepared.changes_nothing
    assert applying.aws.calls("CreateLaunchTemplateVersion", "ec2") == 0


async def test_no_template_gets_a_subnet_that_does_not_exist(applying: Applying) -> None:
    servers = applying.aws.servers(2)
    lost = "subnet-0123456789abcdef0"
    changes = [
        server_with(each, SubnetId=subnet)
        for each, subnet in zip(servers, (lost, OTHER_SUBNET), strict=True)
    ]
    results = await applying.apply(*await applying.prepare(*changes))
    assert [each.status for each in results] == [AppliedStatus.REFUSED, AppliedStatus.APPLIED]
    assert f"{lost} does not exist in us-" in results[0].reason
    assert len(applying.versions(changes[0])) == 1


async def test_no_template_gets_a_group_or_a_profile_that_a_launch_would_be_refused(
    applying: Applying,
) -> None:
    servers = applying.aws.servers(4)
    iam = applying.aws.client("iam")
    iam.create_instance_profile(InstanceProfileName="crm-web")
    changes = [
        server_with(servers[0], SecurityGroupIds=["sg-0123456789abcdef0"]),
        # Its own group stays, which is of another VPC.
        server_with(servers[1], SubnetId=DRILL.subnet_ids[0]),
        server_with(servers[2], InstanceProfile="crm-lost"),
        server_with(servers[3], InstanceProfile="crm-web"),
    ]
    results = await applying.apply(*await applying.prepare(*changes))
    refused, applied = AppliedStatus.REFUSED, AppliedStatus.APPLIED
    assert [each.status for each in results] == [refused, refused, refused, applied]
    reasons = [each.reason for each in results]
    assert "sg-0123456789abcdef0 does not exist in us-" in reasons[0]
    elsewhere = f"{PRODUCTION.security_group_id} is not of the VPC of {DRILL.subnet_ids[0]}"
    assert elsewhere in reasons[1]
    assert reasons[2] == "IAM has no instance profile crm-lost"
    assert [len(applying.versions(each)) for each in changes] == [1, 1, 1, 2]


async def test_what_may_not_be_looked_for_is_applied_with_a_warning(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    for operation in ("DescribeSubnets", "DescribeSecurityGroups"):
        applying.aws.fault(operation, Service="ec2", Error="UnauthorizedOperation")
    (result,) = await applying.apply(
        *await applying.prepare(server_with(server, SubnetId=OTHER_SUBNET))
    )
    assert result.status is AppliedStatus.APPLIED
    assert f"whether {OTHER_SUBNET} exists could not be read: " in result.reason
    assert f"whether {PRODUCTION.security_group_id} exists could not be read: " in result.reason


async def test_a_drill_that_begins_meanwhile_keeps_drs_settings_from_being_changed(
    applying: Applying,
) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(server, RecoveryMode="FAST")
    prepared = await applying.prepare(change)
    applying.drill_version(change)
    (result,) = await applying.apply(*prepared)
    assert result.status is AppliedStatus.REFUSED
    assert "an isolated drill has its launch template (version 2)" in result.reason
    assert applying.aws.calls("UpdateLaunchConfiguration") == 0


async def test_a_server_with_a_job_is_left_alone(applying: Applying) -> None:
    busy, free = applying.aws.servers(2)
    changes = [server_with(each, RecoveryMode="FAST") for each in (busy, free)]
    prepared = await applying.prepare(*changes)
    applying.drs.start_recovery(
        sourceServers=[{"sourceServerID": busy.source_server_id}], isDrill=True
    )
    results = await applying.apply(*prepared)
    assert [each.status for each in results] == [AppliedStatus.REFUSED, AppliedStatus.APPLIED]
    assert "has the server; apply later" in results[0].reason
    assert results[0].drs_after.is_empty
    found = applying.drs.get_launch_configuration(sourceServerID=busy.source_server_id)
    assert found["recoveryMode"] == "OPTIMAL"


async def test_a_template_that_an_isolated_drill_has_is_left_alone(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(server, InstanceType="c6i.large")
    prepared = await applying.prepare(change)
    # Created, and not switched to yet.
    applying.drill_version(change)
    (result,) = await applying.apply(*prepared)
    # No default and no field is said to have changed.
    assert (result.status, result.version_after) == (AppliedStatus.REFUSED, None)
    assert "an isolated drill has its launch template (version 3)" in result.reason
    assert applying.default(change)["VersionNumber"] == 1


async def test_a_default_that_somebody_else_made_meanwhile_is_left(applying: Applying) -> None:
    (server,) = applying.aws.servers(1)
    change = server_with(server, InstanceType="c6i.large")
    prepared = await applying.prepare(change)
    template_id = applying.template_id(change)
    applying.ec2.create_launch_template_version(
        LaunchTemplateId=template_id, SourceVersion="1", LaunchTemplateData={"KeyName": "own"}
    )
    applying.ec2.modify_launch_template(LaunchTemplateId=template_id, DefaultVersion="3")
    (result,) = await applying.apply(*prepared)
    assert result.status is AppliedStatus.REFUSED
    assert "became version 3 meanwhile" in result.reason
    assert applying.default(change)["VersionNumber"] == 3


async def test_what_aws_refuses_for_good_fails_and_holds_back_no_other(applying: Applying) -> None:
    first, second = applying.aws.servers(2)
    changes = [server_with(each, RecoveryMode="FAST") for each in (first, second)]
    prepared = await applying.prepare(*changes)
    applying.aws.fault("UpdateLaunchConfiguration", Error="AccessDeniedException", Times=1)
    results = await applying.apply(*prepared)
    assert sorted(each.status for each in results) == [AppliedStatus.APPLIED, AppliedStatus.FAILED]
