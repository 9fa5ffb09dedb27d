"""The roles of a target, and which of them the worker calls AWS with."""

from dataclasses import dataclass
from enum import StrEnum

_READING = ("Describe", "Get", "List", "Simulate")


class TargetRole(StrEnum):
    """What a role of a target is for; one IAM role may be all of them."""

    LAUNCH = "launch"
    """The one that a plan names: it launches, applies launch settings, and runs steps."""
    LOOK = "look"
    TERMINATE = "terminate"


def role_for(operation: str) -> TargetRole:
    """The role that an operation of AWS, such as `StartRecovery`, is called with."""
    if operation == "TerminateRecoveryInstances":
        return TargetRole.TERMINATE
    # It needs no permission, and shows where launches act: no look finds a target ready whose
    # launch role cannot be assumed.
    if operation == "GetCallerIdentity":
        return TargetRole.LAUNCH
    # Versions of launch templates are deleted by whom they were made: what isolates a drill has to
    # be put back, and nothing else may be missing for that.
    return TargetRole.LOOK if operation.startswith(_READING) else TargetRole.LAUNCH


@dataclass(frozen=True)
class TargetRoles:
    """The ARNs of a target's roles.

    Attributes:
        external_id: what their trust policies ask for, if anything.
    """

    launch: str
    look: str
    terminate: str
    external_id: str | None = None

    def arn(self, role: TargetRole) -> str:
        """The ARN of one of them."""
        arns = {TargetRole.LOOK: self.look, TargetRole.TERMINATE: self.terminate}
        return arns.get(role, self.launch)

    def by_arn(self) -> dict[str, list[TargetRole]]:
        """What each IAM role is for, in the order of `TargetRole`."""
        found: dict[str, list[TargetRole]] = {}
        for role in TargetRole:
            found.setdefault(self.arn(role), []).append(role)
        return found
