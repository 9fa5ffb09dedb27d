"""Makes the report of a portfolio from what is recorded of it and of its plans' executions."""

from collections.abc import Callable, Iterator, Sequence

from recovery.execution.state import ExecutionType
from recovery.portfolio.state import MemberState, MemberStatus, PortfolioState
from recovery.report.action_items import by_due
from recovery.report.builder import execution_report
from recovery.report.declaration import measured_from
from recovery.report.model import (
    DecisionAct,
    ExecutionReport,
    MeasuredTime,
    Qualification,
    QualificationKind,
    ReportedDecision,
    ReportVerdict,
)
from recovery.report.portfolio.model import PortfolioRecord, PortfolioReport, ReportedMember
from recovery.report.verdict import found, verdict
from recovery.text_format import utc_timestamp

_Kind = QualificationKind


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
    since, kind = measured_from(
        state.start_time, state.declared_time, record.declarations, declared
    )
    reports = {
        execution_id: execution_report(each, now=now, declared=since)
        for execution_id, each in record.executions.items()
    }
    plans = [_member(each, reports.get(each.current_execution_id or "")) for each in state.plans]
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
        from_execution=state.from_execution,
        point_in_time=state.point_in_time,
        sandbox_speed=state.speed if state.speed != 1 else None,
        method=_method(state),
        since=since,
        measured_from=kind,
        declarations=record.declarations,
        launched=_latest([each.rto.launched for each in plans if each.rto]),
        complete=_complete(plans),
        verdict=_verdict(state, plans),
        plans=plans,
        messages=state.messages,
        action_items=by_due([item for each in reports.values() for item in each.action_items]),
    )


def _member(member: MemberState, report: ExecutionReport | None) -> ReportedMember:
    seen = member.report
    about_member = ReportedMember(
        plan_id=member.plan_id,
        plan_name=member.plan_name,
        status=member.status,
        status_reason=member.status_reason,
        depends_on=[str(each) for each in member.depends_on],
        execution_id=member.current_execution_id,
        is_attached=member.is_attached,
        start_time=seen.start_time if seen else None,
        end_time=seen.end_time if seen else None,
        waves=member.waves,
        servers=member.servers,
        servers_launched=seen.servers_up if seen else 0,
        decisions=list(_decisions(member)),
    )
    if report is None:
        return about_member
    return about_member.model_copy(
        update={
            "is_recorded": True,
            "start_time": report.start_time,
            "end_time": report.end_time,
            "waves": len(report.waves),
            "servers": report.method.servers,
            "servers_launched": sum(wave.launched for wave in report.waves),
            "verdict": report.verdict,
            "rto": report.rto,
            "recovery_points": report.recovery_points,
            "decisions": about_member.decisions + report.decisions,
            "not_tested": report.not_tested,
            "problems": report.problems,
            "open_action_items": sum(item.is_open for item in report.action_items),
        }
    )


def _decisions(member: MemberState) -> Iterator[ReportedDecision]:
    for act, by, text in (
        (DecisionAct.SKIPPED_PLAN, member.skipped_by, "not started, by decision"),
        (DecisionAct.STARTED_PLAN, member.released_by, "started, whatever it depends on"),
        (DecisionAct.ACCEPTED_PLAN, member.accepted_by, f"accepted as {member.status}"),
    ):
        if by is not None:
            yield ReportedDecision(
                act=act,
                subject="the plan",
                actor=by.actor,
                time=by.time,
                reason=by.reason,
                text=text,
                break_glass=by.break_glass,
            )


def _latest(times: Sequence[MeasuredTime | None]) -> MeasuredTime | None:
    known = [each for each in times if each is not None]
    return max(known, key=lambda each: each.end_time, default=None)


def _complete(plans: Sequence[ReportedMember]) -> MeasuredTime | None:
    """To the end of the last plan; None unless every plan came up and is recorded."""
    ends = [each.rto.complete if each.rto else None for each in plans]
    return _latest(ends) if None not in ends else None


def _method(state: PortfolioState) -> list[str]:
    is_recovery = state.execution_type is ExecutionType.RECOVERY
    lines = ["A real recovery of many plans" if is_recovery else "A drill of many plans"]
    if state.point_in_time is None:
        lines.append("With the latest data, or the snapshots that the plans name")
    else:
        lines.append(f"To a point in time: {utc_timestamp(state.point_in_time.time)}")
    if state.from_execution is not None:
        lines.append(f"It continued {state.from_execution}, and kept what was up")
    if state.speed != 1:
        lines.append(
            f"In a SANDBOX, {state.speed:g} times as fast as DRS: a simulation, no evidence about "
            "real servers"
        )
    return lines


def _verdict(state: PortfolioState, plans: Sequence[ReportedMember]) -> ReportVerdict:
    qualifications = list(_qualifications(state, plans))
    return verdict(state.status, qualifications, is_over=state.is_over, of="plan")


def _qualifications(
    state: PortfolioState, plans: Sequence[ReportedMember]
) -> Iterator[Qualification]:
    def named(matches: Callable[[ReportedMember], bool]) -> list[str]:
        return [each.plan_name for each in plans if matches(each)]

    failed = named(lambda p: p.status is MemberStatus.FAILED)
    yield from found(_Kind.FAILED_PLAN, failed, "plan", "failed")
    cancelled = named(lambda p: p.status is MemberStatus.CANCELLED)
    yield from found(_Kind.CANCELLED_PLAN, cancelled, "plan", "cancelled")
    not_started = [
        f"{each.plan_name} ({each.status_reason})" if each.status_reason else each.plan_name
        for each in plans
        if each.execution_id is None
    ]
    yield from found(_Kind.NOT_STARTED_PLAN, not_started, "plan", "not started")
    is_open = named(lambda p: p.execution_id is not None and not p.status.is_settled)
    yield from found(_Kind.OPEN_PLAN, is_open, "plan", "not ended")
    overridden = [
        f"{each.plan_name}: {decision.sentence}"
        for each in plans
        for decision in each.decisions
        if decision.act in _OVERRIDES
    ]
    yield from found(_Kind.OVERRIDE, overridden, "override", "of plans by operators")
    glass = [m.name for m in state.messages if m.accepted and m.break_glass is not None]
    yield from found(_Kind.BREAK_GLASS, glass, "act", "by break-glass")
    attached = named(lambda p: p.is_attached)
    after = "run by an execution that the portfolio did not start"
    yield from found(_Kind.FOLLOWED_PLAN, attached, "plan", after)
    unrecorded = named(lambda p: p.execution_id is not None and not p.is_recorded)
    yield from found(_Kind.UNRECORDED_PLAN, unrecorded, "plan", "not in the history")
    late = [
        f"{each.plan_name}: {one.text}"
        for each in plans
        for one in _own(each)
        if one.kind is _Kind.OVER_RTO
    ]
    yield from found(_Kind.OVER_RTO, late, "plan", "not within the RTO")
    others = [
        f"{each.plan_name}: {'; '.join(texts)}"
        for each in plans
        if (texts := [one.text for one in _own(each) if one.kind is not _Kind.OVER_RTO])
    ]
    yield from found(_Kind.QUALIFIED_PLAN, others, "plan", "with qualifications in its own report")


def _own(plan: ReportedMember) -> list[Qualification]:
    return [] if plan.verdict is None else plan.verdict.qualifications


_OVERRIDES = (DecisionAct.SKIPPED_PLAN, DecisionAct.STARTED_PLAN, DecisionAct.ACCEPTED_PLAN)
