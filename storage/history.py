"""The execution history in DynamoDB, which outlives Temporal's retention.

One table, keyed by `ExecutionId` and `Item`; `storage/history_items.py` describes the items. Every
write has a revision and never replaces a newer one, so writes may come twice or out of order.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import ValidationError

from aws.errors import AwsError
from recovery.coverage.evidence import DrillRecords
from recovery.execution.state import ExecutionState
from recovery.history.comparison import HEADER, Entry
from recovery.history.record import HistoryRecord
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.model import RecoveryPlan
from recovery.steps.replaced import StepRevert
from settings import Settings
from storage.dynamodb import DynamoTable, Item, TableError
from storage.history_items import (
    deliveries_of,
    delivery_item,
    entries_of,
    execution_of,
    frozen_plan_of,
    header_of,
    is_written_first,
    items_of,
    reverts_of,
)

_WRITES_AT_ONCE = 8


class HistoryError(TableError):
    """The history could not be read or created; the message says what to do."""


class HistoryTable(DynamoTable):
    """The DynamoDB table. Its methods raise `HistoryError`."""

    what = "history table"
    setting = "DRS_WAVES_HISTORY_TABLE"
    key = ("ExecutionId", "Item")
    index = ("Executions", "StartTime")
    error = HistoryError

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.history_table, settings.history_region)

    async def write(self, record: HistoryRecord) -> None:
        """Write a record's items, except those that exist with the same or a newer revision.

        If DynamoDB does not accept an item, writing the record again is safe.
        """
        await self._write(record, Attr("Revision").lt)

    async def rewrite(self, record: HistoryRecord) -> None:
        """Write a record's items, except those that exist with a newer revision.

        This repairs an item that was altered after it was written; our own concurrent writes have
        the same content at the same revision.
        """
        await self._write(record, Attr("Revision").lte)

    async def _write(self, record: HistoryRecord, replaces: Callable[[int], ConditionBase]) -> None:
        """Write a record's items where the existing revision meets the condition for the new."""
        limit = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def put(item: dict[str, Any]) -> None:
            async with limit:
                unreadable = ~Attr("Revision").attribute_type("N")
                await self._put(item, unreadable | replaces(item["Revision"]))

        try:
            # A wave's item is never newer than the steps that it has in other items.
            for are_first in (True, False):
                async with asyncio.TaskGroup() as group:
                    for item in items_of(record):
                        if is_written_first(item) is are_first:
                            group.create_task(put(item))
        except* AwsError as failed:
            # Only the tasks of this group fail so, each with one error.
            first = next(error for error in failed.exceptions if isinstance(error, AwsError))
            raise await self._error("write", first) from first

    async def add_deliveries(self, records: Sequence[DeliveryRecord]) -> None:
        """Write what became of messages, to each execution that they are about."""
        is_new = Attr("Item").not_exists()
        try:
            for record in records:
                for execution_id in record.execution_ids:
                    item = delivery_item(execution_id, record)
                    await self._put(item, is_new | Attr("Attempts").lt(record.attempts))
        except AwsError as error:
            raise await self._error("write", error) from error

    async def deliveries(self, execution_id: str) -> list[DeliveryRecord]:
        """The messages about an execution, the oldest first."""
        return deliveries_of(await self._with_key(execution_id))

    async def reverts(self, execution_id: str) -> list[StepRevert]:
        """What was put back of what an execution's steps replaced."""
        return reverts_of(await self._with_key(execution_id, "REVERT#"))

    async def executions(
        self, *, plan_id: str | None = None, limit: int = 50
    ) -> list[ExecutionState]:
        """The latest executions without their waves, newest first."""
        where = Attr("PlanId").eq(plan_id) if plan_id else None
        found: list[ExecutionState] = []
        async for item in self._of_kind(HEADER, where=where, limit=limit):
            found.append(header_of(item))
            if len(found) == limit:
                break
        return found

    async def last_drills(self, plan_ids: Iterable[str]) -> dict[str, ExecutionState]:
        """The last drill that has ended of each of these plans that has one, without its waves."""
        missing, found = set(plan_ids), dict[str, ExecutionState]()
        where = Attr("ExecutionType").eq("DRILL") & Attr("EndTime").exists()
        async for item in self._of_kind(HEADER, where=where):
            if (plan_id := str(item["PlanId"])) in missing:
                missing.remove(plan_id)
                found[plan_id] = header_of(item)
            if not missing:
                break
        return found

    async def drills(self, plan_ids: Iterable[str]) -> DrillRecords:
        """The drills of these plans that count."""
        records = DrillRecords(plan_ids)
        async for item in self._of_kind(HEADER, where=Attr("ExecutionType").eq("DRILL")):
            if records.are_complete:
                break
            records.add(header_of(item))
        return records

    async def last_break_glass(self) -> float | None:
        """When an offline key was last used in an execution (epoch seconds); None if never."""
        async for item in self._of_kind(HEADER, where=Attr("BreakGlassTime").exists()):
            return header_of(item).break_glass_time
        return None

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan] | None:
        """A recorded execution and its frozen plan; None if there is none."""
        return self._execution_of(execution_id, await self._with_key(execution_id))

    def _execution_of(
        self, execution_id: str, items: Sequence[Item]
    ) -> tuple[ExecutionState, RecoveryPlan] | None:
        """An execution and its frozen plan, from all its items."""
        try:
            plan = frozen_plan_of(items)
        except ValidationError as error:
            raise HistoryError(f"The frozen plan of {execution_id} cannot be read") from error
        header = next((item for item in items if item["Item"] == HEADER), None)
        if header is None or plan is None:
            return None
        if plan.plan_hash != header.get("PlanHash"):
            raise HistoryError(
                f"The frozen plan of {execution_id} in {self.name} is incomplete; its waves are "
                "listed by `aws dynamodb query`"
            )
        return execution_of(items, plan), plan

    async def entries(self, execution_id: str) -> dict[str, Entry]:
        """All items of an execution, complete or not."""
        return entries_of(await self._with_key(execution_id))
