"""A report as lines of text."""

from collections.abc import Sequence

from cli.render.tables import aligned
from recovery.execution.progress import SYMBOLS
from recovery.report.action_items import ActionItem
from recovery.report.model import ExecutionReport, ReportVerdict
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary
from recovery.steps.progress import STEP_SYMBOLS
from recovery.text_format import count, rounded_duration, running_duration, timestamp


def report_lines(report: ExecutionReport) -> list[str]:
    """The report of an execution."""
    plan, rto, speed = report.plan, report.rto, report.method.sandbox_speed or 1.0
    lines = [
        f"{report.execution_type} of {plan.plan_name} {report.status}, {report.execution_id}",
        *_verdict_lines(report.verdict, is_over=report.is_over),
        "",
        *(f"{each}." for each in report.method.text),
        f"Started by {report.started_by}, {timestamp(report.start_time)}",
        f"Measured from {timestamp(rto.since)}, {rto.measured_from.text}",
        f"Plan {plan.plan_id}, {_versions(plan.versions)}, hash {plan.plan_hash}",
        *([report.approvals] if report.approvals else []),
        "",
        rto.text[:1].upper() + rto.text[1:],
    ]
    if rto.launched is not None:
        lines.append(f"Last server launched after {rounded_duration(rto.launched.real_seconds)}")
    lines += report.recovery_points.lines
    rows = [
        (
            f"{SYMBOLS[wave.status]} {wave.status}",
            wave.wave_name,
            f"{wave.launched}/{len(wave.servers)}" if wave.servers else "steps",
            "" if wave.start_time is None else timestamp(wave.start_time)[11:],
            "" if wave.seconds is None else running_duration(wave.seconds * speed),
            "; ".join(wave.waits),
        )
        for wave in report.waves
    ]
    lines += ["", *aligned(rows, heading=_WAVES)]
    if steps := [(wave.wave_name, step) for wave in report.waves for step in wave.steps]:
        lines += ["", "Steps"]
        lines += [
            f"  {STEP_SYMBOLS[s.status]} {s.status}  {name} / {s.step_id}  {s.notes}".rstrip()
            for name, s in steps
        ]
    for title, items in (
        ("Decisions", [each.sentence for each in report.decisions]),
        ("Messages", [f"{m.name} by {m.sender}: {m.outcome}" for m in report.messages]),
        ("Isolation", report.isolation),
        ("Problems", report.problems),
    ):
        if items:
            lines += ["", title, *(f"  {each}" for each in items)]
    cleanup = report.cleanup
    left = "" if cleanup is None else f"{cleanup.status}, {len(cleanup.leftovers)} left"
    lines += ["", f"Clean-up: {left or 'none is recorded'}"]
    if report.action_items:
        lines += [
            "",
            "Action items",
            *action_item_lines(report.action_items, report.generated_time),
        ]
    return lines


def portfolio_lines(report: PortfolioReport) -> list[str]:
    """The report of a portfolio."""
    rows = [
        (
            plan.status,
            plan.plan_name,
            f"{plan.servers_launched}/{plan.servers}",
            ""
            if plan.rto is None or plan.rto.complete is None
            else rounded_duration(plan.rto.complete.real_seconds),
            "" if plan.rto is None else plan.rto.outcome,
            str(len(plan.not_tested)),
            plan.execution_id or "not started",
        )
        for plan in report.plans
    ]
    lines = [
        f"{report.execution_type} of {report.portfolio_name} {report.status}, "
        f"{report.execution_id}",
        *_verdict_lines(report.verdict, is_over=report.is_over),
        "",
        *(f"{each}." for each in report.method),
        f"Started by {report.started_by}, {timestamp(report.start_time)}",
        f"Measured from {timestamp(report.since)}, {report.measured_from.text}",
    ]
    for time, text in (
        (report.complete, "Every plan up after"),
        (report.launched, "Last server launched after"),
    ):
        if time is not None:
            lines.append(f"{text} {rounded_duration(time.real_seconds)}")
    lines += ["", *aligned(rows, heading=_PLANS)]
    for title, items in (
        (
            "Recovery points",
            [
                f"{p.plan_name}: {line}"
                for p in report.plans
                if p.recovery_points
                for line in p.recovery_points.lines
            ],
        ),
        ("Not tested", [f"{p.plan_name}: {each}" for p in report.plans for each in p.not_tested]),
        ("Decisions", [f"{p.plan_name}: {d.sentence}" for p in report.plans for d in p.decisions]),
        (
            "Messages to the portfolio",
            [f"{m.name} by {m.actor}: {m.outcome}" for m in report.messages],
        ),
    ):
        if items:
            lines += ["", title, *(f"  {each}" for each in items)]
    if report.action_items:
        items = action_item_lines(report.action_items, report.generated_time, with_execution=True)
        lines += ["", "Action items", *items]
    return lines


_PLANS = ("STATUS", "PLAN", "LAUNCHED", "RECOVERED IN", "RTO", "NOT TESTED", "EXECUTION")


def _verdict_lines(verdict: ReportVerdict, *, is_over: bool) -> list[str]:
    return [
        verdict.sentence,
        *(
            f"  {each.text}: {', '.join(each.subjects)}"
            for each in verdict.qualifications
            if each.subjects
        ),
        *([] if is_over else ["It has not ended; these numbers may change."]),
    ]


_WAVES = ("STATUS", "WAVE", "LAUNCHED", "ACCEPTED", "TOOK", "WAITED")


def _versions(versions: Sequence[int] | None) -> str:
    if versions is None:
        return "versions could not be read"
    listed = ", ".join(map(str, versions))
    return f"registered as version {listed}" if listed else "not registered"


def action_item_lines(
    items: Sequence[ActionItem], now: float, *, with_execution: bool = False
) -> list[str]:
    """Action items, a line each. `now` is in epoch seconds."""
    rows = [
        (
            *([item.execution_id] if with_execution else []),
            str(item.number),
            item.due.isoformat(),
            item.state(now=now),
            item.owner,
            item.text,
        )
        for item in items
    ]
    heading = ("NO.", "DUE", "STATE", "OWNER", "WHAT")
    return aligned(rows, heading=("EXECUTION", *heading) if with_execution else heading)


def summary_lines(summary: PlanSummary) -> list[str]:
    """A plan over time."""
    if not summary.executions:
        since = timestamp(summary.since)
        return [f"No execution of {summary.plan_id} is recorded since {since}."]
    rows = [
        (
            timestamp(each.start_time),
            each.execution_type,
            each.status,
            "not reached" if each.real_seconds is None else rounded_duration(each.real_seconds),
            each.rto_outcome,
            "unknown"
            if each.worst_point_seconds is None
            else rounded_duration(each.worst_point_seconds),
            str(each.overrides),
            str(each.not_tested),
            str(each.open_action_items),
            each.execution_id,
        )
        for each in summary.executions
    ]
    lines = [*aligned(rows, heading=_SUMMARY), "", *summary.trend]
    if summary.omitted:
        lines.append(f"{count(summary.omitted, 'earlier execution')} left out")
    if summary.open_action_items:
        now = summary.generated_time
        items = action_item_lines(summary.open_action_items, now, with_execution=True)
        lines += ["", "Open action items", *items]
    return lines


_SUMMARY = ("STARTED", "KIND", "STATUS", "RECOVERED IN", "RTO", "OLDEST POINT", "OVERRIDES",
            "NOT TESTED", "OPEN ITEMS", "EXECUTION")  # fmt: skip
