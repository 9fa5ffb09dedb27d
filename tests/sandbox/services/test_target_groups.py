"""Target groups whose targets have the health of the scenario."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import RECORDED_DURATIONS, WEB, LocalAws, error_of

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/web/0123456789abcdef"
SCENARIO = f"""{RECORDED_DURATIONS}
TargetGroups:
  - TargetGroupArn: {ARN}
    Port: 8080
    SourceServerIds: [{WEB}]
    Health:
      - {{State: initial}}
      - {{State: healthy, AfterSeconds: 90}}
      - {{State: unhealthy, AfterSeconds: 300, Reason: Target.Timeout}}
"""


def health(aws: LocalAws) -> dict[str, tuple[str, str | None]]:
    """Return the state of each target and its reason."""
    found = aws.client("elbv2").describe_target_health(TargetGroupArn=ARN)
    return {
        each["Target"]["Id"]: (each["TargetHealth"]["State"], each["TargetHealth"].get("Reason"))
        for each in found["TargetHealthDescriptions"]
    }


def test_a_recovered_server_registers_itself_and_becomes_healthy() -> None:
    with LocalAws(SCENARIO) as aws:
        assert health(aws) == {}
        aws.launch(WEB)
        aws.pass_time(560)
        (instance,) = (each["recoveryInstanceID"] for each in aws.instances(WEB))
        assert health(aws) == {instance: ("initial", "Elb.RegistrationInProgress")}
        aws.pass_time(90)
        assert health(aws) == {instance: ("healthy", None)}
        aws.pass_time(300)
        assert health(aws) == {instance: ("unhealthy", "Target.Timeout")}
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        aws.pass_time(200)
        assert health(aws) == {}


def test_a_registered_target_becomes_healthy() -> None:
    with LocalAws(SCENARIO) as aws:
        client, target = aws.client("elbv2"), {"Id": "i-0123456789abcdef0"}
        client.register_targets(TargetGroupArn=ARN, Targets=[target])
        assert health(aws)[target["Id"]][0] == "initial"
        aws.pass_time(91)
        assert health(aws)[target["Id"]][0] == "healthy"
        client.deregister_targets(TargetGroupArn=ARN, Targets=[target])
        assert health(aws) == {}


def test_a_group_is_in_its_region_and_its_calls_can_fail() -> None:
    fault = "Service: elbv2, Operation: DescribeTargetHealth, Error: HealthUnavailable, Times: 1"
    with LocalAws(f"{SCENARIO}Faults: [{{{fault}}}]") as aws:
        with pytest.raises(ClientError) as refusal:
            health(aws)
        assert error_of(refusal.value)["error"] == "HealthUnavailable"
        assert health(aws) == {}
        with pytest.raises(ClientError) as refusal:
            aws.client("elbv2", "eu-west-1").describe_target_health(TargetGroupArn=ARN)
        assert error_of(refusal.value)["error"] == "TargetGroupNotFound"
