"""Identity: whether the worker acts in the account that the plan means, and may act there."""

from recovery.readiness.finding import FindingCode, FindingKind, Severity

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
STEP_NOT_ALLOWED = FindingKind(
    code=FindingCode.STEP_NOT_ALLOWED,
    severity=Severity.BLOCKS,
    title="The worker's allow-list lacks what a step uses",
    meaning="A start of the plan is refused before anything is launched.",
    action="Add what the step uses to the allow-list, or correct the step.",
)
KINDS = (TARGET_NOT_ALLOWED, WRONG_ACCOUNT, STEP_NOT_ALLOWED)
