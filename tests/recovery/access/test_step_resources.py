"""What steps call or connect to, and whether an allow-list has it."""

from typing import Any

import pytest

from recovery.access.allow_list_file import parse_allow_list
from recovery.access.step_resources import (
    ResourceKind,
    StepNeeds,
    StepResource,
    host_of,
    needs_of,
    resources_of,
)
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.steps.model import Step
from tests.recovery.plans import role_arn, server_id

TARGETS = "Targets: [{AccountIds: ['*'], Regions: ['*']}]\n"
CONTROL = "arn:aws:route53-recovery-control::123456789012:controlpanel/a/routingcontrol/b"


def step(step_id: str = "step", when: str = "BOTH", **kind: Any) -> Step:
    return Step.model_validate({"StepId": step_id, "When": when} | kind)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ({"SsmAutomation": {"Document": "Promote"}}, ["Documents: Promote"]),
        ({"SsmCommand": {"Document": "AWS-RunShellScript"}}, ["Documents: AWS-RunShellScript"]),
        ({"Lambda": {"FunctionName": "notify"}}, ["Functions: notify"]),
        ({"Http": {"Url": "https://API.example.com.:8443/a?b"}}, ["Hosts: api.example.com"]),
        ({"Http": {"Url": "http://[fd00::1]/"}}, ["Hosts: fd00::1"]),
        ({"Workflow": {"Type": "T", "TaskQueue": "crm"}}, ["TaskQueues: crm"]),
        (
            {"Route53Record": {"ZoneId": "Z1", "Name": "a", "Type": "A", "Values": ["1"]}},
            ["HostedZones: Z1"],
        ),
        (
            {
                "RoutingControl": {
                    "RoutingControlArn": CONTROL,
                    "State": "On",
                    "ClusterEndpoints": {"us-east-1": "https://a.example.com/v1"},
                }
            },
            [f"RoutingControls: {CONTROL}", "Hosts: a.example.com"],
        ),
        ({"Tcp": {"Port": 1, "Host": "DB.example.com"}}, ["Hosts: db.example.com"]),
        ({"HttpGet": {"Port": 1, "Host": "fd00::1"}}, ["Hosts: fd00::1"]),
        ({"Dns": {"Name": "a", "Resolver": "10.0.0.2:53"}}, ["Hosts: 10.0.0.2"]),
        ({"Dns": {"Name": "a", "Resolver": "fd00::2"}}, ["Hosts: fd00::2"]),
        ({"Dns": {"Name": "a", "Resolver": "[fd00::2]:53"}}, ["Hosts: fd00::2"]),
        # Recovery instances, and what the worker's credentials allow.
        ({"Tcp": {"Port": 1}}, []),
        ({"Tcp": {"Port": 1, "Host": "10.1.2.3"}}, []),
        ({"HttpGet": {"Port": 1}}, []),
        ({"InstanceStatus": {}}, []),
        ({"Dns": {"Name": "a"}}, []),
        ({"Alarm": {"AlarmName": "a"}}, []),
        ({"Manual": {"Instruction": "Look"}}, []),
    ],
)
def test_a_step_names_what_it_calls_or_connects_to(kind: dict[str, Any], named: list[str]) -> None:
    found = resources_of(step(**kind).spec, ["10.1.2.3"])
    assert [f"{each.kind}: {each.name}" for each in found] == named


@pytest.mark.parametrize("kind", list(ResourceKind))
def test_a_list_without_a_section_allows_nothing_of_its_kind(kind: ResourceKind) -> None:
    allow_list = parse_allow_list(TARGETS, source="list.yaml")
    resource = StepResource(kind=kind, name="crm")
    assert not allow_list.allows(resource)
    assert allow_list.resource_refusal(resource) == (
        f"crm is not in {kind} of the worker's allow-list (list.yaml), so it was not called. "
        f'Correct the plan; or add this to {kind} of the list, and restart every worker: "crm"'
    )
    listed = parse_allow_list(f"{TARGETS}{kind}: [crm*, other]\n", source="list.yaml")
    assert listed.allows(resource)
    assert not listed.allows(StepResource(kind=kind, name="not-crm"))
    assert not any(
        listed.allows(StepResource(kind=k, name="crm")) for k in ResourceKind if k != kind
    )


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
    listed = parse_allow_list(f"{TARGETS}Hosts: ['*.example.com']\n", source="list.yaml")
    assert listed.allows(host_of(url)) is allowed


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Documents: []", "list.yaml:2: Documents: the list is empty"),
        ("Documents: ['[a-z]*']", "Documents entry 1: write a name without spaces, or a glob"),
        ("Hosts: [API.example.com]", "Hosts entry 1: write a host or address in small letters"),
        ("Hosts: ['https://api.example.com']", "Hosts entry 1: write a host or address"),
        ("Functions: notify", "Functions: write a list"),
    ],
)
def test_a_wrong_section_is_named_with_what_to_write(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match="list") as caught:
        parse_allow_list(f"{TARGETS}{line}\n", source="list.yaml")
    assert problem in str(caught.value)


def test_a_plan_needs_what_its_steps_of_this_kind_of_execution_name() -> None:
    here, elsewhere = Target(region="us-west-2"), role_arn("222222222222")
    plan = RecoveryPlan(
        plan_id="crm",
        waves=[
            Wave(
                wave_id="db",
                region=here.region,
                servers=[Server(source_server_id=server_id(1))],
                post_launch_steps=[
                    step("one", Lambda={"FunctionName": "notify"}),
                    step("two", Lambda={"FunctionName": "notify"}, Region="us-west-2"),
                    step("dns", "RECOVERY", Lambda={"FunctionName": "dns"}, RoleArn=elsewhere),
                    step("own", Tcp={"Port": 1, "Host": "${Servers.s-1.PrivateIp}"}),
                ],
            )
        ],
    )
    drill, recovery = (needs_of(plan, is_drill=each) for each in (True, False))
    assert [(r.name, r.used_by) for r in drill.resources] == [
        ("notify", "step one of db, two of db")
    ]
    assert drill.targets == []
    assert [r.name for r in recovery.resources] == ["notify", "dns"]
    assert recovery.targets == [Target(region="us-west-2", role_arn=elsewhere)]
    assert needs_of(RecoveryPlan(plan_id="a", waves=[]), is_drill=True) == StepNeeds()
