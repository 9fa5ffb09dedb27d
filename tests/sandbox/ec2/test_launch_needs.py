"""What a launch needs besides DRS can go missing while the sandbox runs, and be mended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, LocalAws

SUBNET = "subnet-0c00000000000000a"
GROUP = "sg-0c000000000000001"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
TYPE = "c5.large"


def _subnets(aws: LocalAws) -> list[Any]:
    filters = [{"Name": "subnet-id", "Values": [SUBNET]}]
    return list(aws.client("ec2").describe_subnets(Filters=filters)["Subnets"])


def _groups(aws: LocalAws) -> list[Any]:
    filters = [{"Name": "group-id", "Values": [GROUP]}]
    return list(aws.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"])


def _zones(aws: LocalAws) -> list[str]:
    answer = aws.client("ec2").describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [TYPE]}]
    )
    return [each["Location"] for each in answer["InstanceTypeOfferings"]]


def _apply(aws: LocalAws, **scenario: Any) -> None:
    status, answer = aws.control("POST", "scenario", json.dumps(scenario))
    assert status == 200, answer


def test_a_subnet_is_removed_and_back_again() -> None:
    with LocalAws() as aws:
        assert _subnets(aws)
        _apply(aws, Subnets=[{"SubnetId": SUBNET, "Exists": False}])
        assert not _subnets(aws)
        _apply(aws, Subnets=[{"SubnetId": SUBNET, "AvailableIps": 7}])
        assert [each["AvailableIpAddressCount"] for each in _subnets(aws)] == [7]


def test_a_security_group_is_removed_and_made_in_another_vpc() -> None:
    with LocalAws() as aws:
        _apply(aws, SecurityGroups=[{"SecurityGroupId": GROUP, "Exists": False}])
        assert not _groups(aws)
        other = "vpc-0d000000000000001"
        _apply(aws, SecurityGroups=[{"SecurityGroupId": GROUP, "VpcId": other}])
        assert [each["VpcId"] for each in _groups(aws)] == [other]


def test_an_instance_profile_comes_and_goes() -> None:
    with LocalAws() as aws:
        _apply(aws, InstanceProfiles=[{"Name": "web"}])
        assert aws.client("iam").get_instance_profile(InstanceProfileName="web")
        _apply(aws, InstanceProfiles=[{"Name": "web", "Exists": False}])
        with pytest.raises(ClientError, match="NoSuchEntity"):
            aws.client("iam").get_instance_profile(InstanceProfileName="web")


def test_an_instance_type_is_not_offered_in_a_zone() -> None:
    with LocalAws() as aws:
        assert "us-west-2a" in _zones(aws)
        _apply(aws, InstanceTypeOfferings=[{"InstanceType": TYPE, "NotOfferedIn": ["us-west-2a"]}])
        assert "us-west-2a" not in _zones(aws)
        assert "us-west-2b" in _zones(aws)
        _apply(aws, InstanceTypeOfferings=[{"InstanceType": TYPE, "NotOfferedIn": []}])
        assert "us-west-2a" in _zones(aws)


def test_a_key_is_disabled_and_encrypts_a_server() -> None:
    arn = f"arn:aws:kms:us-west-2:123456789012:key/{KEY}"
    with LocalAws() as aws:
        for state in ("Enabled", "Disabled", "PendingDeletion"):
            _apply(
                aws,
                KmsKeys=[{"KeyId": KEY, "State": state}],
                SourceServers=[{"SourceServerId": DATABASE, "EncryptionKeyArn": arn}],
            )
            described = aws.client("kms").describe_key(KeyId=arn)["KeyMetadata"]
            assert (described["KeyState"], described["Arn"]) == (state, arn)
        configuration = aws.drs.get_replication_configuration(sourceServerID=DATABASE)
        assert configuration["ebsEncryptionKeyArn"] == arn
        assert configuration["pitPolicy"][0]["interval"] == 10


def test_lag_moves_and_an_agent_is_not_seen() -> None:
    with LocalAws() as aws:
        steps = [
            {"AfterSeconds": 60, "LagDuration": "PT2H"},
            {"AfterSeconds": 120, "LagDuration": "PT5M"},
        ]
        _apply(aws, SourceServers=[{"SourceServerId": DATABASE, "LagOverTime": steps}])
        lags = []
        for _ in range(3):
            lags.append(aws.source_server(DATABASE)["dataReplicationInfo"]["lagDuration"])
            aws.pass_time(60)
        assert lags == ["P0D", "PT2H", "PT5M"]
        _apply(aws, SourceServers=[{"SourceServerId": DATABASE, "AgentLastSeenAgo": "PT1H"}])
        before = aws.source_server(DATABASE)["lifeCycle"]["lastSeenByServiceDateTime"]
        aws.pass_time(60)
        assert aws.source_server(DATABASE)["lifeCycle"]["lastSeenByServiceDateTime"] == before
        _apply(aws, SourceServers=[{"SourceServerId": DATABASE, "AgentLastSeenAgo": "PT0S"}])
        assert aws.source_server(DATABASE)["lifeCycle"]["lastSeenByServiceDateTime"] != before


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ec2:DescribeSubnets", "UnauthorizedOperation"),
        ("iam:GetInstanceProfile", "AccessDenied"),
        ("kms:DescribeKey", "AccessDeniedException"),
        ("servicequotas:ListServiceQuotas", "AccessDeniedException"),
        ("drs:GetReplicationConfiguration", "AccessDeniedException"),
    ],
)
def test_a_single_action_is_denied(action: str, code: str) -> None:
    calls = {
        "ec2": lambda aws: aws.client("ec2").describe_subnets(),
        "iam": lambda aws: aws.client("iam").get_instance_profile(InstanceProfileName="web"),
        "kms": lambda aws: aws.client("kms").describe_key(KeyId=KEY),
        "servicequotas": lambda aws: aws.client("service-quotas").list_service_quotas(
            ServiceCode="ec2"
        ),
        "drs": lambda aws: aws.drs.get_replication_configuration(sourceServerID=DATABASE),
    }
    with LocalAws() as aws:
        _apply(aws, Faults=[{"DeniedAction": action}])
        with pytest.raises(ClientError) as caught:
            calls[action.partition(":")[0]](aws)
        assert caught.value.response["Error"]["Code"] == code
        assert action in caught.value.response["Error"]["Message"]


def test_an_action_that_does_not_exist_is_refused() -> None:
    with LocalAws() as aws:
        for action in ("ec2:DescribeSubnet", "nothing:Read"):
            status, answer = aws.control(
                "POST", "scenario", json.dumps({"Faults": [{"DeniedAction": action}]})
            )
            assert (status, "unknown" in answer["Error"] or "no Operation" in answer["Error"]) == (
                400,
                True,
            )


def test_quotas_of_ec2_are_listed_and_set() -> None:
    with LocalAws() as aws:
        _apply(aws, Quotas={"StandardVcpus": 8})
        listed = aws.client("service-quotas").list_service_quotas(ServiceCode="ec2")["Quotas"]
        assert {each["QuotaCode"]: each["Value"] for each in listed}["L-1216C47A"] == 8
