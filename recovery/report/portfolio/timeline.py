"""The timeline of a portfolio's report: a row a plan."""

from recovery.report.portfolio.model import PortfolioReport, ReportedMember
from recovery.report.timeline import Picture, Row, Scale


def portfolio_picture(report: PortfolioReport) -> Picture:
    """The timeline of a portfolio."""
    now = report.end_time if report.end_time is not None else report.generated_time
    ends = [each.end_time for each in report.plans if each.end_time is not None]
    scale = Scale(since=report.since, end=max([now, *ends]), speed=report.sandbox_speed)

    def row(plan: ReportedMember, number: int) -> Row:
        bars = []
        if plan.start_time is not None:
            if plan.start_time > report.start_time:
                text = ", ".join(plan.depends_on)
                waits = f"after {text}" if text else "not started yet"
                bars.append(scale.bar("waits", "", report.start_time, plan.start_time, waits))
            end = now if plan.end_time is None else plan.end_time
            bars.append(scale.bar("runs", plan.status, plan.start_time, end, plan.status))
            if plan.rto is not None and plan.rto.launched is not None:
                last = plan.rto.launched.end_time
                bars.append(scale.bar("step", "", last, last, "last server launched"))
        return Row(plan.plan_name, plan.status, tuple(bars), f"plan-{number}")

    return Picture(
        rows=tuple(row(each, number) for number, each in enumerate(report.plans, 1)),
        ticks=scale.ticks,
        start=scale.at(report.start_time),
    )
