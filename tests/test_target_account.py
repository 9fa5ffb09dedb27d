"""The roles of deploy/aws/target-account.yaml, compared with what is called and what is written."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import xform_name
from botocore.loaders import create_loader

from recovery.doctor.permissions import PERMISSIONS
from recovery.plan.target_roles import TargetRole, role_for

ROOT = Path(__file__).parents[1]
_SERVICES = (
    "cloudwatch", "ec2", "elbv2", "iam", "kms", "lambda", "route53",
    "route53-recovery-cluster", "service-quotas", "ssm", "sts",
    # Last: some of its operations have names that others have too.
    "drs",
)  # fmt: skip
_PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
_ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}
# Where constants name operations as AWS does; elsewhere they name boto3's methods.
_NAMED = ("drs", "service-quotas")
# Anyone may call it.
_FREE = {"sts:GetCallerIdentity"}
# Beside operations: the tags of StartRecovery, and the roles that documents of Automation assume.
_BESIDE = {"drs:TagResource", "iam:PassRole"}


class _Template(yaml.SafeLoader):
    """Reads a template, and its functions such as `!Ref` as what they are called with."""


def _value(loader: _Template, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Template.add_multi_constructor("!", _value)
TEMPLATE = yaml.load((ROOT / "deploy/aws/target-account.yaml").read_text(), _Template)["Resources"]


def statements(role: TargetRole | None = None) -> list[tuple[str, dict[str, Any]]]:
    """The statements of the policies of a role, or of all, with the names of their policies."""
    return [
        (name, statement)
        for name, resource in TEMPLATE.items()
        if role is None or resource["Properties"].get("Roles") == [f"{role.title()}Role"]
        for statement in resource["Properties"].get("PolicyDocument", {}).get("Statement", ())
    ]


def actions_of(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def allowed(role: TargetRole, *, in_jobs: bool) -> set[str]:
    """The actions that the template allows a role: what it calls, or what DRS does in its jobs."""
    return {
        action
        for name, statement in statements(role)
        if ("Jobs" in name) is in_jobs
        for action in actions_of(statement)
    }


@pytest.fixture(scope="module")
def called() -> dict[TargetRole, set[str]]:
    """The actions of all operations that are called in targets, by the role that calls them."""
    actions: dict[str, tuple[str, str]] = {}
    for service in _SERVICES:
        for operation in create_loader().load_service_model(service, "service-2")["operations"]:
            action = f"{_PREFIXES.get(service, service)}:{operation}"
            named = operation, _ACTIONS.get(action, action)
            actions[xform_name(operation)] = named
            if service in _NAMED:
                actions[operation] = named
    found: dict[TargetRole, set[str]] = {role: set() for role in TargetRole}
    for path in [*ROOT.glob("aws/**/*.py"), *ROOT.glob("activities/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in actions:
                operation, action = actions[node.value]
                found[role_for(operation)].add(action)
    return found


@pytest.mark.parametrize("role", list(TargetRole))
def test_each_role_may_do_what_it_is_used_for_and_nothing_else(
    called: dict[TargetRole, set[str]], role: TargetRole
) -> None:
    beside = _BESIDE if role is TargetRole.LAUNCH else set[str]()
    assert allowed(role, in_jobs=False) == (called[role] - _FREE) | beside


def test_the_roles_have_what_doctor_asks_for() -> None:
    for each in PERMISSIONS:
        assert each.action in allowed(each.role, in_jobs=each.in_job), each.action


@pytest.mark.parametrize("role", list(TargetRole))
def test_the_documentation_names_the_permissions_of_each_role(role: TargetRole) -> None:
    page = (ROOT / "docs/permissions.md").read_text()
    rows = [line for line in page.splitlines() if f"| {role} |" in line]
    named = {action for row in rows for action in re.findall(r"`([a-z0-9-]+:[A-Za-z]+)`", row)}
    assert named == allowed(role, in_jobs=False)


def test_what_drs_changes_in_ec2_it_may_change_only_through_drs() -> None:
    for name, statement in statements():
        actions = [a for a in actions_of(statement) if a.startswith("ec2:")]
        if "Jobs" in name and any(role_for(a[4:]) is not TargetRole.LOOK for a in actions):
            assert statement["Condition"].keys() & {"Bool", "ForAnyValue:StringEquals"}, actions


def test_nothing_is_changed_everywhere_and_no_action_is_a_wildcard() -> None:
    for _, statement in statements():
        actions = actions_of(statement)
        assert not [each for each in actions if "*" in each]
        changes = [a for a in actions if role_for(a.partition(":")[2]) is not TargetRole.LOOK]
        # Systems Manager takes no resource for it.
        assert changes in ([], ["ssm:CancelCommand"]) or statement["Resource"] != "*", actions


def test_each_role_trusts_the_worker_alone() -> None:
    trusts = [
        resource["Properties"]["AssumeRolePolicyDocument"]
        for resource in TEMPLATE.values()
        if resource["Type"] == "AWS::IAM::Role"
    ]
    assert len(trusts) == 3
    assert all(each == trusts[0] for each in trusts)
    assume, others = trusts[0]["Statement"]
    assert assume["Condition"] == {"StringEquals": {"sts:ExternalId": "ExternalId"}}
    assert {str(each["Principal"]) for each in (assume, others)} == {"{'AWS': 'WorkerRoleArn'}"}
