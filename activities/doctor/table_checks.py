"""Checks DynamoDB tables as the process sees them that asks."""

from activities.doctor.bounded import bounded, together
from recovery.doctor.check import Check, Part
from settings import Settings
from storage.dynamodb import DynamoTable
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable

_SECONDS = 15.0


async def table_checks(settings: Settings) -> list[Check]:
    """Whether the tables exist, fit, and are kept safe."""
    tables = (HistoryTable(settings), PlanTable(settings), RateCountTable(settings))
    return await together(
        *(bounded(Part.TABLES, each.name, _check(each), _SECONDS) for each in tables)
    )


async def _check(table: DynamoTable) -> list[Check]:
    found = await table.check()
    if found.unfit is not None:
        return [Check.fail(Part.TABLES, table.name, found.unfit)]
    if found.warnings:
        # Each ends with the command that mends it.
        return [Check.warn(Part.TABLES, table.name, each) for each in found.warnings]
    return [Check.ok(Part.TABLES, table.name, f"the {table.what} exists and fits")]
