"""Executions as DynamoDB has them, for the commands that go on from one."""

from typing import Annotated

import typer

from activities.history import HistoryTable
from cli.completion import complete_execution
from cli.errors import CliError
from recovery.execution import ExecutionState
from recovery.plan import RecoveryPlan
from settings import get_settings
from workflows.client import RecoveryClient
from workflows.steering import find_running

ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", autocompletion=complete_execution)]


async def recorded(execution_id: str) -> tuple[ExecutionState, RecoveryPlan]:
    """An execution and its frozen plan, from DynamoDB alone.

    Raises:
        CliError: it is not there.
        HistoryError: the history cannot be read.
    """
    table = HistoryTable(get_settings())
    found = await table.execution(execution_id)
    if found is None:
        raise CliError(
            f"the history table {table.name} holds no execution {execution_id!r}; "
            "`drs-waves executions` lists them"
        )
    return found


async def refuse_while_it_runs(client: RecoveryClient, state: ExecutionState, then: str) -> None:
    """Refuse to go on from an execution that has not ended.

    Args:
        client: asks Temporal.
        state: the execution.
        then: what to do instead.

    Raises:
        CliError: it still runs.
    """
    running = await find_running(client, state.plan_id)
    if running is not None and running.execution_id == state.execution_id:
        raise CliError(f"{state.execution_id} still runs; {then}")
