"""Steps use what the allow-list names, and nothing else."""

from typing import Any

import pytest

from recovery.access.allow_list_file import parse_allow_list
from recovery.access.allowed_steps import AllowedSteps, UseKind, uses_of
from recovery.steps.model import Http, Step

ALLOWED = AllowedSteps.model_validate(
    {
        "Documents": ["Promote-*"],
        "Functions": ["promote", "arn:aws:lambda:*:123456789012:function:promote"],
        "Hosts": ["*.example.com", "10.0.0.?"],
        "HostedZones": ["Z1"],
        "RoutingControls": ["arn:aws:route53-recovery-control::1:*"],
        "TaskQueues": ["shop-*"],
    }
)
RECORD = {"Name": "shop.example.com", "Type": "A", "Values": ["10.0.0.1"]}
CONTROL = {"RoutingControlArn": "arn:aws:route53-recovery-control::1:x", "State": "On"}
ENDPOINTS = {"ClusterEndpoints": {"us-west-2": "https://a.example.com/v1"}}


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
        (
            {"RoutingControl": CONTROL | ENDPOINTS | {"RoutingControlArn": "arn:aws:x:::y"}},
            "arn:aws:x:::y",
        ),
        ({"Tcp": {"Port": 5432}}, None),
        # A recovery instance's address.
        ({"Tcp": {"Port": 5432, "Host": "10.1.2.3"}}, None),
        ({"Tcp": {"Port": 5432, "Host": "10.0.0.7"}}, None),
        ({"Tcp": {"Port": 80, "Host": "10.0.1.7"}}, "10.0.1.7"),
        ({"HttpGet": {"Port": 80, "Host": "evil.test"}}, "evil.test"),
        ({"Dns": {"Name": "evil.test"}}, None),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "10.0.0.2:53"}}, None),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "10.0.1.2:53"}}, "10.0.1.2"),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "fd00::2"}}, "fd00::2"),
        ({"Dns": {"Name": "shop.example.com", "Resolver": "[fd00::2]:53"}}, "fd00::2"),
        ({"Alarm": {"AlarmName": "errors"}}, None),
    ],
)
def test_a_step_uses_what_is_named_only(kind: dict[str, Any], refused: str | None) -> None:
    step = Step.model_validate({"StepId": "x", "When": "BOTH"} | kind)
    refusals = ALLOWED.refusals(uses_of(step.spec, ["10.1.2.3"]), "list.yaml")
    if refused is None:
        assert refusals == []
    else:
        (refusal,) = refusals
        assert refusal.startswith(f"{refused} is not on the worker's allow-list (list.yaml)")


def test_a_list_without_steps_allows_none() -> None:
    here = "Targets: [{AccountIds: ['*'], Regions: ['*']}]\n"
    step = Step.model_validate(
        {"StepId": "x", "When": "BOTH", "Workflow": {"Type": "P", "TaskQueue": "q"}}
    )
    steps = parse_allow_list(here, source="list.yaml").steps
    (refusal,) = steps.refusals(uses_of(step.spec), "list.yaml")
    assert "Steps: {TaskQueues: [...]}" in refusal
    assert [str(each) for each in UseKind] == [*AllowedSteps.model_fields]


def test_a_redirect_leads_to_an_allowed_host_only() -> None:
    assert ALLOWED.allow_host("Login.Example.com.")
    assert not ALLOWED.allow_host("169.254.169.254")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.example.com/x", True),
        ("https://api.example.com.:443", True),
        ("https://api.example.com.evil.com/", False),
        ("https://evil.com/api.example.com", False),
        ("https://evil.com?.example.com", False),
        ("https://evil.com#.example.com", False),
        ("https://evil.com\\.example.com/", False),
        ("https://evil.com%2f.example.com/", False),
        ("https://evil.com;.example.com/", False),
        ("https://evil.com@api.example.com/", True),
        ("https://api.example.com@evil.com/", False),
        ("https://évil.example.com/", False),
        ("https://[api.example.com/", False),
        ("https:///.example.com", False),
    ],
)
def test_a_host_is_the_one_that_is_connected_to(url: str, allowed: bool) -> None:
    # As a reader of plans that is less strict would let it pass.
    (use,) = uses_of(Http.model_construct(url=url))
    assert ALLOWED.allow(use) is allowed


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Documents: ['[a-z]*']", "Documents entry 1: write a value as steps have it"),
        ("Hosts: ['https://api.example.com']", "Hosts entry 1: write a host or address"),
        ("Hosts: ['api.example.com/x']", "Hosts entry 1: write a host or address"),
        ("Functions: notify", "Functions: write a list"),
    ],
)
def test_a_wrong_entry_is_named_with_what_to_write(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match="list") as caught:
        parse_allow_list(
            f"Targets: [{{AccountIds: ['*'], Regions: ['*']}}]\nSteps: {{{line}}}\n",
            source="list.yaml",
        )
    assert problem in str(caught.value)
