"""The policies of the CloudFormation templates: as narrow as IAM admits.

The local AWS checks actions and who calls, in tests/end_to_end/test_least_privilege.py; resources
are checked here, by what the Service Authorization Reference says of each action (as of cfn-lint).
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

import pytest

from tests.deploy.policies import FOLDER, as_list, resources_of, statements_of

_IDENTITY_POLICIES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role")
ACTIONS = json.loads(
    resources.files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text()
)


def statements() -> Iterator[Any]:
    """Each statement of a policy of a user or role, in each template."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, resource in resources_of(path).items():
            if resource["Type"] not in _IDENTITY_POLICIES:
                continue
            for number, statement in enumerate(statements_of(resource), 1):
                yield pytest.param(statement, id=f"{path.stem}-{name}-{number}")


def supported(action: str) -> list[str]:
    """The ARNs, as patterns, that IAM can limit an action to; none: it is for `*` only."""
    service, _, name = action.partition(":")
    known = ACTIONS[service]
    types = known["Actions"][name.lower()].get("Resources", [])
    return [arn for each in types for arn in known["Resources"][each.lower()]["ARNFormats"]]


def is_limited_to(resource: Any, arn: str) -> bool:
    """Whether a resource of a policy has the service and the type of an ARN."""
    pattern = resource.get("Fn::Sub") if isinstance(resource, dict) else resource
    if pattern is None or not pattern.startswith("arn:"):
        return True  # A parameter, or another resource.
    given, wanted = (re.sub(r"\$\{[^}]*}", "*", each).split(":", 5) for each in (pattern, arn))
    kind, known = (re.split("[/:]", each[5])[0] for each in (given, wanted))
    return given[2] == wanted[2] and (fnmatchcase(known, kind) or known == "*")


@pytest.mark.parametrize("statement", list(statements()))
def test_a_statement_names_actions_and_is_limited_to_what_they_act_on(
    statement: dict[str, Any],
) -> None:
    given = as_list(statement["Resource"])
    for action in as_list(statement["Action"]):
        assert "*" not in action
        arns = supported(action)
        if "*" in given:
            assert not arns, f"{action} can be limited to some of {arns}"
        else:
            assert any(is_limited_to(each, arn) for each in given for arn in arns), (
                f"{action} allows nothing on these resources"
            )


def test_no_policy_of_aws_is_attached_and_no_role_is_for_everybody() -> None:
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, resource in resources_of(path).items():
            text = json.dumps(resource)
            assert "FullAccess" not in text, name
            if resource["Type"] == "AWS::IAM::Role":
                trust = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                for statement in as_list(trust):
                    assert "*" not in as_list(statement["Principal"]), name
                    assert "*" not in as_list(statement["Principal"].get("AWS", [])), name
