"""What documents of policies allow."""

import json
from typing import Any

import pytest

from sandbox.iam.policies import DIRECT, allows, called_via, trusts

ROLE = "arn:aws:iam::222222222222:role/drs-waves"
WORKER = "arn:aws:iam::111111111111:role/worker"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def test_an_action_is_allowed_by_its_name_or_a_pattern_whatever_the_resource() -> None:
    policies = [document(allow(["ec2:Describe*", "drs:StartRecovery"], "arn:aws:drs:::x"))]
    assert allows(policies, "drs:StartRecovery")
    assert allows(policies, "ec2:DescribeSubnets")
    assert not allows(policies, "ec2:RunInstances")
    assert not allows([], "drs:StartRecovery")


def test_a_denial_wins_over_permissions_of_other_policies() -> None:
    denial = allow("drs:StartRecovery") | {"Effect": "Deny"}
    assert not allows([document(allow("drs:*")), document(denial)], "drs:StartRecovery")


def test_a_resource_counts_where_the_caller_names_it() -> None:
    policies = [document(allow("sts:AssumeRole", "arn:aws:iam::*:role/drs-waves"))]
    assert allows(policies, "sts:AssumeRole", resource=ROLE)
    assert not allows(policies, "sts:AssumeRole", resource=f"{ROLE}-other")


@pytest.mark.parametrize(
    ("condition", "directly", "by_drs"),
    [
        ({"Bool": {"aws:ViaAWSService": "true"}}, False, True),
        ({"ForAnyValue:StringEquals": {"aws:CalledVia": ["drs.amazonaws.com"]}}, False, True),
        ({"StringEquals": {"aws:CalledViaLast": "ec2.amazonaws.com"}}, False, False),
        ({"StringNotEquals": {"aws:CalledViaLast": "drs.amazonaws.com"}}, True, False),
        ({"StringLikeIfExists": {"aws:CalledViaLast": "drs.*"}}, True, True),
        ({"Null": {"aws:CalledVia": "true"}}, True, False),
        ({"StringEquals": {"aws:ResourceTag/Owner": "nobody knows here"}}, True, True),
    ],
)
def test_a_condition_on_who_calls_is_checked(
    condition: dict[str, Any], directly: bool, by_drs: bool
) -> None:
    policies = [document(allow("ec2:RunInstances", Condition=condition))]
    assert allows(policies, "ec2:RunInstances", DIRECT) is directly
    assert allows(policies, "ec2:RunInstances", called_via("drs")) is by_drs


def test_what_the_sandbox_cannot_evaluate_is_no_permission() -> None:
    with pytest.raises(NotImplementedError, match="NotAction"):
        allows([document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})], "drs:X")


def test_a_role_trusts_whom_it_names_with_the_external_id() -> None:
    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": WORKER},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "drs-waves-4f1c"}},
        }
    )
    known = {"sts:externalid": ["drs-waves-4f1c"]}
    assert trusts(trust, [WORKER], "sts:AssumeRole", known)
    assert not trusts(trust, ["arn:aws:iam::1:role/other"], "sts:AssumeRole", known)
    assert not trusts(trust, [WORKER], "sts:AssumeRole", {"sts:externalid": []})
    assert not trusts(trust, [WORKER], "sts:TagSession", known)
