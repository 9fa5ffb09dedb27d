"""A portfolio as text: the confirmation, and the screen that shows what needs a person first.

Tested in tests/cli/commands/portfolio/.
"""

from collections.abc import Mapping, Sequence

from cli.render.cells import fit, pad, wrapped
from cli.render.tables import aligned
from contract.readiness import Readiness
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.forecast.report import ForecastReport
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.state import (
    MemberState,
    MemberStatus,
    PortfolioState,
    attention,
    by_urgency,
)
from recovery.readiness.finding import Severity
from recovery.text_format import (
    clock_time,
    count,
    listed,
    rounded_duration,
    running_duration,
    timestamp,
)

SYMBOLS = {
    MemberStatus.PENDING: "·",
    MemberStatus.WAITING: "…",
    MemberStatus.IN_PROGRESS: "▶",
    MemberStatus.PAUSED: "‖",
    MemberStatus.COMPLETED: "✓",
    MemberStatus.PARTIAL: "◐",
    MemberStatus.FAILED: "✗",
    MemberStatus.CANCELLED: "■",
    MemberStatus.SKIPPED: "↷",
}
_ATTENTION_SHOWN = 10
_MIN_PLANS = 5


def readiness_text(readiness: Readiness | None) -> str:
    """The readiness of a plan, in a few words."""
    if readiness is None:
        return "readiness not known"
    if mismatch := [t for t in readiness.context.targets if t.mismatch]:
        return f"NOTHING can be launched in {mismatch[0].region}: {mismatch[0].error or ''}"
    worst = [f for f in readiness.findings if f.severity is not Severity.WARNS]
    if worst:
        servers = {f.source_server_id for f in worst if f.source_server_id}
        what = f"{count(len(servers), 'server')}: " if servers else ""
        return f"{readiness.status}: {what}{worst[0].message}"
    if readiness.findings:
        return f"ready, {count(len(readiness.findings), 'warning')}"
    return "ready"


def target_lines(
    plans: Sequence[RecoveryPlan], readiness: Mapping[str, Readiness | None]
) -> list[str]:
    """By account and Region, as the worker sees them, how much is launched there."""
    totals: dict[tuple[str, str, str], list[int]] = {}
    for plan in plans:
        found = readiness.get(plan.plan_id)
        seen = {(t.region, t.role_arn): t for t in found.context.targets} if found else {}
        for target in plan.targets:
            context = seen.get((target.region, target.role_arn))
            account = (context and context.account_id) or target.account_id or "account not known"
            key = (account, target.region, context.endpoint if context else "")
            total = totals.setdefault(key, [0, 0])
            total[0] += 1
            total[1] += sum(len(w.servers) for w in plan.waves if w.target == target)
    rows = [
        (account, region, count(plans_in, "plan"), count(servers, "server"), endpoint)
        for (account, region, endpoint), (plans_in, servers) in totals.items()
    ]
    return aligned(rows, heading=("ACCOUNT", "REGION", "PLANS", "SERVERS", "ENDPOINT"))


def plan_lines(
    plans: Sequence[RecoveryPlan],
    depends_on: Mapping[str, Sequence[str]],
    expected: ForecastReport,
    readiness: Mapping[str, Readiness | None],
) -> list[str]:
    """Each plan, with its forecast, what it waits for and its readiness."""
    by_plan = {each.plan_id: each for each in expected.plans}
    rows = []
    for plan in plans:
        seconds = by_plan[plan.plan_id].seconds_at_once
        over = plan.rto is not None and seconds > plan.rto * 60.0
        rto = "" if plan.rto is None else f"RTO {plan.rto} min{' MISSED' if over else ''}"
        waits = f"after {listed(depends_on[plan.plan_id], shown=3)}; " * bool(
            depends_on[plan.plan_id]
        )
        rows.append(
            (
                fit(plan.plan_name, 24),
                str(plan.server_count),
                rounded_duration(seconds),
                rto,
                fit(waits + readiness_text(readiness.get(plan.plan_id)), 70),
            )
        )
    return aligned(rows, heading=("PLAN", "SERVERS", "UP AFTER", "", ""))


def portfolio_lines(
    state: PortfolioState, *, now: float, width: int, height: int | None = None
) -> list[str]:
    """The screen of a portfolio: what needs a person first, then its plans.

    Args:
        state: the portfolio.
        now: epoch seconds.
        width: in cells.
        height: in lines, of which none more are used; None: all plans.
    """
    lines = _heading(state, now=now, width=width)
    needs = [] if state.is_over else attention(state, now=now)
    if needs:
        lines += ["", f"NEEDS A PERSON ({len(needs)})"]
        for each in needs[:_ATTENTION_SHOWN]:
            due = f" (until {clock_time(each.due)})" if each.due is not None else ""
            lines.append(fit(f"  {each.plan_name}: {each.text}{due}", width))
            lines.append(fit(f"    {each.command}", width))
        if len(needs) > _ATTENTION_SHOWN:
            lines.append(f"  and {len(needs) - _ATTENTION_SHOWN} more: drs-waves decisions")
    lines.append("")
    members = by_urgency(state)
    room = len(members) if height is None else max(_MIN_PLANS, height - len(lines) - 1)
    shown = members if len(members) <= room else members[: room - 1]
    lines += [_member_line(state, each, now=now, width=width) for each in shown]
    if hidden := members[len(shown) :]:
        counts = {s: sum(m.status is s for m in hidden) for s in MemberStatus}
        rest = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
        lines.append(f"  and {len(hidden)} more: {rest}")
    return lines


def _heading(state: PortfolioState, *, now: float, width: int) -> list[str]:
    kind = "RECOVERY" if state.execution_type is ExecutionType.RECOVERY else "DRILL"
    elapsed = running_duration((state.end_time or now) - state.start_time)
    lines = [
        fit(
            f"{state.portfolio_name} ({state.execution_id})  {kind} {state.status}  {elapsed}",
            width,
        )
    ]
    servers = sum(each.servers for each in state.plans)
    up = sum(each.report.servers_up for each in state.plans if each.report)
    facts = f"{count(len(state.plans), 'plan')}: {state.counts_text}; {up} of {servers} servers up"
    if outlook := state.outlook(now=now):
        facts += f"; {outlook}"
    if state.declared_time is not None:
        facts += f"; RTOs count from {timestamp(state.declared_time)}"
    lines += wrapped(facts, width)
    if state.status_reason and (state.is_over or state.status is PlanStatus.PAUSED):
        lines += wrapped(state.status_reason, width)
    for problem in state.notification_problems:
        lines += wrapped(f"warning: {problem.text}", width)
    if state.outdated_reason:
        lines += wrapped(f"LAST KNOWN STATE: {state.outdated_reason}", width)
    return lines


def _member_line(state: PortfolioState, member: MemberState, *, now: float, width: int) -> str:
    report = member.report
    progress = ""
    if report is not None:
        progress = f"{report.servers_up}/{report.servers}"
        if member.expected_time is not None and not state.outdated_reason:
            progress += f" ~{rounded_duration(max(0.0, member.expected_time - now))}"
    rto = "" if member.rto is None else f"RTO {member.rto}m"
    by = f"; accepted by {member.accepted_by}" if member.accepted_by else ""
    reason = "" if member.status is MemberStatus.COMPLETED else member.status_reason
    head = f"{SYMBOLS[member.status]} {pad(member.plan_name, 22)} {pad(member.status, 12)}"
    return fit(f"{head}{pad(progress, 14)}{pad(rto, 9)}{reason}{by}".rstrip(), width)
