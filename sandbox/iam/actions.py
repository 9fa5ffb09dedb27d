"""The actions of IAM that API calls need, and what AWS answers to a caller who lacks one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model

from sandbox.http.aws_call import Call

# Prefixes of actions that differ from botocore's service name.
_SERVICES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
_PREFIXES = {service: prefix for prefix, service in _SERVICES.items()}
# Actions that are not named after their operation.
_OPERATIONS = {"lambda:InvokeFunction": "Invoke"}
_ACTIONS = {("lambda", "Invoke"): "lambda:InvokeFunction"}


def needed_actions(call: Call) -> Iterator[str]:
    """Iterate over the actions that an API call needs.

    Source: the Service Authorization Reference of AWS, in which `drs:StartRecovery` with tags needs
    `drs:TagResource`, and `drs:UpdateLaunchConfiguration` depends on `ec2:DescribeInstances`.
    """
    prefix = _PREFIXES.get(call.service, call.service)
    yield _ACTIONS.get((call.service, call.operation), f"{prefix}:{call.operation}")
    match call.name:
        case "drs.StartRecovery" if json.loads(call.body or "{}").get("tags"):
            yield "drs:TagResource"
        case "drs.UpdateLaunchConfiguration":
            yield "ec2:DescribeInstances"
        case "sts.AssumeRole":
            parameters = parse_qs(call.body)
            if "SourceIdentity" in parameters:
                yield "sts:SetSourceIdentity"
            if any(name.startswith("Tags.") for name in parameters):
                yield "sts:TagSession"


def denial(action: str) -> dict[str, str]:
    """Return the keys of a fault that denies an action, such as `ec2:DescribeSubnets`.

    Each service has the code of its protocol. The keys of the fault are checked later.
    """
    prefix, _, name = action.partition(":")
    service = _SERVICES.get(prefix, prefix)
    return {
        "Service": service,
        "Operation": _OPERATIONS.get(action, name),
        "Error": denial_code(service),
        "Message": f"User is not authorized to perform: {action}",
    }


def denial_code(service: str) -> str:
    """Return the error code with which a service denies an action."""
    try:
        protocol = get_service_model(service).protocol
    except UnknownServiceError:
        protocol = ""
    codes = {"ec2": "UnauthorizedOperation", "query": "AccessDenied", "rest-xml": "AccessDenied"}
    return codes.get(protocol, "AccessDeniedException")
