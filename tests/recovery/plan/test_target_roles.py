"""Which role of a target each call is made with."""

import pytest

from recovery.plan.target_roles import TargetRole, TargetRoles, role_for

LAUNCH, LOOK, TERMINATE = TargetRole.LAUNCH, TargetRole.LOOK, TargetRole.TERMINATE


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        ("StartRecovery", LAUNCH),
        ("UpdateLaunchConfiguration", LAUNCH),
        ("DeleteLaunchTemplateVersions", LAUNCH),
        ("Invoke", LAUNCH),
        ("CancelCommand", LAUNCH),
        ("GetCallerIdentity", LAUNCH),
        ("SomethingNew", LAUNCH),
        ("DescribeJobs", LOOK),
        ("ListTagsForResource", LOOK),
        ("GetLaunchConfiguration", LOOK),
        ("SimulatePrincipalPolicy", LOOK),
        ("TerminateRecoveryInstances", TERMINATE),
    ],
)
def test_what_reads_looks_and_what_changes_something_does_not(
    operation: str, role: TargetRole
) -> None:
    assert role_for(operation) is role


def test_one_iam_role_may_be_several() -> None:
    roles = TargetRoles(launch="a", look="b", terminate="a")
    assert [roles.arn(each) for each in TargetRole] == ["a", "b", "a"]
    assert roles.by_arn() == {"a": [LAUNCH, TERMINATE], "b": [LOOK]}
