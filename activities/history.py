"""The execution history in DynamoDB: what outlives Temporal's retention.

One table, keyed by `ExecutionId` and `Item`; `activities/history_items.py` has what the items are.
Every write carries a revision and never replaces a newer one, so writes may come twice or out of
order.
"""

import asyncio
import os
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.aws import CONNECT_TIMEOUT_SECONDS, AwsTrouble, call, heedful_session
from activities.cleaning import CleanupScope
from activities.heartbeat import heartbeating
from activities.history_items import (
    entries_of,
    execution_of,
    frozen_plan_of,
    header_of,
    items_of,
)
from recovery.comparison import HEADER, Entry
from recovery.execution import ExecutionState
from recovery.journal import HistoryRecord
from recovery.plan import RecoveryPlan
from settings import Settings

_INDEX = "Executions"
_WRITES_AT_ONCE = 8
_WHERE_OLDER = "NOT attribute_type(Revision, :number) OR Revision < :revision"
_WHERE_NOT_NEWER = "NOT attribute_type(Revision, :number) OR Revision <= :revision"


class HistoryError(Exception):
    """The history could not be read or created; the message says what to do."""


class HistoryTable:
    """The DynamoDB table. Its methods raise `HistoryError`, but for `write`."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.history_table
        self._region = settings.history_region
        self._client: Any = None

    async def create(self) -> bool:
        """Create the table where it is missing.

        Returns:
            Whether it was created now.
        """
        try:
            await self._call(
                "create_table",
                TableName=self.name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=_keys("ExecutionId", "Item"),
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": kind}
                    for name, kind in (
                        ("ExecutionId", "S"),
                        ("Item", "S"),
                        ("Kind", "S"),
                        ("StartTime", "N"),
                    )
                ],
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": _INDEX,
                        "KeySchema": _keys("Kind", "StartTime"),
                        "Projection": {"ProjectionType": "ALL"},
                    }
                ],
            )
        except AwsTrouble as trouble:
            if "ResourceInUseException" in str(trouble):
                return False
            raise self._error("create", trouble) from trouble
        client = await self._dynamodb()
        await call("DescribeTable", client.get_waiter("table_exists").wait, TableName=self.name)
        return True

    async def write(self, record: HistoryRecord) -> None:
        """Write a record's items, leaving those as they are that are as new or newer.

        Raises:
            AwsTrouble: DynamoDB did not take an item; writing the record again is safe.
        """
        await self._write(record, _WHERE_OLDER)

    async def rewrite(self, record: HistoryRecord) -> None:
        """Write a record's items, leaving newer ones as they are but replacing those as new.

        For an item that was altered after it was written; whatever of ours writes at the same
        moment writes the same at the same revision.

        Raises:
            HistoryError: DynamoDB did not take an item; writing the record again is safe.
        """
        try:
            await self._write(record, _WHERE_NOT_NEWER)
        except* AwsTrouble as group:
            raise self._error("write", first_trouble(group)) from group

    async def _write(self, record: HistoryRecord, condition: str) -> None:
        gate = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def put(item: dict[str, Any]) -> None:
            async with gate:
                await self._put(item, condition)

        async with asyncio.TaskGroup() as group:
            for item in items_of(record):
                group.create_task(put(item))

    async def _put(self, item: dict[str, Any], condition: str) -> None:
        try:
            await self._call(
                "put_item",
                TableName=self.name,
                Item={k: TypeSerializer().serialize(v) for k, v in item.items()},
                ConditionExpression=condition,
                ExpressionAttributeValues={
                    ":revision": {"N": str(item["Revision"])},
                    ":number": {"S": "N"},
                },
            )
        except AwsTrouble as trouble:
            if "ConditionalCheckFailedException" not in str(trouble):
                raise

    async def executions(
        self, *, plan_id: str | None = None, limit: int = 50
    ) -> list[ExecutionState]:
        """The latest executions without their waves, newest first."""
        asked: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": _INDEX,
            "KeyConditionExpression": "Kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": HEADER}},
            "ScanIndexForward": False,
        }
        if plan_id:
            asked["FilterExpression"] = "PlanId = :plan"
            asked["ExpressionAttributeValues"][":plan"] = {"S": plan_id}
        found: list[ExecutionState] = []
        async for item in self._query(asked):
            found.append(header_of(item))
            if len(found) == limit:
                break
        return found

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan] | None:
        """An execution as it was recorded, and its frozen plan; None where there is none."""
        items = await self._items(execution_id)
        try:
            plan = frozen_plan_of(items)
        except ValidationError as error:
            raise HistoryError(f"The frozen plan of {execution_id} cannot be read") from error
        header = next((item for item in items if item["Item"] == HEADER), None)
        if header is None or plan is None:
            return None
        if plan.plan_hash != header.get("PlanHash"):
            raise HistoryError(
                f"The frozen plan of {execution_id} in {self.name} is not whole; its waves are "
                "listed by `aws dynamodb query`"
            )
        return execution_of(items, plan), plan

    async def entries(self, execution_id: str) -> dict[str, Entry]:
        """What there is of an execution, item by item, whole or not."""
        return entries_of(await self._items(execution_id))

    async def _items(self, execution_id: str) -> list[dict[str, Any]]:
        asked = {
            "TableName": self.name,
            "KeyConditionExpression": "ExecutionId = :id",
            "ExpressionAttributeValues": {":id": {"S": execution_id}},
            "ConsistentRead": True,
        }
        return [item async for item in self._query(asked)]

    async def _query(self, asked: dict[str, Any]) -> Any:
        start: dict[str, Any] = {}
        while True:
            try:
                page = await self._call("query", **asked, **start)
            except AwsTrouble as trouble:
                raise self._error("read", trouble) from trouble
            for item in page["Items"]:
                yield {k: TypeDeserializer().deserialize(v) for k, v in item.items()}
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _call(self, operation: str, **asked: Any) -> Any:
        client = await self._dynamodb()
        return await call(operation, getattr(client, operation), **asked)

    async def _dynamodb(self) -> Any:
        if self._client is None:
            config = Config(
                retries={"mode": "standard", "total_max_attempts": 3},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=10,
                max_pool_connections=50,
            )
            self._client = await call(
                "DynamoDB",
                heedful_session().client,
                service_name="dynamodb",
                # boto3 itself reads AWS_DEFAULT_REGION only.
                region_name=cast(Any, self._region or os.environ.get("AWS_REGION")),
                config=config,
            )
        return self._client

    def _error(self, what: str, trouble: AwsTrouble) -> HistoryError:
        hint = ""
        if "ResourceNotFoundException" in str(trouble):
            hint = " The table does not exist: create it with `drs-waves init-tables`."
        elif "NoRegion" in str(trouble) or "region" in str(trouble).lower():
            hint = " Set AWS_REGION or DRS_WAVES_HISTORY_REGION."
        why = str(trouble).rstrip(".")
        return HistoryError(f"Cannot {what} the history table {self.name}: {why}.{hint}")


class HistoryActivities:
    """The activities that record, and that read back what was recorded."""

    def __init__(self, table: HistoryTable) -> None:
        self._table = table

    @activity.defn
    async def record(self, record: HistoryRecord) -> None:
        """Write a record to the history; Temporal tries again until DynamoDB takes it."""
        async with heartbeating():
            try:
                await self._table.write(record)
            except* AwsTrouble as group:
                first = first_trouble(group)
                raise ApplicationError(
                    f"The history could not be written: {first}", type="HistoryUnavailable"
                ) from first

    @activity.defn
    async def cleanup_scope(self, execution_id: str) -> CleanupScope:
        """Say what an execution has launched, from the history alone.

        Raises:
            ApplicationError: the history cannot be read now; not retryable if it does not have
                the execution.
        """
        async with heartbeating():
            try:
                recorded = await self._table.execution(execution_id)
            except HistoryError as error:
                raise ApplicationError(str(error), type="HistoryUnavailable") from error
        if recorded is None:
            raise ApplicationError(
                f"The history table {self._table.name} holds no execution {execution_id!r}",
                type="UnknownExecution",
                non_retryable=True,
            )
        return CleanupScope.of(*recorded)


def first_trouble(group: BaseExceptionGroup[AwsTrouble]) -> AwsTrouble:
    """One trouble of several that were met side by side."""
    first = group.exceptions[0]
    return first_trouble(first) if isinstance(first, BaseExceptionGroup) else first


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]
