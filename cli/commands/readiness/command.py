"""`readiness`: says which plans could be recovered now, and what is wrong with the others."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.validate import PLAN_ENDINGS, Json, read_all
from cli.input.completion import complete_plan
from cli.render.output import show, step, write_json
from cli.render.readiness import kind_lines, readiness_table, report_lines
from client.errors import RefusedError
from client.readiness.reports import report_of_check
from client.recoveries.chosen import recoveries
from client.recoveries.protocol import Recoveries
from recovery.operator.messages import nearest
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import FindingCode
from recovery.readiness.report import ReadinessReport, changed_first
from recovery.readiness.result import DAY_SECONDS
from recovery.readiness.verdict import ReadinessStatus
from recovery.text_format import count
from runtime.exit import CliError, ExitCode


def readiness(
    plans: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PLAN]...",
            help="PlanIds of registered plans, or plan files.",
            autocompletion=complete_plan,
        ),
    ] = None,
    all_plans: Annotated[bool, typer.Option("--all", help="All registered plans.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Look at them now; else show what is recorded.")
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Explain a kind of finding; look at nothing."),
    ] = None,
    json: Json = False,
) -> None:
    """Show whether plans could be recovered now, or why not.

    Registered plans are looked at regularly (ReadinessEvery of the plan), and
    what the last look found is shown; a plan that was not looked at for twice
    that time is STALE. A plan file is looked at now. Nothing is launched.

    \b
    Examples:
      drs-waves readiness --all
      drs-waves readiness crm --fresh
      drs-waves readiness crm.yaml
      drs-waves readiness --explain RPO_EXCEEDED
    \b
    Exit codes: 0 all are READY, 1 one is NOT_READY, UNKNOWN or STALE, or none
    is registered, 2 a plan is not registered or wrong, 5 Temporal or AWS cannot
    be reached.
    """
    if explain is not None:
        _explain(explain)
        return
    if bool(plans) == all_plans:
        raise CliError("name plans, or pass --all" + "; not both" * all_plans)
    files = {name: read_all([Path(name)])[0].plan for name in plans or [] if Path(name).is_file()}
    reports = asyncio.run(_reports(plans or [], files, fresh=fresh))
    if json:
        write_json(reports)
    else:
        _show(reports, all_plans=all_plans)
    # Nothing is ready where nothing is registered: it may be another table than was meant.
    is_ready = bool(reports) and all(each.status is ReadinessStatus.READY for each in reports)
    raise typer.Exit(ExitCode.COMPLETED if is_ready else ExitCode.FAILED)


def _explain(code: str) -> None:
    try:
        show(*kind_lines(code.upper()))
    except KeyError:
        raise CliError(
            f"there is no finding {code!r}; {nearest(code.upper(), sorted(FindingCode))}"
        ) from None


async def _reports(
    plans: Sequence[str], files: Mapping[str, RecoveryPlan], *, fresh: bool
) -> list[ReadinessReport]:
    """The reports of plans, in their order; of all registered ones if none is named."""
    async with recoveries() as known:
        if not plans and not fresh:
            rows = await known.readiness_rows()
            return [ReadinessReport.model_validate(row.model_dump()) for row in rows]
        named = plans or [each.plan_id for each in await known.registered()]
        with step(f"Looking at {count(len(named), 'plan')}"):
            return [await _report(known, each, files.get(each), fresh=fresh) for each in named]


async def _report(
    known: Recoveries, named: str, plan: RecoveryPlan | None, *, fresh: bool
) -> ReadinessReport:
    if plan is None:
        try:
            return await known.readiness_report(named, is_fresh=fresh)
        except RefusedError as error:
            if Path(named).suffix not in PLAN_ENDINGS:
                raise
            raise CliError(f"there is no plan file {named}; and {error.text}") from None
    return report_of_check(plan, await known.check_readiness(plan))


def _show(reports: Sequence[ReadinessReport], *, all_plans: bool) -> None:
    now = time.time()
    if not reports:
        show("No plan is registered. `drs-waves register FILE` registers one.")
    elif all_plans or len(reports) > 1:
        show(*readiness_table(changed_first(reports, now - DAY_SECONDS), now=now))
    for report in [] if all_plans else reports:
        show("", *report_lines(report))
