"""A plan over time: what its executions took, reached and left out."""

from collections.abc import Sequence

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.report.action_items import ActionItem, by_due
from recovery.report.model import ExecutionReport, QualificationKind, RtoOutcome
from recovery.text_format import count, rounded_duration


class SummaryRow(Model):
    """One execution.

    Attributes:
        real_seconds: from the declaration to the end of the last wave; None if it was not reached.
        worst_point_seconds: from the oldest recovery point to the start.
        not_tested: how many steps were left out.
        qualifications: how many reasons there are not to read it as an unqualified success.
    """

    execution_id: str
    execution_type: ExecutionType
    status: PlanStatus
    start_time: float
    verdict: str
    is_unqualified: bool
    plan_hash: str
    real_seconds: float | None = None
    rto_outcome: RtoOutcome
    worst_point_seconds: float | None = None
    over_rpo: int = 0
    unknown_points: int = 0
    overrides: int = 0
    not_tested: int = 0
    open_action_items: int = 0
    is_sandbox: bool = False


class PlanSummary(Model):
    """A plan since a time, the newest execution first.

    Attributes:
        since: epoch seconds.
        trend: what changed from the first to the last execution, a line each.
    """

    generated_time: float
    plan_id: str
    since: float
    rto: int | None = Field(default=None, alias="RTO")
    rpo: int | None = Field(default=None, alias="RPO")
    executions: list[SummaryRow]
    trend: list[str] = []
    open_action_items: list[ActionItem] = []
    omitted: int = 0


def plan_summary(
    plan_id: str, reports: Sequence[ExecutionReport], *, since: float, now: float, omitted: int = 0
) -> PlanSummary:
    """Sum up the reports of a plan's executions.

    Args:
        plan_id: the plan.
        reports: of its executions since then, in any order.
        since: epoch seconds.
        now: epoch seconds.
        omitted: how many earlier ones were left out.
    """
    newest = sorted(reports, key=lambda each: each.start_time, reverse=True)
    items = [item for each in newest for item in each.action_items if item.is_open]
    return PlanSummary(
        generated_time=now,
        plan_id=plan_id,
        since=since,
        rto=newest[0].plan.rto if newest else None,
        rpo=newest[0].plan.rpo if newest else None,
        executions=[_row(each) for each in newest],
        trend=_trend([_row(each) for each in reversed(newest) if each.is_over]),
        open_action_items=by_due(items),
        omitted=omitted,
    )


def _row(report: ExecutionReport) -> SummaryRow:
    complete, points = report.rto.complete, report.recovery_points
    override = QualificationKind.OVERRIDE
    return SummaryRow(
        execution_id=report.execution_id,
        execution_type=report.execution_type,
        status=report.status,
        start_time=report.start_time,
        verdict=report.verdict.sentence,
        is_unqualified=report.verdict.is_unqualified,
        plan_hash=report.plan.plan_hash,
        real_seconds=None if complete is None else complete.real_seconds,
        rto_outcome=report.rto.outcome,
        worst_point_seconds=points.worst_seconds,
        over_rpo=len(points.over_rpo),
        unknown_points=len(points.unknown),
        overrides=sum(q.count for q in report.verdict.qualifications if q.kind is override),
        not_tested=len(report.not_tested),
        open_action_items=sum(item.is_open for item in report.action_items),
        is_sandbox=report.method.sandbox_speed is not None,
    )


def _trend(rows: Sequence[SummaryRow]) -> list[str]:
    """What changed; `rows` are of ended executions, the oldest first."""
    if not rows:
        return []
    completed = sum(row.status is PlanStatus.COMPLETED for row in rows)
    unqualified = sum(row.is_unqualified for row in rows)
    lines = [
        f"{completed} of {count(len(rows), 'execution')} COMPLETED, {unqualified} of them without "
        "a qualification"
    ]
    # A drill leaves out what a recovery runs, so only executions of one kind can be compared.
    for kind in ExecutionType:
        of_kind = [row for row in rows if row.execution_type is kind]
        if len(of_kind) < 2:
            continue
        first, last = of_kind[0], of_kind[-1]
        change = last.not_tested - first.not_tested
        how = f"{abs(change)} {'more' if change > 0 else 'fewer'} than" if change else "as many as"
        left_out = count(last.not_tested, "step")
        lines.append(f"{kind}: {left_out} not tested in the last one, {how} in the first")
        timed = [row for row in of_kind if row.real_seconds is not None]
        if len(timed) > 1:
            times = [row.real_seconds or 0.0 for row in (timed[0], timed[-1])]
            before, after = map(rounded_duration, times)
            lines.append(f"{kind}: recovered in {after} in the last one, {before} in the first")
    return lines
