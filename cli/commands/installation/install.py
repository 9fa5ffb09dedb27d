"""`init-tables` and `worker`: the parts that an installation needs before its first plan."""

import asyncio
from typing import Annotated

import typer
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.service import RPCError

from cli.render.output import notice, show, step
from cli.render.records import print_table_check
from client.connection import connect_to_temporal
from client.errors import UnreachableError
from client.recoveries.chosen import refuse_through_the_api
from contract.identifiers import SEARCH_ATTRIBUTES
from runtime.exit import ExitCode, worst_exit_code
from settings import get_settings
from storage.dynamodb import DynamoTable
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable
from storage.table_check import TableCheck


def worker() -> None:
    """Run a worker until Ctrl-C or SIGTERM.

    The worker has the AWS credentials that launch the servers. Several workers
    can run at the same time. When one stops, another continues its work. A second
    Ctrl-C ends it at once.

    \b
    Exit codes: 0 stopped on request, 2 a wrong setting, 5 Temporal cannot be
    reached.
    """
    # Other commands need nothing of what a worker loads.
    from runtime.worker import run_worker  # noqa: PLC0415

    refuse_through_the_api("worker")
    asyncio.run(run_worker())


def init_tables(
    skip_temporal: Annotated[
        bool, typer.Option("--skip-temporal", help="Create the DynamoDB tables only.")
    ] = False,
) -> None:
    """Create the tables, and register the search attributes.

    It is safe to repeat. It checks the key, the index, the capacity and
    point-in-time recovery of an existing table, reports what differs and changes
    nothing.

    \b
    Examples:
      drs-waves init-tables
      drs-waves init-tables --skip-temporal      if others manage Temporal
    \b
    Exit codes: 0 everything exists, 2 refused, or a table cannot be used,
    5 Temporal or AWS cannot be reached.
    """
    refuse_through_the_api("init-tables")
    settings = get_settings()
    codes = []
    for table in (HistoryTable(settings), PlanTable(settings), RateCountTable(settings)):
        with step(f"Creating the {table.what} {table.name}"):
            created, check = asyncio.run(_create(table))
        named = f"{table.what[0].upper()}{table.what[1:]} {table.name}"
        show(f"{named}: {'created' if created else 'exists already'}")
        codes.append(print_table_check(check))
    if not skip_temporal:
        codes.append(asyncio.run(_register_search_attributes()))
    raise typer.Exit(worst_exit_code(codes))


async def _create(table: DynamoTable) -> tuple[bool, TableCheck]:
    return await table.create(), await table.check()


async def _register_search_attributes() -> ExitCode:
    try:
        client = await connect_to_temporal()
    except UnreachableError as error:
        return _print_manual_commands(str(error), ExitCode.UNREACHABLE)
    try:
        registered = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [
            key.name for key in SEARCH_ATTRIBUTES if key.name not in registered.custom_attributes
        ]
        if missing:
            kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes=dict.fromkeys(missing, kind),
                )
            )
    except RPCError as error:
        return _print_manual_commands(f"Temporal refused: {error.message}", ExitCode.BAD_INPUT)
    result = f"registered {', '.join(missing)}" if missing else "exist already"
    show(f"Search attributes in namespace {client.namespace}: {result}")
    return ExitCode.COMPLETED


def _print_manual_commands(reason: str, code: ExitCode) -> ExitCode:
    notice(f"error: the search attributes were not registered. {reason}", style="red")
    command = "temporal operator search-attribute create --type Keyword --name"
    notice(
        "A user with the permission can register them (in Temporal Cloud: web page or `tcld`):",
        *(f"  {command} {key.name}" for key in SEARCH_ATTRIBUTES),
    )
    return code
