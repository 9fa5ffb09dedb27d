"""Plans and drills are read seldom, and a scrape that gives up ends no read."""

import asyncio
from typing import Any

import pytest

from api.metrics.goals import GoalReader
from storage.dynamodb import TableError


class Slow:
    """Both tables; they answer when they are let."""

    def __init__(self) -> None:
        self.reads = 0
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def newest(self) -> tuple[list[Any], list[str]]:
        """No plans."""
        self.reads += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return [], []

    async def drills(self, plan_ids: list[str]) -> None:
        """No drills."""


async def test_a_read_that_a_scrape_gave_up_serves_the_next_one() -> None:
    tables: Any = Slow()
    goals = GoalReader(tables, tables)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await goals.read()
    tables.answer.set()
    assert (await goals.read()).plans == []
    assert (await goals.read()).plans == []
    assert tables.reads == 1


async def test_tables_that_fail_are_read_again_at_the_next_scrape() -> None:
    tables: Any = Slow()
    tables.answer.set()
    tables.error = TableError("gone")
    goals = GoalReader(tables, tables)
    with pytest.raises(TableError):
        await goals.read()
    tables.error = None
    assert (await goals.read()).plans == []
