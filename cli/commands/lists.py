"""`plans` and `executions`: lists from Temporal and DynamoDB, what runs first."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.commands.validate import Json
from cli.input.completion import complete_plan
from cli.render.output import show, warn, write_json
from cli.render.tables import execution_table, plan_table
from client.overview import MAX_ROWS, ExecutionRow, Overview, known_plans
from client.recoveries.chosen import recoveries
from recovery.execution.state import PlanStatus
from recovery.readiness.report import ReadinessRow
from storage.plans import PlanTableError, PlanVersion


def plans(json: Json = False) -> None:
    """List all plans, each with its last execution.

    A plan is listed if it is registered, is running or has run.

    \b
    Exit codes: 0 shown, 5 neither Temporal nor AWS can be reached.
    """
    rows = _load_overview().latest_of_plans
    registered, readiness = asyncio.run(_registered())
    found = known_plans(rows, registered, readiness)
    if json:
        write_json(found)
    elif found:
        show(*plan_table(found))
    else:
        show("No plan is registered or has run. `drs-waves run PLAN` starts a drill.")


def executions(
    plan_id: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="PLAN_ID",
            help="Only executions of this plan.",
            autocompletion=complete_plan,
        ),
    ] = None,
    state: Annotated[
        PlanStatus | None,
        typer.Option(
            case_sensitive=False, help="Only executions with this status.", metavar="STATUS"
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="List at most this many.")] = 20,
    json: Json = False,
) -> None:
    """List executions, the running ones first.

    \b
    Examples:
      drs-waves executions
      drs-waves executions --plan crm --state failed
    \b
    Exit codes: 0 shown, 5 neither Temporal nor AWS can be reached.
    """
    rows = _load_overview(plan_id=plan_id, state=state, limit=limit).rows
    show_executions(rows, "No execution was found.", json=json)


def show_executions(
    rows: Sequence[ExecutionRow], empty: str, *, by_plan: bool = False, json: bool
) -> None:
    """Print a list of executions, or the text `empty` if there are none."""
    if json:
        write_json(rows)
    else:
        show(*(execution_table(rows, by_plan=by_plan) if rows else [empty]))


def _load_overview(
    plan_id: str | None = None, state: PlanStatus | None = None, limit: int = MAX_ROWS
) -> Overview:
    """Load what Temporal and DynamoDB know; print a warning if one of them is unreachable."""
    loaded = asyncio.run(_overview(plan_id, state, limit))
    for warning in loaded.warnings:
        warn(warning)
    return loaded


async def _overview(plan_id: str | None, state: PlanStatus | None, limit: int) -> Overview:
    async with recoveries() as known:
        return await known.executions(plan_id=plan_id, state=state, limit=limit)


async def _registered() -> tuple[list[PlanVersion], list[ReadinessRow]]:
    """The registered plans and their readiness; none, with a warning, if they cannot be read."""
    try:
        async with recoveries() as known:
            return await known.registered(), await known.readiness_rows()
    except PlanTableError as error:
        warn(f"the registered plans cannot be read: {error}")
        return [], []
