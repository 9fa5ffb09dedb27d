"""The policies of the CloudFormation templates."""

from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"


def resources_of(path: Path) -> dict[str, Any]:
    """The resources of a template, with functions in their long form."""
    found: dict[str, Any] = cfn_yaml.load(str(path))["Resources"]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy, or of a role's own policies; those of options too."""
    properties = resource["Properties"]
    documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    found = [each for document in documents for each in as_list(document["Statement"])]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in found]
