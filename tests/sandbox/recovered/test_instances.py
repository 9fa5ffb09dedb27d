"""Recovered servers as EC2 instances."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of

SOURCE_TAG = "AWSElasticDisasterRecoverySourceServerID"


def with_keys(keys: str) -> str:
    """Return the scenario of two servers; the database server has more keys."""
    web = f"{{SourceServerId: {WEB}, LaunchSeconds: 10}}"
    database = f"{{SourceServerId: {DATABASE}, LaunchSeconds: 10, Name: db, {keys}}}"
    return f"SourceServers: [{web}, {database}]"


TWO = with_keys("")


def launched(aws: LocalAws, server: str = DATABASE, *, speed: float = 1.0) -> str:
    """Launch a server and return its instance's ID 3 s later, when its job is COMPLETED."""
    aws.launch(server)
    aws.pass_time(13 / speed)
    return str(aws.instances(server)[0]["ec2InstanceID"])


def instance(aws: LocalAws, instance_id: str) -> Any:
    """Return an instance as EC2 describes it."""
    found = aws.client("ec2").describe_instances(InstanceIds=[instance_id])
    return found["Reservations"][0]["Instances"][0]


def checks(aws: LocalAws, instance_id: str) -> tuple[str, str]:
    """Return the results of the checks of the system and of the instance."""
    (status,) = aws.client("ec2").describe_instance_status(
        InstanceIds=[instance_id], IncludeAllInstances=True
    )["InstanceStatuses"]
    assert status["InstanceId"] == instance_id
    return status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]


def test_ec2_knows_a_recovered_server_by_the_id_and_address_that_drs_gives() -> None:
    with LocalAws(with_keys("Tags: {Tier: data}")) as aws:
        instance_id = launched(aws)
        (recovered,) = aws.instances(DATABASE)
        (interface,) = recovered["recoveryInstanceProperties"]["networkInterfaces"]
        found = instance(aws, instance_id)
        assert interface["ips"] == [found["PrivateIpAddress"]]
        assert found["PrivateIpAddress"].startswith("127.")
        assert "PublicIpAddress" not in found
        assert found["State"]["Name"] == "running"
        tags = {each["Key"]: each["Value"] for each in found["Tags"]}
        assert tags == {
            "Name": "db",
            "Tier": "data",
            SOURCE_TAG: DATABASE,
            "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
        }


def test_each_instance_has_an_address_of_its_own() -> None:
    with LocalAws(TWO) as aws:
        addresses = {
            instance(aws, launched(aws, server))["PrivateIpAddress"]
            for server in (DATABASE, WEB, DATABASE)
        }
        assert len(addresses) == 3


def test_instances_are_found_by_tag_and_state() -> None:
    with LocalAws(TWO) as aws:
        wanted = launched(aws, WEB)
        launched(aws)
        filters = [
            {"Name": f"tag:{SOURCE_TAG}", "Values": [WEB]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        (reservation,) = aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
        assert [each["InstanceId"] for each in reservation["Instances"]] == [wanted]


def test_an_instance_is_unknown_before_its_launch_and_elsewhere() -> None:
    with LocalAws(TWO) as aws:
        aws.launch(DATABASE)
        assert aws.client("ec2").describe_instances()["Reservations"] == []
        aws.pass_time(600)
        for other in (
            aws.client("ec2", "us-east-1"),
            aws.client("ec2", aws_access_key_id="210987654321", aws_secret_access_key="x"),
        ):
            assert other.describe_instances()["Reservations"] == []
        assert len(aws.client("ec2").describe_instances()["Reservations"]) == 1


def test_its_state_follows_that_of_the_recovery_instance_until_it_is_forgotten() -> None:
    with LocalAws(TWO, speed=2.0) as aws:
        instance_id = launched(aws, speed=2.0)
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance_id])
        aws.pass_time(5)
        assert instance(aws, instance_id)["State"]["Name"] == "shutting-down"
        aws.pass_time(30)
        assert instance(aws, instance_id)["State"]["Name"] == "terminated"
        assert aws.instances(DATABASE) == []
        aws.pass_time(1800)
        with pytest.raises(ClientError) as refusal:
            instance(aws, instance_id)
        assert error_of(refusal.value)["error"] == "InvalidInstanceID.NotFound"


def test_a_relaunch_terminates_the_earlier_instance_in_ec2_too() -> None:
    with LocalAws(TWO) as aws:
        earlier = launched(aws)
        later = launched(aws)
        assert instance(aws, earlier)["State"]["Name"] == "terminated"
        assert instance(aws, later)["State"]["Name"] == "running"


def test_an_instance_deleted_from_drs_goes_on_in_ec2() -> None:
    with LocalAws(TWO) as aws:
        instance_id = launched(aws)
        aws.drs.disconnect_recovery_instance(recoveryInstanceID=instance_id)
        aws.drs.delete_recovery_instance(recoveryInstanceID=instance_id)
        assert instance(aws, instance_id)["State"]["Name"] == "running"


def test_terminating_the_instance_in_ec2_removes_it_from_drs() -> None:
    with LocalAws(TWO) as aws:
        instance_id = launched(aws)
        ec2 = aws.client("ec2")
        (changed,) = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
        assert changed["CurrentState"]["Name"] == "shutting-down"
        assert aws.instances(DATABASE)[0]["ec2InstanceState"] == "SHUTTING-DOWN"
        ec2.terminate_instances(InstanceIds=[instance_id])
        aws.pass_time(61)
        assert aws.instances(DATABASE) == []
        assert instance(aws, instance_id)["State"]["Name"] == "terminated"
        effects = aws.control("GET", "effects")[1]["Effects"]
        assert [each["Kind"] for each in effects] == ["ec2.TerminateInstances"]


def test_a_launch_does_not_delay_a_termination_in_ec2() -> None:
    with LocalAws(TWO) as aws:
        earlier = launched(aws)
        slow = f"SourceServers: [{{SourceServerId: {DATABASE}, LaunchSeconds: 600}}]"
        aws.control("POST", "scenario", slow)
        aws.client("ec2").terminate_instances(InstanceIds=[earlier])
        aws.launch(DATABASE)
        aws.pass_time(61)
        assert aws.instances(DATABASE) == []


def test_stopping_and_starting_in_ec2_shows_in_drs() -> None:
    with LocalAws(with_keys("LaunchDisposition: STOPPED, StatusCheckSeconds: 60")) as aws:
        instance_id = launched(aws)
        ec2 = aws.client("ec2")
        assert instance(aws, instance_id)["State"]["Name"] == "stopped"
        assert checks(aws, instance_id) == ("not-applicable", "not-applicable")
        aws.pass_time(600)
        ec2.start_instances(InstanceIds=[instance_id])
        assert aws.instances(DATABASE)[0]["ec2InstanceState"] == "RUNNING"
        assert checks(aws, instance_id) == ("initializing", "initializing")
        aws.pass_time(61)
        assert checks(aws, instance_id) == ("ok", "ok")
        ec2.stop_instances(InstanceIds=[instance_id])
        assert aws.instances(DATABASE)[0]["ec2InstanceState"] == "STOPPED"


def test_status_checks_have_passed_when_drs_says_launched() -> None:
    with LocalAws(TWO) as aws:
        assert checks(aws, launched(aws)) == ("ok", "ok")


@pytest.mark.parametrize(
    ("keys", "early", "late"),
    [
        ("StatusCheckSeconds: 120", "initializing", "ok"),
        ("StatusCheckSeconds: 120, StatusChecks: impaired", "initializing", "impaired"),
        ("StatusCheckSeconds: never", "initializing", "initializing"),
    ],
)
def test_status_checks_take_the_time_of_the_scenario(keys: str, early: str, late: str) -> None:
    with LocalAws(with_keys(keys), speed=10.0) as aws:
        instance_id = launched(aws, speed=10.0)
        aws.pass_time(11)
        assert checks(aws, instance_id)[1] == early
        aws.pass_time(2)
        assert checks(aws, instance_id)[1] == late


def test_the_scenario_can_change_the_checks_of_a_running_instance() -> None:
    with LocalAws(TWO) as aws:
        instance_id = launched(aws)
        aws.control("POST", "scenario", with_keys("StatusChecks: impaired"))
        assert checks(aws, instance_id) == ("ok", "impaired")


def test_moto_s_own_instances_are_as_they_were() -> None:
    with LocalAws(TWO) as aws:
        ec2 = aws.client("ec2")
        (own,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]
        launched(aws)
        assert len(ec2.describe_instances()["Reservations"]) == 2
        ec2.terminate_instances(InstanceIds=[own["InstanceId"]])
        assert instance(aws, own["InstanceId"])["State"]["Name"] == "terminated"
