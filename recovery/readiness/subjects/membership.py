"""Servers by tags: whether DRS has them, and about as many as before."""

from collections.abc import Iterator

from recovery.plan.members import TaggedMembership
from recovery.plan.membership import found_problem, shrunk_waves
from recovery.plan.model import RecoveryPlan
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import finding_of

MEMBERSHIP_UNUSABLE = FindingKind(
    code=FindingCode.MEMBERSHIP_UNUSABLE,
    severity=Severity.BLOCKS,
    title="The tags of a wave match no server, or one that another wave has",
    meaning="A drill is refused; a recovery launches the servers that were last recorded.",
    action="Correct ServersByTag in the plan, or the tags of the source servers in DRS.",
)
MEMBERSHIP_SHRUNK = FindingKind(
    code=FindingCode.MEMBERSHIP_SHRUNK,
    severity=Severity.BLOCKS,
    title="The tags of a wave match far fewer servers than before",
    meaning="A drill must confirm it; a recovery launches the servers that were last recorded.",
    action="Correct the tags of the source servers in DRS, or confirm the change in a drill: "
    "`drs-waves run PLAN --accept-findings`.",
)
KINDS = (MEMBERSHIP_UNUSABLE, MEMBERSHIP_SHRUNK)


def membership_findings(plan: RecoveryPlan, known: TaggedMembership) -> Iterator[Finding]:
    """Judge what DRS has for the tags of a plan.

    Args:
        plan: the plan, without the servers that its tags match.
        known: what DRS has, and what was recorded before.
    """
    for error in known.found.errors:
        failed = FailedRead(action="drs:DescribeSourceServers", error=error)
        yield failed.finding("the servers with the plan's tags")
    if not known.found.errors and (problem := found_problem(plan, known.found)) is not None:
        yield finding_of(MEMBERSHIP_UNUSABLE, problem, {})
    for text in shrunk_waves(plan, known.found, known.recorded):
        yield finding_of(MEMBERSHIP_SHRUNK, text, {})
