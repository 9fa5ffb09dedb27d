"""`action-item`: what people have to do after an execution."""

import asyncio
import time
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError

from cli.commands.validate import Json
from cli.input.completion import ExecutionId, complete_history
from cli.input.executions import recorded_execution_id
from cli.render.output import notice, show, write_json
from cli.reports.lines import action_item_lines
from client.recoveries.chosen import recoveries
from recovery.report.action_items import ActionItem, NewActionItem
from runtime.exit import CliError

action_item = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Follow up an execution with action items.",
)


@action_item.command()
def add(
    execution: ExecutionId,
    text: Annotated[str, typer.Option(help="What is to be done.")],
    owner: Annotated[str, typer.Option(help="Who does it.")],
    due: Annotated[str, typer.Option(metavar="DATE", help="The last day, as 2026-12-31.")],
    json: Json = False,
) -> None:
    """Add an action item to an execution.

    \b
    Example:
      drs-waves action-item add crm-0f3b52a1c7d9 --text "Test the DNS step" \\
        --owner ops --due 2026-12-31
    \b
    Exit codes: 0 added, 2 refused, 5 cannot reach AWS.
    """
    try:
        new = NewActionItem.model_validate({"text": text, "owner": owner, "due": due})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]).lower()
        why = "write a date, as 2026-12-31" if field == "due" else first["msg"]
        raise CliError(f"nothing was added: --{field} {first['input']!r}: {why}") from None
    _print(asyncio.run(_add(execution, new)), "Added", json=json)


@action_item.command()
def close(
    execution: ExecutionId,
    number: Annotated[int, typer.Argument(min=1, help="Its number.")],
    note: Annotated[str, typer.Option(help="What was done; it is recorded.")] = "",
    json: Json = False,
) -> None:
    """Close an action item.

    \b
    Example:
      drs-waves action-item close crm-0f3b52a1c7d9 1 --note "tested on 2 December"
    \b
    Exit codes: 0 closed, 2 refused, 5 cannot reach AWS.
    """
    _print(asyncio.run(_close(execution, number, note)), "Closed", json=json)


@action_item.command("list")
def list_items(
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="All of this execution. Default: the open ones of all executions.",
            autocompletion=complete_history,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List action items, the overdue ones first.

    \b
    Exit codes: 0 shown, 2 not known, 5 cannot reach AWS.
    """
    found = asyncio.run(_list(execution))
    if json:
        write_json(found)
    elif found:
        show(*action_item_lines(found, time.time(), with_execution=execution is None))
    else:
        show("No action item is open." if execution is None else "It has no action item.")


def _print(item: ActionItem, what: str, *, json: bool) -> None:
    if json:
        write_json(item)
    else:
        notice(f"{what} action item {item.number} of {item.execution_id}, due {item.due}")


async def _add(given: str, new: NewActionItem) -> ActionItem:
    async with recoveries() as known:
        execution_id = await recorded_execution_id(known, given)
        return await known.reports.add_action_item(execution_id, new, key=uuid4().hex)


async def _close(given: str, number: int, note: str) -> ActionItem:
    async with recoveries() as known:
        execution_id = await recorded_execution_id(known, given)
        return await known.reports.close_action_item(execution_id, number, note)


async def _list(given: str | None) -> list[ActionItem]:
    async with recoveries() as known:
        execution_id = None if given is None else await recorded_execution_id(known, given)
        return await known.reports.action_items(execution_id)
