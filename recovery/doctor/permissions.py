"""The permissions that the worker needs in every target, and what the lack of one means.

docs/permissions.md says what each is for; a test compares them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recovery.base_model import Model
from recovery.doctor.check import Check, Part
from recovery.plan.target_roles import TargetRole, role_for

SIMULATE = "iam:SimulatePrincipalPolicy"


@dataclass(frozen=True)
class Permission:
    """An action of IAM.

    Attributes:
        purpose: what does not work without it.
        is_required: no recovery works without it.
        read: boto3's service, method and arguments of a call that needs it and changes nothing.
        in_job: DRS needs it inside a job, of the role that requested the launch.
    """

    action: str
    purpose: str
    is_required: bool = False
    read: tuple[str, str, Mapping[str, Any]] | None = None
    in_job: bool = False

    @property
    def role(self) -> TargetRole:
        """The role that needs it."""
        return TargetRole.LAUNCH if self.in_job else role_for(self.action.partition(":")[2])


_FEW = {"maxResults": 1}
_IN_JOB = "launching: the job would fail"
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
    Permission("drs:ListLaunchActions", "seeing which post-launch actions a launch runs"),
    Permission("drs:GetReplicationConfiguration", "readiness"),
    Permission("drs:UpdateLaunchConfiguration", _SETTINGS),
    Permission("drs:GetLaunchConfiguration", "isolated drills and readiness"),
    Permission("drs:TerminateRecoveryInstances", "the clean-up after drills"),
    Permission("drs:CreateRecoveryInstanceForDrs", _IN_JOB, is_required=True, in_job=True),
    Permission(
        "ec2:DescribeInstances",
        "steps, and the check of isolated drills",
        read=("ec2", "describe_instances", {"MaxResults": 5}),
    ),
    Permission("ec2:DescribeLaunchTemplateVersions", _SETTINGS),
    Permission("ec2:CreateLaunchTemplateVersion", _IN_JOB, is_required=True, in_job=True),
    Permission("ec2:ModifyLaunchTemplate", _SETTINGS),
    Permission("ec2:StartInstances", _IN_JOB, is_required=True, in_job=True),
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


def permissions_of(roles: Collection[TargetRole]) -> list[Permission]:
    """The permissions that a role of IAM needs which is all of these."""
    return [each for each in PERMISSIONS if each.role in roles]


class PermissionEvidence(Model):
    """What is known of the permissions of one role in one target.

    Attributes:
        where: the target, for people.
        roles: what the role is for.
        principal: the role or user that acts there; None if it is not known.
        simulator: who asked for the simulation; None if it is not known.
        denied: by action, why a call or the simulation says that it is denied.
        unread: by action, why a call did not show whether it is allowed.
        read: the actions whose calls succeeded.
        simulated: the actions that the simulation allows.
        not_simulated: why there was no simulation; None: there was.
    """

    where: str
    roles: tuple[TargetRole, ...] = tuple(TargetRole)
    principal: str | None = None
    simulator: str | None = None
    denied: dict[str, str] = {}
    unread: dict[str, str] = {}
    read: list[str] = []
    simulated: list[str] = []
    not_simulated: str | None = None


def permission_checks(evidence: PermissionEvidence) -> Iterator[Check]:
    """Judge the permissions of one role in one target."""
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
        rest = [e.action for e in permissions_of(evidence.roles) if e.action not in known]
        yield Check.skipped(
            Part.PERMISSIONS,
            where,
            f"whether {', '.join(rest)} are allowed: {evidence.not_simulated}",
            f"Allow {SIMULATE} to {evidence.simulator or who}, or run a drill",
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


def simulated_context(*, in_job: bool) -> list[dict[str, Any]]:
    """The context of simulated calls, by which policies limit them to what DRS manages.

    Args:
        in_job: whether DRS makes the calls, with the permissions of who requested the job.
    """
    tag = "AWSElasticDisasterRecoveryManaged"
    context = {f"{prefix}:ResourceTag/{tag}": ("string", "drs") for prefix in ("aws", "ec2")}
    if in_job:
        context |= {
            "aws:CalledVia": ("stringList", "drs.amazonaws.com"),
            "aws:ViaAWSService": ("boolean", "true"),
        }
    return [
        {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}
        for key, (kind, value) in context.items()
    ]


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
