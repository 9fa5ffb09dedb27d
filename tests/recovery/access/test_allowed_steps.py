"""Steps use what the allow-list names, and nothing else."""

from typing import Any

import pytest

from recovery.access.allowed_steps import AllowedSteps
from recovery.steps.model import Step

ALLOWED = AllowedSteps.model_validate(
    {
        "Documents": ["Promote-*"],
        "Functions": ["promote", "arn:aws:lambda:*:123456789012:function:promote"],
        "Hosts": ["*.example.com", "10.0.0.?"],
        "HostedZones": ["Z1"],
        "TaskQueues": ["shop-*"],
    }
)
RECORD = {"Name": "shop.example.com", "Type": "A", "Values": ["10.0.0.1"]}
CONTROL = {"RoutingControlArn": "arn:aws:route53-recovery-control::1:x", "State": "On"}


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ({"SsmAutomation": {"Document": "Promote-Db"}}, None),
        ({"SsmAutomation": {"Document": "AWS-StopEC2Instance"}}, "AWS-StopEC2Instance"),
        ({"SsmCommand": {"Document": "AWS-RunShellScript"}}, "AWS-RunShellScript"),
        ({"Lambda": {"FunctionName": "promote"}}, None),
        (
            {"Lambda": {"FunctionName": "arn:aws:lambda:us-west-2:999999999999:function:promote"}},
            "arn:aws:lambda:us-west-2:999999999999:function:promote",
        ),
        ({"Lambda": {"FunctionName": "promote:other"}}, "promote:other"),
        ({"Http": {"Url": "https://API.example.com:8443/x?y=.example.com"}}, None),
        ({"Http": {"Url": "https://evil.test/.example.com"}}, "evil.test"),
        ({"Http": {"Url": "https://evil.test#.example.com"}}, "evil.test"),
        ({"Http": {"Url": "https://example.com.evil.test/"}}, "example.com.evil.test"),
        ({"Route53Record": RECORD | {"ZoneId": "Z1"}}, None),
        ({"Route53Record": RECORD | {"ZoneId": "Z2"}}, "Z2"),
        ({"Workflow": {"Type": "Promote", "TaskQueue": "shop-db"}}, None),
        ({"Workflow": {"Type": "Promote", "TaskQueue": "drs-waves"}}, "drs-waves"),
        (
            {
                "RoutingControl": CONTROL
                | {
                    "ClusterEndpoints": {
                        "us-west-2": "https://a.example.com/v1",
                        "us-east-1": "https://evil.test/v1",
                    }
                }
            },
            "evil.test",
        ),
        ({"Tcp": {"Port": 5432}}, None),
        ({"Tcp": {"Port": 5432, "Host": "10.0.0.7"}}, None),
        ({"Tcp": {"Port": 80, "Host": "10.0.1.7"}}, "10.0.1.7"),
        ({"HttpGet": {"Port": 80, "Host": "evil.test"}}, "evil.test"),
        ({"Dns": {"Name": "evil.test"}}, None),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "10.0.0.2:53"}}, None),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "10.0.1.2:53"}}, "10.0.1.2"),
        ({"Alarm": {"AlarmName": "errors"}}, None),
    ],
)
def test_a_step_uses_what_is_named_only(kind: dict[str, Any], refused: str | None) -> None:
    step = Step.model_validate({"StepId": "x", "When": "BOTH"} | kind)
    refusal = ALLOWED.refusal(step.spec, "list.yaml")
    if refused is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.startswith(f"{refused} is not on the worker's allow-list (list.yaml)")


def test_a_list_without_steps_allows_none() -> None:
    step = Step.model_validate(
        {"StepId": "x", "When": "BOTH", "Workflow": {"Type": "P", "TaskQueue": "q"}}
    )
    refusal = AllowedSteps().refusal(step.spec, "list.yaml")
    assert refusal is not None
    assert "Steps: {TaskQueues: [...]}" in refusal


def test_a_redirect_leads_to_an_allowed_host_only() -> None:
    assert ALLOWED.allow_host("Login.Example.com.")
    assert not ALLOWED.allow_host("169.254.169.254")
