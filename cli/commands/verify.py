"""`history verify`: compares DynamoDB with Temporal and repairs what differs."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from temporalio.client import Client

from activities.execution_state import StateUnavailableError, read_temporal_state
from activities.history import verify as compare_and_repair
from cli.commands.validate import Json
from cli.input.completion import complete_execution
from cli.input.executions import execution_id_of
from cli.render.cells import fit
from cli.render.output import show, step, warn, write_json
from cli.render.tables import aligned
from client.connection import connect_to_temporal
from client.executions import list_runs
from client.recoveries.chosen import refuse_through_the_api
from client.recoveries.temporal import TemporalRecoveries
from client.workers import require_worker
from contract.execution import ExecutionRun
from recovery.base_model import Model
from recovery.history.comparison import Difference, DifferenceKind
from recovery.text_format import count
from runtime.exit import CliError, ExitCode
from settings import get_settings
from storage.history import HistoryTable

_MAX_VALUE_WIDTH = 44


class VerificationResult(Model):
    """The result of comparing the history of one execution with Temporal.

    Attributes:
        is_in_temporal: whether Temporal still knows it; else it cannot be compared.
        agrees: whether no unrepaired difference is left.
        error: why it could not be compared.
    """

    execution_id: str
    is_in_temporal: bool = True
    agrees: bool = True
    error: str | None = None
    differences: list[Difference] = []


def verify(
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="The execution ID; or the PlanId, for the plan's running or last execution.",
            autocompletion=complete_execution,
        ),
    ] = None,
    all_executions: Annotated[
        bool, typer.Option("--all", help="Every execution that Temporal still has.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair/--no-repair", help="Write what differs, or only compare.")
    ] = True,
    json: Json = False,
) -> None:
    """Compare DynamoDB with Temporal, and repair what differs.

    Item by item: the header, the frozen plan, each wave, the decisions and the
    messages of operators. Items that are missing, older or altered are written;
    items that are newer than in Temporal are left unchanged. It is safe while
    the execution is running.

    \b
    Examples:
      drs-waves history verify crm-0f3b52a1c7d9
      drs-waves history verify --all --no-repair
    \b
    Exit codes: 0 agrees, or was repaired, 1 differences are left, 2 not known
    or no table, 5 Temporal, a worker or AWS cannot be reached.
    """
    refuse_through_the_api("history verify")
    if all_executions is (execution is not None):
        raise CliError("name one execution, or all: drs-waves history verify EXECUTION, or --all")
    results = asyncio.run(_verify(execution, repair=repair))
    if json:
        write_json(results if all_executions else results[0])
    else:
        print_verifications(results, repair=repair)
    raise typer.Exit(exit_code_of(results))


async def _verify(given: str | None, *, repair: bool) -> list[VerificationResult]:
    client = await connect_to_temporal()
    execution_id = None
    if given is not None:
        execution_id = await execution_id_of(TemporalRecoveries(client), given)
    table = HistoryTable(get_settings())
    runs = await list_runs(client, execution_id)
    if execution_id is not None and not runs:
        return [await _recorded_only_result(table, execution_id)]
    if runs:
        await require_worker(client)
    with step(f"Comparing {count(len(runs), 'execution')}"):
        return [await _verify_one(client, table, run, repair=repair) for run in runs]


async def _recorded_only_result(table: HistoryTable, execution_id: str) -> VerificationResult:
    """Return the result for an execution that Temporal does not know, or no longer knows.

    Raises:
        CliError: the history does not know it either.
    """
    if not await table.entries(execution_id):
        raise CliError(
            f"neither Temporal nor the history table {table.name} knows an execution "
            f"{execution_id!r}; `drs-waves executions` lists them"
        )
    return VerificationResult(execution_id=execution_id, is_in_temporal=False)


async def _verify_one(
    client: Client, table: HistoryTable, run: ExecutionRun, *, repair: bool
) -> VerificationResult:
    try:
        temporal_state = await read_temporal_state(client, run)
    except StateUnavailableError as error:
        return VerificationResult(execution_id=run.execution_id, agrees=False, error=str(error))
    differences = await compare_and_repair(table, temporal_state, repair=repair)
    return VerificationResult(
        execution_id=run.execution_id,
        agrees=all(each.is_settled for each in differences),
        differences=differences,
    )


def print_verifications(results: Sequence[VerificationResult], *, repair: bool) -> None:
    """Print the results, one execution after the other."""
    for each in results:
        if each.error is not None:
            warn(each.error)
        elif not each.is_in_temporal:
            show(
                f"{each.execution_id}: only DynamoDB has it, because Temporal's retention is "
                "over; it cannot be compared."
            )
        elif not each.differences:
            show(f"{each.execution_id}: the history agrees with Temporal.")
        else:
            _show_differences(each, repair=repair)
    if len(results) > 1:
        agree = sum(each.agrees for each in results)
        show(f"{count(len(results), 'execution')}, {agree} of them agree with Temporal.")
    elif not results:
        show("Temporal has no execution.")


def _show_differences(result: VerificationResult, *, repair: bool) -> None:
    differences = result.differences
    verb = "differs" if len(differences) == 1 else "differ"
    show(f"{result.execution_id}: {count(len(differences), 'item')} {verb}")
    rows = [
        (
            _item_name(each.item),
            each.kind,
            fit(each.temporal, _MAX_VALUE_WIDTH),
            fit(each.dynamodb, _MAX_VALUE_WIDTH),
            _repair_text(each, repair=repair),
        )
        for each in differences
    ]
    lines = aligned(rows, heading=("WHAT", "", "TEMPORAL", "DYNAMODB", "RESULT"))
    show(*(f"  {line}" for line in lines))


def _item_name(item: str) -> str:
    """Name an item by its key."""
    kind, _, name = item.partition("#")
    match kind:
        case "EXECUTION":
            return "header"
        case "PLAN":
            return "frozen plan"
        case "DECISIONS":
            return f"decisions on {name}"
        case "MESSAGE" if name.isdecimal():
            return f"message {int(name) + 1}"
        case _:
            return f"{kind.lower()} {name}"


def _repair_text(difference: Difference, *, repair: bool) -> str:
    if difference.is_repaired:
        return "repaired"
    if difference.is_expected:
        return "left: it may be newer than the state that Temporal returned"
    match difference.kind:
        case DifferenceKind.NEWER:
            return "LEFT: it is newer than in Temporal"
        case DifferenceKind.UNKNOWN:
            return "LEFT: Temporal has no such item"
        case _:
            return "LEFT: it could not be written" if repair else "not repaired"


def exit_code_of(results: Sequence[VerificationResult]) -> ExitCode:
    """Return the exit code of the worst result."""
    if any(each.error is not None for each in results):
        return ExitCode.UNREACHABLE
    return ExitCode.COMPLETED if all(each.agrees for each in results) else ExitCode.FAILED
