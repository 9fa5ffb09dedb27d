"""Checks DynamoDB tables as the process sees them that asks."""

from activities.doctor.bounded import bounded, together
from aws.errors import AwsError, AwsErrorKind
from recovery.doctor.check import Check, Part
from settings import Settings
from storage.dynamodb import DynamoTable, TableError
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
    try:
        found = await table.check()
    except TableError as error:
        cause = error.__cause__
        if isinstance(cause, AwsError) and cause.kind is AwsErrorKind.ACCESS_DENIED:
            action = f"Allow dynamodb:DescribeTable on {table.name}; it is not needed to recover"
            return [Check.skipped(Part.TABLES, table.name, str(error), action)]
        return [_broken(table, str(error))]
    if found.unfit is not None:
        return [_broken(table, found.unfit)]
    if found.warnings:
        # Each ends with the command that mends it.
        return [Check.warn(Part.TABLES, table.name, each) for each in found.warnings]
    return [Check.ok(Part.TABLES, table.name, f"the {table.what} exists and fits")]


def _broken(table: DynamoTable, why: str) -> Check:
    if isinstance(table, RateCountTable):
        # Each server then counts alone.
        return Check.warn(Part.TABLES, table.name, why)
    return Check.fail(Part.TABLES, table.name, why)
