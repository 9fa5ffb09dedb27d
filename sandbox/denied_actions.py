"""What AWS answers to a caller who lacks an action of IAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model

# Prefixes of actions that differ from botocore's service name.
_SERVICES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
# Actions that are not named after their operation.
_OPERATIONS = {"lambda:InvokeFunction": "Invoke"}


@dataclass
class Simulated:
    """What IAM's simulation of policies answers from.

    Attributes:
        denies: whether an action is denied in an account.
    """

    denies: Callable[[str, str], bool] = lambda action, account_id: False


simulated = Simulated()


def denial(action: str) -> dict[str, str]:
    """Return the keys of a fault that denies an action, such as `ec2:DescribeSubnets`.

    Each service has the code of its protocol. The keys of the fault are checked later.
    """
    prefix, _, name = action.partition(":")
    service = _SERVICES.get(prefix, prefix)
    try:
        protocol = get_service_model(service).protocol
    except UnknownServiceError:
        protocol = ""
    error = {"ec2": "UnauthorizedOperation", "query": "AccessDenied", "rest-xml": "AccessDenied"}
    return {
        "Service": service,
        "Operation": _OPERATIONS.get(action, name),
        "Error": error.get(protocol, "AccessDeniedException"),
        "Message": f"User is not authorized to perform: {action}",
    }
