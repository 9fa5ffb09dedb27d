"""`plans` and `executions`: what there is, running first, from Temporal and from DynamoDB."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from temporalio.service import RPCError

from activities.history import HistoryError, HistoryTable
from cli.completion import RUNNING, complete_plan
from cli.errors import CliError, ExitCode
from cli.output import plain, show, warn, write_json
from cli.plans import Json
from cli.tables import aligned
from cli.texts import fit
from recovery.execution import ExecutionState, PlanStatus
from recovery.model import Model
from recovery.wording import about, moment
from settings import get_settings
from workflows.client import RecoveryClient, UnreachableError
from workflows.messages import EXECUTION_ID_KEY, EXECUTION_TYPE_KEY, PLAN_ID_KEY, STATUS_KEY

_RPC = timedelta(seconds=10)
_MOST = 1000
_AWAY = (UnreachableError, RPCError, HistoryError)
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)


class ExecutionRow(Model):
    """An execution in a list.

    Attributes:
        running: whether Temporal says that it runs; None where Temporal could not be asked.
    """

    execution_id: str
    plan_id: str
    plan_name: str | None = None
    execution_type: str = ""
    status: str
    running: bool | None = None
    started_by: str | None = None
    start_time: float
    end_time: float | None = None


def plans(json: Json = False) -> None:
    """List the plans that run or have run, each with its last execution.

    \b
    Exit codes: 0 shown, 5 neither Temporal nor AWS can be reached.
    """
    latest: dict[str, ExecutionRow] = {}
    for row in asyncio.run(_rows(None)):
        latest.setdefault(row.plan_id, row)
    rows = list(latest.values())
    if json:
        write_json([plain(row) for row in rows])
        return
    _show(
        [(fit(row.plan_id, 24), row.execution_id, *_cells(row)) for row in rows],
        ("PLAN", "LAST EXECUTION", "STATUS", "TYPE", "STARTED", "TOOK", ""),
        "No plan has run yet. `drs-waves run PLAN` starts a drill.",
    )


def executions(
    plan_id: Annotated[
        str | None,
        typer.Option(
            "--plan", metavar="PLAN_ID", help="Only this plan's.", autocompletion=complete_plan
        ),
    ] = None,
    state: Annotated[
        PlanStatus | None,
        typer.Option(case_sensitive=False, help="Only those in this state.", metavar="STATUS"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="List at most so many.")] = 20,
    json: Json = False,
) -> None:
    """List executions, those that run first.

    \b
    Examples:
      drs-waves executions
      drs-waves executions --plan crm --state failed
    \b
    Exit codes: 0 shown, 5 neither Temporal nor AWS can be reached.
    """
    found = asyncio.run(_rows(plan_id, limit=_MOST if state else limit))
    rows = [row for row in found if state is None or row.status == state][:limit]
    if json:
        write_json([plain(row) for row in rows])
        return
    _show(
        [(row.execution_id, *_cells(row)) for row in rows],
        ("EXECUTION", "STATUS", "TYPE", "STARTED", "TOOK", ""),
        "None of those that could be looked at.",
    )


def merged(
    running: Sequence[ExecutionRow] | None, recorded: Sequence[ExecutionState]
) -> list[ExecutionRow]:
    """What runs, then what is recorded, each execution once and the newest first.

    Args:
        running: what Temporal says runs; None where it could not be asked.
        recorded: what the history holds.
    """
    live = {row.execution_id: row for row in running or ()}
    rows = []
    for state in recorded:
        known = live.pop(state.execution_id, None)
        rows.append(
            ExecutionRow(
                execution_id=state.execution_id,
                plan_id=state.plan_id,
                plan_name=state.plan_name,
                execution_type=state.execution_type,
                status=known.status if known else state.status,
                running=known is not None if running is not None else None,
                started_by=state.started_by,
                start_time=state.start_time,
                end_time=state.end_time,
            )
        )
    rows += live.values()
    return sorted(rows, key=lambda row: (not row.running, -row.start_time))


async def _rows(plan_id: str | None, *, limit: int = _MOST) -> list[ExecutionRow]:
    """What both sides know; a side that is away is told of.

    Raises:
        CliError: both are away.
    """
    running, recorded = await asyncio.gather(
        _running(plan_id),
        HistoryTable(get_settings()).executions(plan_id=plan_id, limit=limit),
        return_exceptions=True,
    )
    for side in (running, recorded):
        if isinstance(side, BaseException) and not isinstance(side, _AWAY):
            raise side
    if isinstance(running, BaseException):
        if isinstance(recorded, BaseException):
            raise CliError(f"{running}\n{recorded}", ExitCode.UNREACHABLE)
        warn(f"what runs is not known: {running}")
        return merged(None, recorded)
    if isinstance(recorded, BaseException):
        warn(f"only what runs is listed: {recorded}")
        return merged(running, [])
    return merged(running, recorded)


async def _running(plan_id: str | None) -> list[ExecutionRow]:
    client = await RecoveryClient.connect()
    rows = []
    async for found in client.temporal.list_workflows(RUNNING, rpc_timeout=_RPC):
        known = found.typed_search_attributes
        row = ExecutionRow(
            execution_id=known.get(EXECUTION_ID_KEY, ""),
            plan_id=known.get(PLAN_ID_KEY, found.id),
            execution_type=known.get(EXECUTION_TYPE_KEY, ""),
            status=known.get(STATUS_KEY, PlanStatus.IN_PROGRESS),
            running=True,
            start_time=found.start_time.timestamp(),
        )
        if plan_id in (None, row.plan_id):
            rows.append(row)
    return rows


def _cells(row: ExecutionRow) -> tuple[str, ...]:
    took = "" if row.end_time is None else about(row.end_time - row.start_time)
    note = ""
    if row.running:
        note = "runs now"
    elif row.running is False and row.status in _OPEN:
        note = "not running any more; its end was not recorded"
    return row.status, row.execution_type, moment(row.start_time), took, note


def _show(rows: Sequence[tuple[str, ...]], heading: tuple[str, ...], empty: str) -> None:
    if not rows:
        show(empty)
    for line in aligned(rows, heading=heading) if rows else ():
        show(line)
