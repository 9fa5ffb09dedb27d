"""The execution that an operator names, by its own ID or by its PlanId."""

import asyncio
from contextlib import suppress

from temporalio.client import Client

from cli.render.output import notice
from client.errors import RefusedError
from client.executions import find_running, running_plan_ids
from contract.identifiers import is_execution_id
from recovery.operator.messages import nearest
from settings import get_settings
from storage.history import HistoryError, HistoryTable

_KNOWN = 200
_HISTORY_SECONDS = 2.0


async def recorded_execution_id(given: str) -> str:
    """Return the ID of a recorded execution.

    Args:
        given: that ID; or a PlanId, for the last execution of the plan.

    Raises:
        RefusedError: the history has no such execution; the message names the nearest.
        HistoryError: the history cannot be read.
    """
    table = HistoryTable(get_settings())
    if is_execution_id(given) and await table.entries(given):
        return given
    if of_plan := await table.executions(plan_id=given, limit=1):
        notice(f"The last recorded execution of {given} is {of_plan[0].execution_id}")
        return of_plan[0].execution_id
    recorded = await table.executions(limit=_KNOWN)
    known = [e.execution_id if is_execution_id(given) else e.plan_id for e in recorded]
    hint = f"; {nearest(given, list(dict.fromkeys(known)))}" if known else ""
    raise RefusedError(
        f"the history table {table.name} has no execution {given!r}{hint}",
        command="`drs-waves executions` lists them",
    )


async def execution_id_of(client: Client, given: str) -> str:
    """Return the ID of an execution, which may run and not be recorded yet.

    Raises:
        RefusedError: neither Temporal nor the history has it; the message names the nearest.
    """
    if is_execution_id(given):
        return given
    running = await find_running(client, given)
    return running.execution_id if running else await recorded_execution_id(given)


async def known_plan_ids(client: Client) -> list[str]:
    """The PlanIds that run or are recorded, as far as they can be read in a short time."""
    found = set(await running_plan_ids(client))
    with suppress(HistoryError, TimeoutError):
        async with asyncio.timeout(_HISTORY_SECONDS):
            recorded = await HistoryTable(get_settings()).executions(limit=_KNOWN)
            found |= {each.plan_id for each in recorded}
    return sorted(found)
