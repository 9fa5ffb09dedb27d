"""The schedule of drills: whether Temporal has it as the plan is registered."""

from collections.abc import Iterator

from recovery.access.grants import ScheduleSubject
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import finding_of
from recovery.schedule.decision import unscheduled

DRILLS_NOT_SCHEDULED = FindingKind(
    code=FindingCode.DRILLS_NOT_SCHEDULED,
    severity=Severity.WARNS,
    title="Temporal does not have the plan's schedule of drills",
    meaning="No drill starts by itself: the Schedule was deleted, or is that of an earlier version "
    "of the plan.",
    action="Register the plan again.",
)
KINDS = (DRILLS_NOT_SCHEDULED,)


def schedule_findings(plan: RecoveryPlan, made: ScheduleSubject | None) -> Iterator[Finding]:
    """Judge the schedule of a registered plan.

    Args:
        plan: the plan.
        made: its schedule in Temporal; None if there is none.
    """
    if plan.schedule is None:
        return
    if made is None:
        yield finding_of(DRILLS_NOT_SCHEDULED, "Temporal has no schedule of its drills")
    elif (skip := unscheduled(plan, made)) is not None:
        message = f"its drills are skipped: {skip.reason}"
        yield finding_of(DRILLS_NOT_SCHEDULED, message, {"Skip": skip.code})
