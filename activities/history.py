"""The execution history in DynamoDB: what outlives Temporal's retention.

One table, keyed by `ExecutionId` and `Item`: `EXECUTION` (the header), `PLAN#0000`… (the frozen
plan in chunks), `WAVE#<WaveId>`, `DECISIONS#<WaveId>` (what operators decided about a wave) and
`MESSAGE#0000`…, a message each, and `CLEANUP`. One item a wave keeps a plan of 1,000 waves clear of
DynamoDB's 400 KB an item. Every write carries a revision and never replaces a newer one, so
writes may come twice or out of order.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, TypeVar, cast

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.aws import CONNECT_TIMEOUT_SECONDS, AwsTrouble, call
from activities.cleaning import CleanupScope
from activities.heartbeat import heartbeating
from recovery.execution import CleanupState, Decisions, ExecutionState, MessageRecord, WaveState
from recovery.journal import HistoryRecord
from recovery.model import Model
from recovery.plan import RecoveryPlan
from settings import Settings

M = TypeVar("M", bound=Model)

_HEADER = "EXECUTION"
_CLEANUP = "CLEANUP"
_INDEX = "Executions"
_CHUNK_CHARACTERS = 100_000
_WRITES_AT_ONCE = 8


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
        """Write a record's items, leaving newer ones as they are.

        Raises:
            AwsTrouble: DynamoDB did not take an item; writing the record again is safe.
        """
        gate = asyncio.Semaphore(_WRITES_AT_ONCE)

        async def put(item: dict[str, Any]) -> None:
            async with gate:
                await self._put(item)

        async with asyncio.TaskGroup() as group:
            for item in _items(record):
                group.create_task(put(item))

    async def _put(self, item: dict[str, Any]) -> None:
        try:
            await self._call(
                "put_item",
                TableName=self.name,
                Item={k: TypeSerializer().serialize(v) for k, v in item.items()},
                ConditionExpression="attribute_not_exists(Revision) OR Revision < :revision",
                ExpressionAttributeValues={":revision": {"N": str(item["Revision"])}},
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
            "ExpressionAttributeValues": {":kind": {"S": _HEADER}},
            "ScanIndexForward": False,
        }
        if plan_id:
            asked["FilterExpression"] = "PlanId = :plan"
            asked["ExpressionAttributeValues"][":plan"] = {"S": plan_id}
        found: list[ExecutionState] = []
        async for item in self._query(asked):
            found.append(_read(ExecutionState, item))
            if len(found) == limit:
                break
        return found

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan] | None:
        """An execution as it was recorded, and its frozen plan; None where there is none."""
        asked = {
            "TableName": self.name,
            "KeyConditionExpression": "ExecutionId = :id",
            "ExpressionAttributeValues": {":id": {"S": execution_id}},
            "ConsistentRead": True,
        }
        items = [item async for item in self._query(asked)]
        of_kind: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            of_kind.setdefault(str(item["Item"]).partition("#")[0], []).append(item)
        header, chunks = of_kind.get(_HEADER), of_kind.get("PLAN")
        if not header or not chunks:
            return None
        plan = _frozen_plan(chunks, execution_id)
        if plan.plan_hash != header[0].get("PlanHash"):
            raise HistoryError(
                f"The frozen plan of {execution_id} in {self.name} is not whole; its waves are "
                "listed by `aws dynamodb query`"
            )
        told = [_read(WaveState, item) for item in of_kind.get("WAVE", [])]
        waves = {wave.wave_id: wave for wave in told}
        state = _read(ExecutionState, header[0])
        state.waves = [waves.get(w.wave_id) or WaveState.of(w) for w in plan.waves]
        decided = {str(i["Item"]).partition("#")[2]: i for i in of_kind.get("DECISIONS", [])}
        for wave in state.waves:
            if wave.wave_id in decided:
                wave.decisions = _read(Decisions, decided[wave.wave_id])
        state.messages = [_read(MessageRecord, item) for item in of_kind.get("MESSAGE", [])]
        if cleanup := of_kind.get(_CLEANUP):
            state.cleanup = _read(CleanupState, cleanup[0])
        return state, plan

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
                boto3.client,
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
                first = group.exceptions[0]
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


def _items(record: HistoryRecord) -> Iterator[dict[str, Any]]:
    if record.plan is not None:
        text = record.plan.model_dump_json(exclude_none=True)
        for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
            yield {
                "ExecutionId": record.execution_id,
                "Item": f"PLAN#{number:04}",
                "Revision": 1,
                "Text": text[start : start + _CHUNK_CHARACTERS],
            }
    own = {"ExecutionId": record.execution_id}
    for wave in record.waves:
        yield own | {"Item": f"WAVE#{wave.wave_id}"} | _plain(wave, leave_out={"decisions"})
    for wave_id, decisions in record.decisions.items():
        key = {"Item": f"DECISIONS#{wave_id}", "Revision": record.decisions_revision}
        yield own | _plain(decisions) | key
    for number, message in record.messages.items():
        # A reset may number its messages anew: the later one is the true one.
        key = {"Item": f"MESSAGE#{number:04}", "Revision": int(message.time * 1000)}
        yield own | _plain(message) | key
    if record.cleanup is not None:
        yield _plain(record.cleanup) | {"Item": _CLEANUP}
    if record.execution is not None:
        header = _plain(record.execution, leave_out={"waves", "messages", "cleanup"})
        yield header | {"Item": _HEADER, "Kind": _HEADER}


def _plain(model: BaseModel, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    text = model.model_dump_json(exclude_none=True, exclude=set(leave_out))
    return cast(dict[str, Any], json.loads(text, parse_float=Decimal))


def _read(model: type[M], item: dict[str, Any]) -> M:
    """A model from an item, without the table's own attributes."""
    fields = {field.alias for field in model.model_fields.values()}
    return model.model_validate({key: value for key, value in item.items() if key in fields})


def _frozen_plan(chunks: list[dict[str, Any]], execution_id: str) -> RecoveryPlan:
    try:
        return RecoveryPlan.model_validate_json("".join(str(chunk["Text"]) for chunk in chunks))
    except ValidationError as error:
        raise HistoryError(f"The frozen plan of {execution_id} cannot be read") from error


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]
