"""Counters in DynamoDB: atomic, and gone when nobody reads them any more."""

import asyncio

import pytest

from settings import Settings
from storage.rate_counts import RateCountError, RateCountTable
from tests.aws_in_process import LocalAws


async def test_concurrent_counts_are_all_counted_and_each_counter_counts_for_itself(
    aws: LocalAws,
) -> None:
    table = RateCountTable(Settings())
    assert await table.create()
    assert not await table.create()
    counted = await asyncio.gather(*(table.count("ops", expires=1000) for _ in range(20)))
    assert sorted(counted) == list(range(1, 21))
    assert await table.count("ann", expires=1000) == 1
    (item,) = (
        each
        for each in aws.client("dynamodb").scan(TableName=table.name)["Items"]
        if each["Counter"]["S"] == "ops"
    )
    assert item["Expires"]["N"] == "1000"


async def test_who_may_not_create_tables_learns_that_they_exist(aws: LocalAws) -> None:
    table = RateCountTable(Settings())
    await table.create()
    aws.fault("CreateTable", Service="dynamodb", Error="AccessDeniedException")
    assert not await table.create()


async def test_a_table_that_keeps_expired_items_is_warned_of(aws: LocalAws) -> None:
    table = RateCountTable(Settings())
    await table.create()
    found = await table.check()
    assert (found.unfit, found.warnings) == (None, [])
    aws.client("dynamodb").update_time_to_live(
        TableName=table.name,
        TimeToLiveSpecification={"AttributeName": "Expires", "Enabled": False},
    )
    (warning,) = (await table.check()).warnings
    assert "aws dynamodb update-time-to-live --table-name drs-waves-limits" in warning


async def test_without_the_table_the_error_says_what_to_do(aws: LocalAws) -> None:
    with pytest.raises(RateCountError, match=r"Create it with `drs-waves init-tables`"):
        await RateCountTable(Settings()).count("ops", expires=1000)
