"""The permissions that the worker needs in every target, and what the lack of one means.

docs/permissions.md says what each is for; a test compares them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recovery.base_model import Model
from recovery.doctor.check import Check, Part

SIMULATE = "iam:SimulatePrincipalPolicy"


@dataclass(frozen=True)
class Permission:
    """An action of IAM.

    Attributes:
        purpose: what does not work without it.
        is_required: no recovery works without it.
        read: boto3's service, method and arguments of a call that needs it and changes nothing.
    """

    action: str
    purpose: str
    is_required: bool = False
    read: tuple[str, str, Mapping[str, Any]] | None = None


_FEW = {"maxResults": 1}
_SETTINGS = "launch-settings apply and isolated drills"
PERMISSIONS = (
    Permission("drs:StartRecovery", "launching", is_required=True),
    Permission("drs:TagResource", "launching", is_required=True),
    Permission("drs:DescribeJobs", "watching jobs", True, ("drs", "describe_jobs", _FEW)),
    Permission(
        "drs:DescribeSourceServers",
        "the checks before a launch",
        True,
        ("drs", "describe_source_servers", _FEW),
    ),
    Permission(
        "drs:DescribeRecoveryInstances",
        "the verification after a launch",
        True,
        ("drs", "describe_recovery_instances", _FEW),
    ),
    Permission("drs:ListTagsForResource", "finding a job after a crash", is_required=True),
    Permission("drs:DescribeJobLogItems", "the progress within a job"),
    Permission("drs:DescribeRecoverySnapshots", "points in time"),
    Permission("drs:GetLaunchConfiguration", "isolated drills and readiness"),
    Permission("drs:TerminateRecoveryInstances", "the clean-up after drills"),
    Permission("drs:CreateRecoveryInstanceForDrs", "launching: the job would fail", True),
    Permission(
        "ec2:DescribeInstances",
        "steps, and the check of isolated drills",
        read=("ec2", "describe_instances", {"MaxResults": 5}),
    ),
    Permission("ec2:DescribeLaunchTemplateVersions", _SETTINGS),
    Permission("ec2:CreateLaunchTemplateVersion", "launching: the job would fail", True),
    Permission("ec2:ModifyLaunchTemplate", _SETTINGS),
    Permission("ec2:StartInstances", "launching: the job would fail", is_required=True),
    Permission(
        "ec2:DescribeSubnets", "readiness", read=("ec2", "describe_subnets", {"MaxResults": 5})
    ),
    Permission(
        "ec2:DescribeSecurityGroups",
        "readiness",
        read=("ec2", "describe_security_groups", {"MaxResults": 5}),
    ),
    Permission(
        "servicequotas:ListServiceQuotas",
        "reading quotas; launches then use DRS's defaults",
        read=("service-quotas", "list_service_quotas", {"ServiceCode": "drs"}),
    ),
)


class PermissionEvidence(Model):
    """What is known of the permissions in one target.

    Attributes:
        where: the target, for people.
        principal: the role or user that acts there; None if it is not known.
        denied: by action, why a call or the simulation says that it is denied.
        unread: by action, why a call did not show whether it is allowed.
        read: the actions whose calls succeeded.
        simulated: the actions that the simulation allows.
        not_simulated: why there was no simulation; None: there was.
    """

    where: str
    principal: str | None = None
    denied: dict[str, str] = {}
    unread: dict[str, str] = {}
    read: list[str] = []
    simulated: list[str] = []
    not_simulated: str | None = None


def permission_checks(evidence: PermissionEvidence) -> Iterator[Check]:
    """Judge the permissions in one target."""
    where, who = evidence.where, evidence.principal or "the worker's role there"
    for action, why in evidence.denied.items():
        needed = next((each for each in PERMISSIONS if each.action == action), None)
        if needed is None:
            continue
        judge = Check.fail if needed.is_required else Check.warn
        yield judge(
            Part.PERMISSIONS,
            where,
            f"{action} is denied, which {needed.purpose} needs: {why}",
            f"Allow {action} to {who}; see docs/permissions.md",
        )
    for action, why in evidence.unread.items():
        yield Check.skipped(Part.PERMISSIONS, where, f"whether {action} is allowed: {why}")
    if evidence.not_simulated is not None:
        known = {*evidence.read, *evidence.denied, *evidence.unread}
        rest = [each.action for each in PERMISSIONS if each.action not in known]
        yield Check.skipped(
            Part.PERMISSIONS,
            where,
            f"whether {', '.join(rest)} are allowed: {evidence.not_simulated}",
            f"Allow {SIMULATE} to {who}, or run a drill",
        )
    if evidence.read or evidence.simulated:
        yield Check.ok(Part.PERMISSIONS, where, _allowed(evidence))


def simulated_resources(service: str, region: str, caller_arn: str) -> list[str]:
    """Resources to simulate a service's actions on, for policies that do not allow them on all.

    Args:
        service: the prefix of the actions, such as `drs`.
        region: of the target.
        caller_arn: as STS names the caller.
    """
    _, partition, _, _, account_id, *_ = caller_arn.split(":")
    names = _RESOURCES.get(service, ())
    return [f"arn:{partition}:{service}:{region}:{account_id}:{name}" for name in names]


_RESOURCES = {
    "drs": (
        "source-server/s-00000000000000000",
        "job/drsjob-00000000000000000",
        "recovery-instance/i-00000000000000000",
    ),
    "ec2": ("instance/i-00000000000000000", "launch-template/lt-00000000000000000"),
}


def principal_of(caller_arn: str, role_arn: str | None) -> str | None:
    """The role or user whose policies decide for a caller; None for a root user.

    Args:
        caller_arn: as STS names the caller, in which a role has no path.
        role_arn: the role that was assumed, if it is known.
    """
    parts = caller_arn.split(":", 5)
    if role_arn is not None:
        return role_arn
    if len(parts) < 6 or parts[5] == "root":
        return None
    kind, _, name = parts[5].partition("/")
    if kind == "assumed-role":
        kind, name = "role", name.partition("/")[0]
    return f"arn:{parts[1]}:iam::{parts[4]}:{kind}/{name}"


def _allowed(evidence: PermissionEvidence) -> str:
    found: list[str] = []
    if evidence.read:
        found.append(f"{len(evidence.read)} read-only calls succeed")
    if evidence.simulated:
        found.append(f"{len(evidence.simulated)} actions are allowed by {SIMULATE}")
    return "; ".join(found)
