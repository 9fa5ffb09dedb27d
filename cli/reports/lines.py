"""A report as lines of text."""

from collections.abc import Sequence

from cli.render.tables import aligned
from recovery.execution.progress import SYMBOLS
from recovery.report.action_items import ActionItem
from recovery.report.model import ExecutionReport
from recovery.report.portfolio import PortfolioReport
from recovery.report.summary import PlanSummary
from recovery.steps.progress import STEP_SYMBOLS
from recovery.text_format import count, rounded_duration, running_duration, timestamp


def report_lines(report: ExecutionReport) -> list[str]:
    """The report of an execution."""
    plan, rto = report.plan, report.rto
    lines = [
        f"{report.execution_type} of {plan.plan_name} {report.status}, {report.execution_id}",
        report.verdict.sentence,
        *(
            f"  {each.text}: {', '.join(each.subjects)}"
            for each in report.verdict.qualifications
            if each.subjects
        ),
        *([] if report.is_over else ["It has not ended; these numbers may change."]),
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
            "" if wave.seconds is None else running_duration(wave.seconds),
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
    lines = [
        f"{report.execution_type} of portfolio {report.portfolio_name} {report.status}, "
        f"{report.execution_id}",
        report.verdict.sentence,
        *(f"  {each.text}: {', '.join(each.subjects)}" for each in report.verdict.qualifications),
        *([] if report.is_over else ["It has not ended; these numbers may change."]),
        "",
        f"Started by {report.started_by}, {timestamp(report.start_time)}",
        f"Measured from {timestamp(report.since)}",
    ]
    for what, time in (("All plans recovered", report.complete), ("Last server", report.launched)):
        took = "not reached" if time is None else f"after {rounded_duration(time.real_seconds)}"
        lines.append(f"{what}: {took}")
    rows = [
        (
            each.status,
            each.plan_name,
            "" if each.report is None else each.report.rto.text,
            each.execution_id or "",
        )
        for each in report.plans
    ]
    lines += ["", *aligned(rows, heading=("STATUS", "PLAN", "RTO", "EXECUTION"))]
    decisions = [f"{m.plan_name}: {line}" for m in report.plans for line in m.decisions]
    messages = [f"{m.name} by {m.actor}: {m.outcome}" for m in report.messages]
    for title, items in (
        ("Decisions", decisions),
        ("Messages", messages),
        ("Not tested", report.not_tested),
    ):
        if items:
            lines += ["", title, *(f"  {each}" for each in items)]
    if report.action_items:
        items = action_item_lines(report.action_items, report.generated_time)
        lines += ["", "Action items", *items]
    return lines


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
