"""Identity: whether the worker acts in the account that the plan means, and may act there."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget

TARGET_NOT_ALLOWED = FindingKind(
    code=FindingCode.TARGET_NOT_ALLOWED,
    severity=Severity.BLOCKS,
    title="The worker must not act in the target",
    meaning="The worker's allow-list does not have the account, Region or role.",
    action="Add the target to the allow-list, or correct Region and RoleArn in the plan.",
    prevents_launch=True,
)
WRONG_ACCOUNT = FindingKind(
    code=FindingCode.WRONG_ACCOUNT,
    severity=Severity.BLOCKS,
    title="The worker acts in another account than the plan names",
    meaning="Nothing is launched there: it would be launched in the wrong account.",
    action="Correct AccountId or RoleArn in the plan, or the worker's credentials.",
    prevents_launch=True,
    refuses_drill=True,
)
ROLE_NOT_ASSUMED = FindingKind(
    code=FindingCode.ROLE_NOT_ASSUMED,
    severity=Severity.BLOCKS,
    title="The role of the target cannot be assumed",
    meaning="The worker can neither read nor launch anything in the target.",
    action="Correct the role's trust policy, its ExternalId, or RoleArn in the plan.",
)
KINDS = (TARGET_NOT_ALLOWED, WRONG_ACCOUNT, ROLE_NOT_ASSUMED)


class IdentityEvidence(Model):
    """In which account the worker acts in a target.

    Attributes:
        refusal: why it must not act there; None: it may.
        is_allowed: whether its allow-list has the target.
        failed: why the account is not known.
        has_no_role: because AWS does not let it assume the role.
    """

    refusal: str | None = None
    is_allowed: bool = True
    failed: FailedRead | None = None
    has_no_role: bool = False

    @property
    def keeps_from_looking(self) -> bool:
        """Whether nothing else can be read in the target."""
        return self.refusal is not None or self.has_no_role


def identity_findings(planned: PlannedTarget, evidence: IdentityEvidence) -> Iterator[Finding]:
    """Judge whether the worker acts where the plan means, and may."""
    failed = evidence.failed
    if evidence.refusal is not None:
        kind = WRONG_ACCOUNT if evidence.is_allowed else TARGET_NOT_ALLOWED
        yield planned.finding(kind, evidence.refusal, evidence={"Refusal": evidence.refusal})
    elif failed is not None and evidence.has_no_role and failed.is_denied:
        message = f"the role cannot be assumed: {failed.error}"
        yield planned.finding(ROLE_NOT_ASSUMED, message, evidence=failed.evidence)
    elif failed is not None:
        yield failed.finding("the account that the worker acts in", planned)
