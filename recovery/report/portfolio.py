"""The report of a portfolio: every plan of it, and what all of them together proved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recovery.base_model import Model
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.state import (
    MemberState,
    MemberStatus,
    PortfolioMessageRecord,
    PortfolioState,
)
from recovery.report.action_items import ActionItem, by_due
from recovery.report.builder import execution_report
from recovery.report.declaration import MeasuredFrom
from recovery.report.model import (
    VERSION,
    ExecutionReport,
    MeasuredTime,
    Qualification,
    QualificationKind,
    ReportRecord,
    ReportVerdict,
    RtoOutcome,
)
from recovery.report.verdict import about, sentence_of
from recovery.text_format import utc_timestamp

_Kind = QualificationKind
_OVER = (RtoOutcome.MISSED, RtoOutcome.NOT_REACHED)


class ReportedMember(Model):
    """A plan of a portfolio.

    Attributes:
        depends_on: what it waited for, as the portfolio's file writes it.
        is_attached: its execution was not started by the portfolio.
        decisions: what operators decided about it in the portfolio, a line each.
        report: of its execution; None if none was started, or it is not recorded.
    """

    plan_id: str
    plan_name: str
    priority: int
    depends_on: list[str] = []
    status: MemberStatus
    status_reason: str = ""
    execution_id: str | None = None
    is_attached: bool = False
    decisions: list[str] = []
    report: ExecutionReport | None = None


class PortfolioReport(Model):
    """The report of a portfolio's execution.

    Attributes:
        report_version: of this form.
        generated_time: when it was made.
        since: what its times are measured from.
        launched: to the last server of any plan that was launched.
        complete: to the end of the last wave; None if a plan did not come to its end.
        sandbox_speed: how much faster than DRS the simulation was; None on real AWS.
        over_rto: plans that missed their RTO, or did not reach it.
        over_rpo: servers whose data is older than the RPO of their plan.
    """

    report_version: int = VERSION
    generated_time: float
    execution_id: str
    portfolio_id: str
    portfolio_name: str
    execution_type: ExecutionType
    status: PlanStatus
    status_reason: str = ""
    is_over: bool
    started_by: str
    start_time: float
    end_time: float | None = None
    since: float
    verdict: ReportVerdict
    launched: MeasuredTime | None = None
    complete: MeasuredTime | None = None
    point_in_time: PointInTime | None = None
    from_execution: str | None = None
    sandbox_speed: float | None = None
    plans: list[ReportedMember]
    over_rto: list[str] = []
    over_rpo: list[str] = []
    not_tested: list[str] = []
    messages: list[PortfolioMessageRecord] = []
    action_items: list[ActionItem] = []


@dataclass(frozen=True)
class PortfolioRecord:
    """What the tables have of a portfolio's execution.

    Attributes:
        records: by execution ID, of the plans' executions; those that are not recorded lack.
    """

    state: PortfolioState
    records: Mapping[str, ReportRecord]


def portfolio_report(
    record: PortfolioRecord, *, now: float, declared: float | None = None
) -> PortfolioReport:
    """The report of a portfolio.

    Args:
        record: what is recorded of it.
        now: epoch seconds.
        declared: when it was declared, for this report only (epoch seconds).
    """
    state = record.state
    since = state.counted_from if declared is None else declared
    members = [_member(each, record, since=since, now=now) for each in state.plans]
    reports = [each.report for each in members if each.report is not None]
    items = [item for each in reports for item in each.action_items]
    is_whole = state.is_over and all(e.report and e.report.rto.complete for e in members)
    return PortfolioReport(
        generated_time=now,
        execution_id=state.execution_id,
        portfolio_id=state.portfolio_id,
        portfolio_name=state.portfolio_name,
        execution_type=state.execution_type,
        status=state.status,
        status_reason=state.status_reason,
        is_over=state.is_over,
        started_by=state.started_by,
        start_time=state.start_time,
        end_time=state.end_time,
        since=since,
        verdict=_verdict(state, members),
        launched=_latest([each.rto.launched for each in reports]),
        complete=_latest([each.rto.complete for each in reports]) if is_whole else None,
        point_in_time=state.point_in_time,
        from_execution=state.from_execution,
        sandbox_speed=state.speed if state.speed != 1 else None,
        plans=members,
        over_rto=_over_rto(members),
        over_rpo=[server for each in reports for server in each.recovery_points.over_rpo],
        not_tested=[
            f"{each.plan.plan_name}: {line}" for each in reports for line in each.not_tested
        ],
        messages=state.messages,
        action_items=by_due(items),
    )


def _member(
    member: MemberState, record: PortfolioRecord, *, since: float, now: float
) -> ReportedMember:
    execution_id = member.current_execution_id
    found = record.records.get(execution_id) if execution_id else None
    report = None
    if found is not None:
        # What was kept of an earlier portfolio may have started before.
        declared = min(since, found.state.start_time)
        report = execution_report(found, now=now, declared=declared)
        rto = report.rto.model_copy(update={"measured_from": MeasuredFrom.PORTFOLIO})
        report = report.model_copy(update={"rto": rto})
    return ReportedMember(
        plan_id=member.plan_id,
        plan_name=member.plan_name,
        priority=member.priority,
        depends_on=[str(each) for each in member.depends_on],
        status=member.status,
        status_reason=member.status_reason,
        execution_id=execution_id,
        is_attached=member.is_attached,
        decisions=_decisions(member),
        report=report,
    )


def _decisions(member: MemberState) -> list[str]:
    decisions = {
        "accepted although it is not up": member.accepted_by,
        "not started": member.skipped_by,
        "started before what it depends on": member.released_by,
    }
    return [
        f"{what}, by {each.actor} at {utc_timestamp(each.time)}"
        + (f": {each.reason}" if each.reason else "")
        for what, each in decisions.items()
        if each is not None
    ]


def _over_rto(members: list[ReportedMember]) -> list[str]:
    return [e.plan_name for e in members if e.report and e.report.rto.outcome in _OVER]


def _latest(times: list[MeasuredTime | None]) -> MeasuredTime | None:
    known = [each for each in times if each is not None]
    return max(known, key=lambda each: each.end_time, default=None)


def _verdict(state: PortfolioState, members: list[ReportedMember]) -> ReportVerdict:
    qualifications = list(_qualifications(state, members))
    praise = "every plan completed without a qualification"
    return ReportVerdict(
        status=state.status,
        is_unqualified=state.status is PlanStatus.COMPLETED and not qualifications,
        sentence=sentence_of(state.status, qualifications, praise),
        qualifications=qualifications,
    )


def _qualifications(
    state: PortfolioState, members: list[ReportedMember]
) -> Iterator[Qualification]:
    def names(found: list[ReportedMember]) -> list[str]:
        return [each.plan_name for each in found]

    def of_status(status: MemberStatus) -> list[str]:
        return names([each for each in members if each.status is status])

    yield from about(_Kind.FAILED_PLAN, of_status(MemberStatus.FAILED), "plan", "failed")
    yield from about(_Kind.CANCELLED_PLAN, of_status(MemberStatus.CANCELLED), "plan", "cancelled")
    yield from about(_Kind.SKIPPED_PLAN, of_status(MemberStatus.SKIPPED), "plan", "not started")
    partial = of_status(MemberStatus.PARTIAL)
    yield from about(_Kind.PARTIAL_PLAN, partial, "plan", "completed in part")
    decided = names([each for each in members if each.decisions])
    yield from about(_Kind.OVERRIDE, decided, "plan", "decided about by an operator")
    other = [each.plan_name for each in state.plans if each.runs_other_plan]
    after = "of which another version ran than was confirmed"
    yield from about(_Kind.OTHER_VERSION, other, "plan", after)
    unknown = names([e for e in members if e.report is None and e.execution_id is not None])
    yield from about(_Kind.UNKNOWN_PLAN, unknown, "plan", "whose execution is not recorded")
    reports = [(each.plan_name, each.report) for each in members if each.report is not None]
    yield from about(_Kind.OVER_RTO, _over_rto(members), "plan", "over the RTO")
    older = [name for name, each in reports if each.recovery_points.over_rpo]
    yield from about(_Kind.OVER_RPO, older, "plan", "with servers over the RPO")
    qualified = [
        each.plan_name
        for each in members
        if each.report is not None
        and each.status is MemberStatus.COMPLETED
        and not each.report.verdict.is_unqualified
    ]
    yield from about(_Kind.QUALIFIED_PLAN, qualified, "plan", "completed with qualifications")
