"""Shows what is known of the readiness of plans."""

import textwrap
from collections.abc import Sequence

from cli.render.cells import fit, wrapped
from cli.render.tables import aligned
from recovery.execution.server import server_label
from recovery.readiness.affected import merged
from recovery.readiness.finding import Finding
from recovery.readiness.finding_kinds import FINDING_KINDS
from recovery.readiness.report import ReadinessReport, ReadinessRow
from recovery.text_format import count, rounded_duration, timestamp

_INDENT = "  "
_WIDTH = 80
_DAYS_SHOWN = 14


def readiness_table(rows: Sequence[ReadinessRow], *, now: float) -> list[str]:
    """List plans, a line each, with the worst finding of each below it."""
    cells = [
        (
            fit(row.plan_id, 24),
            row.status,
            _looked_at(row, now),
            _counts(row),
        )
        for row in rows
    ]
    heading, *lines = aligned(cells, heading=("PLAN", "READINESS", "LOOKED AT", "FINDINGS"))
    shown = [heading]
    for row, line in zip(rows, lines, strict=True):
        shown += [line, *(wrapped(row.reason, _WIDTH, indent=_INDENT) if row.reason else [])]
    return shown


def report_lines(report: ReadinessReport) -> list[str]:
    """Show the findings of a plan, the worst first, with evidence and what to do."""
    lines = [f"{report.plan_name} ({report.plan_id}) is {report.status}"]
    if report.looked_time is None:
        return [*lines, f"{_INDENT}{report.reason}; `--fresh` looks at it now"]
    since = f", {report.status} since {timestamp(report.since)}" if report.since is not None else ""
    lines.append(f"{_INDENT}Looked at {timestamp(report.looked_time)}{since}")
    if report.worst_lag is not None:
        lag = report.worst_lag
        worst = f"{rounded_duration(lag.seconds)} of {lag.source_server_id}"
        lines.append(f"{_INDENT}Worst lag {worst}")
    if report.lag_of_days:
        days = list(report.lag_of_days.items())[-_DAYS_SHOWN:]
        trend = ", ".join(f"{day[5:]} {rounded_duration(lag)}" for day, lag in days)
        lines += wrapped(f"Worst lag of each day: {trend}", _WIDTH, indent=_INDENT)
    for finding in merged(report.findings):
        lines += ["", *_finding_lines(finding)]
    if report.left_out:
        lines += ["", f"and {count(report.left_out, 'more finding')}"]
    return lines


def kind_lines(kind_code: str) -> list[str]:
    """Explain a kind of finding.

    Raises:
        KeyError: there is no such kind.
    """
    kind = {code.value: each for code, each in FINDING_KINDS.items()}[kind_code]
    effects = [kind.severity.value]
    effects += ["the server it names is not launched"] * kind.prevents_launch
    effects += ["a drill is refused"] * kind.refuses_drill
    return [
        f"{kind.code}: {kind.title}",
        f"{_INDENT}{', '.join(effects)}",
        *textwrap.wrap(kind.meaning, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT),
        *textwrap.wrap(kind.action, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT),
    ]


def _finding_lines(finding: Finding) -> list[str]:
    server = finding.source_server_id
    where = [finding.region or "", finding.account_id or ""]
    about = [server_label(server, finding.server_name)] if server is not None else []
    head = "  ".join([finding.severity, finding.code, *about, *filter(None, where)])
    lines = [f"{_INDENT}{head}", *wrapped(finding.message, _WIDTH, indent=_INDENT * 2)]
    if finding.read_time is not None:
        lines.append(f"{_INDENT * 2}Read {timestamp(finding.read_time)}")
    # What the message says already is not said again.
    items = [(n, value) for n, value in finding.evidence.items() if value not in finding.message]
    evidence = ", ".join(f"{name} {value}" for name, value in items)
    if evidence:
        lines += wrapped(f"Evidence: {evidence}", _WIDTH, indent=_INDENT * 2)
    kind = FINDING_KINDS.get(finding.code)
    return [*lines, *(wrapped(kind.action, _WIDTH, indent=_INDENT * 2) if kind else [])]


def _looked_at(row: ReadinessRow, now: float) -> str:
    if row.looked_time is None:
        return "never"
    return f"{rounded_duration(now - row.looked_time)} ago"


def _counts(row: ReadinessRow) -> str:
    named = ((row.blocks, "BLOCKS"), (row.unknown, "UNKNOWN"), (row.warns, "WARNS"))
    return ", ".join(f"{number} {name}" for number, name in named if number) or "-"
