"""Which settings a launch uses, and the networks that it can launch into."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.ec2.network_ids import DRILL, NETWORKS, PRODUCTION
from tests.sandbox.ec2.test_launch_templates import create, make_default, template_of
from tests.sandbox.local_aws import DATABASE, RECORDED_DURATIONS, WEB, LocalAws
from tests.sandbox.recovered.test_instances import instance

LAUNCH_START = 251.2


def ledger(aws: LocalAws) -> Any:
    """Return what the ledger has of the only account and Region."""
    (backend,) = aws.control("GET", "ledger")[1]["Backends"]
    return backend


def launched(aws: LocalAws, server: str = DATABASE) -> Any:
    """Return the instance of a server as EC2 describes it."""
    return instance(aws, str(aws.instances(server)[0]["ec2InstanceID"]))


def test_an_instance_is_launched_as_its_template_says() -> None:
    scenario = (
        f"SourceServers: [{{SourceServerId: {DATABASE}, LaunchTemplate: {{InstanceType: r5.large,"
        f" SubnetId: {DRILL.subnet_ids[1]}, SecurityGroupIds: [{DRILL.security_group_id}],"
        " PrivateIp: 127.20.64.9, InstanceProfile: web, Tags: {Tier: data}}}]"
    )
    with LocalAws(scenario) as aws:
        aws.launch(DATABASE)
        aws.pass_time(600)
        found = launched(aws)
        assert found["SubnetId"] == DRILL.subnet_ids[1]
        assert found["VpcId"] == DRILL.vpc_id
        assert found["InstanceType"] == "r5.large"
        assert found["PrivateIpAddress"] == "127.20.64.9"
        assert found["Placement"]["AvailabilityZone"] == "us-west-2b"
        assert found["IamInstanceProfile"]["Arn"].endswith(":instance-profile/web")
        assert [each["GroupId"] for each in found["SecurityGroups"]] == [DRILL.security_group_id]
        (interface,) = found["NetworkInterfaces"]
        assert (interface["SubnetId"], interface["VpcId"]) == (found["SubnetId"], found["VpcId"])
        assert {"Key": "Tier", "Value": "data"} in found["Tags"]
        (recovered,) = aws.instances(DATABASE)
        (known,) = recovered["recoveryInstanceProperties"]["networkInterfaces"]
        assert known["ips"] == ["127.20.64.9"]


def test_the_default_at_launch_start_holds_whatever_comes_later() -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        drilled, template = template_of(aws), template_of(aws, WEB)
        ec2 = aws.client("ec2")
        for each in (drilled, template):
            create(aws, each, VersionDescription="DRILL x: restore version 1")
        aws.launch(DATABASE, WEB)
        aws.pass_time(LAUNCH_START - 5)
        make_default(aws, drilled, 2)
        aws.pass_time(6)
        for each, number in ((drilled, 1), (template, 2)):
            make_default(aws, each, number)
        ec2.delete_launch_template_versions(LaunchTemplateId=drilled, Versions=["2"])
        aws.pass_time(400)
        assert launched(aws)["SubnetId"] == DRILL.subnet_ids[0]
        assert launched(aws, WEB)["SubnetId"] == PRODUCTION.subnet_ids[0]


def test_the_ledger_has_what_each_server_was_launched_with() -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        template = template_of(aws)
        create(aws, template, VersionDescription="DRILL x: restore version 1")
        make_default(aws, template, 2)
        begun = aws.now
        job = aws.launch(DATABASE)
        assert ledger(aws)["Launches"] == []
        aws.pass_time(300)
        make_default(aws, template, 1)
        (launch,) = ledger(aws)["Launches"]
        assert 251 < launch["Time"] - begun < 252
        assert {key: launch[key] for key in ("SourceServerId", "JobId", "IsDrill")} == {
            "SourceServerId": DATABASE,
            "JobId": job,
            "IsDrill": True,
        }
        assert (launch["TemplateVersion"], launch["SubnetId"]) == (2, DRILL.subnet_ids[0])
        assert launch["TemplateDescription"] == "DRILL x: restore version 1"
        (changed,) = ledger(aws)["Templates"]
        assert changed["LaunchTemplateId"] == template
        assert [(each["Since"], each["Version"]) for each in changed["Defaults"]] == [
            (0.0, 1),
            (begun, 2),
            (begun + 300, 1),
        ]


def test_a_launch_that_fails_late_is_in_the_ledger_too() -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, Outcome: failed-late}}]"
    with LocalAws(scenario) as aws:
        aws.launch(DATABASE)
        aws.pass_time(2000)
        assert [each["SubnetId"] for each in ledger(aws)["Launches"]] == [PRODUCTION.subnet_ids[0]]


def test_disposition_and_address_are_those_at_launch_start() -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        aws.launch(DATABASE, WEB)
        aws.pass_time(LAUNCH_START - 5)
        changes = {"launchDisposition": "STOPPED", "copyPrivateIp": True}
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, **changes)  # type: ignore[arg-type]  # a plain dict
        aws.pass_time(6)
        aws.drs.update_launch_configuration(sourceServerID=WEB, **changes)  # type: ignore[arg-type]  # a plain dict
        back = {"launchDisposition": "STARTED", "copyPrivateIp": False}
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, **back)  # type: ignore[arg-type]  # a plain dict
        aws.pass_time(400)
        assert launched(aws)["State"]["Name"] == "stopped"
        assert launched(aws, WEB)["State"]["Name"] == "running"
        source = aws.source_server(DATABASE)["sourceProperties"]["networkInterfaces"][0]["ips"]
        assert [launched(aws)["PrivateIpAddress"]] == source
        recorded = ledger(aws)["ConfigurationChanges"]
        assert [(each["SourceServerId"], each["Changes"]) for each in recorded] == [
            (DATABASE, changes),
            (WEB, changes),
            (DATABASE, back),
        ]


def test_somebody_edits_a_template_in_the_console() -> None:
    with LocalAws() as aws:
        edit = (
            f"SourceServers: [{{SourceServerId: {DATABASE},"
            f" LaunchTemplate: {{SubnetId: {PRODUCTION.subnet_ids[1]}}}}}]"
        )
        assert aws.control("POST", "scenario", edit)[0] == 200
        found = aws.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template_of(aws), Versions=["$Default"]
        )
        (version,) = found["LaunchTemplateVersions"]
        assert (version["VersionNumber"], version["VersionDescription"]) == (2, "console")
        assert version["LaunchTemplateData"]["InstanceType"] == "c5.large"
        aws.launch(DATABASE)
        aws.pass_time(600)
        assert launched(aws)["SubnetId"] == PRODUCTION.subnet_ids[1]


def test_somebody_launches_a_server_in_the_console() -> None:
    launch = f"SourceServers: [{{SourceServerId: {DATABASE}, ConsoleLaunch: RECOVERY}}]"
    with LocalAws() as aws:
        assert aws.control("POST", "scenario", launch)[0] == 200
        status, content = aws.control("POST", "scenario", launch)
        assert status == 400
        assert f"{DATABASE}: One or more of the Source Servers" in content["Error"]
        aws.pass_time(900)
        assert launched(aws)["SubnetId"] == PRODUCTION.subnet_ids[0]
        assert [each["IsDrill"] for each in ledger(aws)["Launches"]] == [False]


def test_each_account_and_region_has_both_networks() -> None:
    with LocalAws() as aws:
        for ec2 in (
            aws.client("ec2"),
            aws.client("ec2", "eu-west-1", aws_access_key_id="2" * 12, aws_secret_access_key="x"),
        ):
            for network in NETWORKS:
                named = [{"Name": "tag:Name", "Values": [network.name]}]
                (vpc,) = ec2.describe_vpcs(Filters=named)["Vpcs"]
                assert vpc["VpcId"] == network.vpc_id
                inside = [{"Name": "vpc-id", "Values": [network.vpc_id]}]
                subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
                assert {each["SubnetId"] for each in subnets} == set(network.subnet_ids)
                (group,) = ec2.describe_security_groups(GroupIds=[network.security_group_id])[
                    "SecurityGroups"
                ]
                assert group["VpcId"] == network.vpc_id


def test_instances_take_addresses_of_their_subnet_until_they_end() -> None:
    def free(aws: LocalAws) -> int:
        ids = [PRODUCTION.subnet_ids[0]]
        (subnet,) = aws.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
        return int(subnet["AvailableIpAddressCount"])

    with LocalAws() as aws:
        before = free(aws)
        aws.launch(DATABASE, WEB)
        aws.pass_time(600)
        assert len(aws.client("ec2").describe_instances()["Reservations"]) == 2
        assert free(aws) == before - 2
        ended = str(aws.instances(WEB)[0]["ec2InstanceID"])
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[ended])
        aws.pass_time(61)
        assert "SubnetId" not in instance(aws, ended)
        assert free(aws) == before - 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"Groups": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        (
            {"SubnetId": DRILL.subnet_ids[0], "Groups": [PRODUCTION.security_group_id]},
            "InvalidParameter",
        ),
        ({"SubnetId": DRILL.subnet_ids[0], "Groups": [DRILL.security_group_id]}, None),
    ],
)
def test_what_ec2_does_not_have_fails_the_launch_of_that_server(
    changed: dict[str, Any], code: str | None
) -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        template = template_of(aws)
        interface = {"DeviceIndex": 0, **changed}
        create(aws, template, LaunchTemplateData={"NetworkInterfaces": [interface]})
        make_default(aws, template, 2)
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(LAUNCH_START + 1)
        (job,) = aws.client("drs").describe_jobs(filters={"jobIDs": [job_id]})["items"]
        assert {each["launchStatus"] for each in job["participatingServers"]} == {"IN_PROGRESS"}
        aws.pass_time(1000)
        (job,) = aws.client("drs").describe_jobs(filters={"jobIDs": [job_id]})["items"]
        found = {e["sourceServerID"]: e["launchStatus"] for e in job["participatingServers"]}
        assert found == {DATABASE: "FAILED" if code else "LAUNCHED", WEB: "LAUNCHED"}
        assert len(aws.instances(DATABASE)) == (0 if code else 1)
        log = aws.client("drs").describe_job_log_items(jobID=job_id)["items"]
        errors = [each["eventData"].get("rawError") for each in log]
        assert [f"({code})" in error for error in errors if error] == ([True] if code else [])


def test_an_instance_profile_that_iam_does_not_have_fails_the_launch() -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        template = template_of(aws)
        lost, known = ({"IamInstanceProfile": {"Name": each}} for each in ("lost", "known"))
        aws.client("iam").create_instance_profile(InstanceProfileName="known")
        create(aws, template, LaunchTemplateData=lost)
        create(aws, template, LaunchTemplateData=known)
        for number, instances in ((2, 0), (3, 1)):
            make_default(aws, template, number)
            aws.launch(DATABASE)
            aws.pass_time(1000)
            assert len(aws.instances(DATABASE)) == instances
