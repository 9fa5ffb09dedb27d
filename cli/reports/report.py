"""`report` and `declare`: what an execution proved, from DynamoDB alone."""

import asyncio
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.validate import Json
from cli.input.completion import ExecutionId, complete_history, complete_plan
from cli.input.durations import parse_declared, parse_since, parse_time
from cli.input.executions import recorded_execution_id
from cli.render.output import notice, show, write_json
from cli.reports.lines import portfolio_lines, report_lines, summary_lines
from client.errors import NotRecordedError, RefusedError
from client.recoveries.chosen import recoveries
from recovery.report.declaration import Declaration
from recovery.report.html import file_html
from recovery.report.model import ExecutionReport
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary
from recovery.text_format import utc_timestamp, visible
from runtime.exit import CliError

_YEAR_SECONDS = 365 * 86_400.0
_Report = ExecutionReport | PlanSummary | PortfolioReport


class ReportFormat(StrEnum):
    """The formats of a report."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


def report(
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="An execution ID, of a plan or a portfolio; or a PlanId or PortfolioId, for its "
            "last execution.",
            autocompletion=complete_history,
        ),
    ] = None,
    *,
    plan_id: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="PLAN_ID",
            help="Instead of one execution: all of this plan.",
            autocompletion=complete_plan,
        ),
    ] = None,
    since: Annotated[
        float | None,
        typer.Option(
            metavar="DATE",
            parser=parse_since,
            help="With --plan: those that started since then. Default: a year ago.",
        ),
    ] = None,
    declared: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_time,
            help="Measure the RTO from this time, in this report only. `drs-waves declare` "
            "records it.",
        ),
    ] = None,
    kind: Annotated[
        ReportFormat | None,
        typer.Option("--format", case_sensitive=False, help="Default: text, or as --output ends."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it to this file.")
    ] = None,
    json: Json = False,
) -> None:
    """Report what an execution or a portfolio proved.

    It reads DynamoDB alone, so it works without Temporal. The HTML is one file
    that loads nothing and prints on A4.

    \b
    Examples:
      drs-waves report crm                             the plan's last execution
      drs-waves report crm-0f3b52a1c7d9 --output report.html
      drs-waves report crm-0f3b52a1c7d9 --declared 2026-11-26T13:40Z --json
      drs-waves report region-lost --output report.html   a portfolio, all plans
      drs-waves report --plan crm --since 2026-01-01
    \b
    Exit codes: 0 shown, 2 not known or bad input, 5 cannot reach AWS.
    """
    if (execution is None) is (plan_id is None):
        raise CliError("name one execution, or a plan with --plan")
    if plan_id is not None and declared is not None:
        raise CliError("--declared is about one execution; omit --plan")
    if plan_id is None and since is not None:
        raise CliError("--since needs --plan")
    chosen = _format(kind, output, json=json)
    found: _Report
    if execution is not None:
        found = asyncio.run(_report(execution, declared))
    else:
        start = time.time() - _YEAR_SECONDS if since is None else since
        found = asyncio.run(_summary(str(plan_id), start))
    if output is None and chosen is ReportFormat.JSON:
        write_json(found)
    elif output is None and chosen is ReportFormat.TEXT:
        show(*_lines(found))
    else:
        _write(_text(found, chosen), output)


def declare(
    execution: ExecutionId,
    moment: Annotated[
        float,
        typer.Option(
            "--at", metavar="TIME", parser=parse_declared, help="ISO 8601 with its zone, or -20m."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, or by whom; it is recorded.")] = "",
) -> None:
    """Record when the disaster, or the exercise, was declared.

    Reports measure the RTO from the declaration that was recorded last. Earlier
    ones stay in the history, each with who recorded it and when.

    \b
    Example:
      drs-waves declare crm-0f3b52a1c7d9 --at 2026-11-26T13:40Z --reason "call 4711"
    \b
    Exit codes: 0 recorded, 2 refused, 5 cannot reach AWS.
    """
    found = asyncio.run(_declare(execution, moment, reason))
    notice(f"Recorded: declared {utc_timestamp(found.time)}, by {found.actor}")


def _format(kind: ReportFormat | None, output: Path | None, *, json: bool) -> ReportFormat:
    if json and kind not in (None, ReportFormat.JSON):
        raise CliError(f"--json and --format {kind} contradict each other")
    if json or kind is not None:
        return kind or ReportFormat.JSON
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return next((each for each in ReportFormat if each == suffix), ReportFormat.TEXT)


def _lines(found: _Report) -> list[str]:
    if isinstance(found, PortfolioReport):
        return portfolio_lines(found)
    return report_lines(found) if isinstance(found, ExecutionReport) else summary_lines(found)


def _text(found: _Report, kind: ReportFormat) -> str:
    if kind is ReportFormat.HTML:
        return file_html(found)
    if kind is ReportFormat.JSON:
        return found.model_dump_json(exclude_none=True, indent=2) + "\n"
    return "".join(f"{visible(line)}\n" for line in _lines(found))


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror or error}") from error
    notice(f"Written to {output}")


async def _report(given: str, declared: float | None) -> ExecutionReport | PortfolioReport:
    async with recoveries() as known:
        try:
            execution_id = await recorded_execution_id(known, given)
        except RefusedError as unknown:
            try:
                return await known.reports.portfolio(given, declared)
            except NotRecordedError:
                raise unknown from None
        return await known.reports.report(execution_id, declared)


async def _summary(plan_id: str, since: float) -> PlanSummary:
    async with recoveries() as known:
        return await known.reports.summary(plan_id, since)


async def _declare(given: str, moment: float, reason: str) -> Declaration:
    async with recoveries() as known:
        execution_id = await recorded_execution_id(known, given)
        return await known.reports.declare(execution_id, moment, reason)
