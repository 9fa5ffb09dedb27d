"""What our DynamoDB tables have in common: their connection, creation, queries and errors."""

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from pydantic import BaseModel

from aws.errors import AwsTrouble
from aws.sessions import CONNECT_TIMEOUT_SECONDS, call, heedful_session
from recovery.base_model import Model

M = TypeVar("M", bound=Model)
Item = Mapping[str, Any]


class TableError(Exception):
    """A table could not be read, written or created; the message says what to do."""


class DynamoTable:
    """A table keyed by two texts, with one index over those of its items that have a `Kind`.

    Attributes:
        what: what the table is called in messages.
        key: its hash key and its range key.
        index: the index's name and its numeric range key; its hash key is `Kind`.
        error: what its methods raise.
    """

    what: ClassVar[str]
    key: ClassVar[tuple[str, str]]
    index: ClassVar[tuple[str, str]]
    error: ClassVar[type[TableError]] = TableError

    def __init__(self, name: str, region: str | None) -> None:
        self.name = name
        self._region = region
        self._client: Any = None

    async def create(self) -> bool:
        """Create the table where it is missing.

        Returns:
            Whether it was created now.
        """
        index, sorted_by = self.index
        kinds = {**dict.fromkeys((*self.key, "Kind"), "S"), sorted_by: "N"}
        try:
            await self._call(
                "create_table",
                TableName=self.name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=_keys(*self.key),
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
                ],
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": index,
                        "KeySchema": _keys("Kind", sorted_by),
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

    async def _put(self, item: Mapping[str, Any]) -> None:
        """Write an item, over one that is there.

        Raises:
            AwsTrouble: DynamoDB did not take it.
        """
        await self._call("put_item", TableName=self.name, Item=_serialized(item))

    async def _put_if(
        self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Write an item where a condition holds.

        Returns:
            Whether it held.

        Raises:
            AwsTrouble: DynamoDB did not take it.
        """
        asked: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            await self._call(
                "put_item",
                TableName=self.name,
                Item=_serialized(item),
                ConditionExpression=condition,
                **asked,
            )
        except AwsTrouble as trouble:
            if "ConditionalCheckFailedException" in str(trouble):
                return False
            raise
        return True

    async def _of_kind(
        self,
        kind: str,
        *,
        newest_first: bool = True,
        where: tuple[str, Mapping[str, Any]] | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The items of the index, by its range key.

        Args:
            kind: their `Kind`.
            newest_first: the highest first.
            where: a filter, and the values in it.
        """
        asked: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": self.index[0],
            "KeyConditionExpression": "Kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": kind}},
            "ScanIndexForward": not newest_first,
        }
        if where is not None:
            asked["FilterExpression"] = where[0]
            asked["ExpressionAttributeValues"] |= where[1]
        async for item in self._query(asked):
            yield item

    async def _with_key(self, value: str, begins_with: str = "") -> list[dict[str, Any]]:
        """All items of a hash key, or those whose range key begins so; as they are now."""
        condition, values = f"{self.key[0]} = :id", {":id": {"S": value}}
        if begins_with:
            condition += f" AND begins_with({self.key[1]}, :begin)"
            values[":begin"] = {"S": begins_with}
        asked = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        return [item async for item in self._query(asked)]

    async def _query(self, asked: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
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

    def _error(self, what: str, trouble: AwsTrouble) -> TableError:
        hint = ""
        if "ResourceNotFoundException" in str(trouble):
            hint = " The table does not exist: create it with `drs-waves init-tables`."
        elif "NoRegion" in str(trouble) or "region" in str(trouble).lower():
            hint = " Set AWS_REGION or DRS_WAVES_HISTORY_REGION."
        why = str(trouble).rstrip(".")
        return self.error(f"Cannot {what} the {self.what} {self.name}: {why}.{hint}")


def plain_item(model: BaseModel, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """A model as an item, without what is not known."""
    text = model.model_dump_json(exclude_none=True, exclude=set(leave_out))
    return cast(dict[str, Any], json.loads(text, parse_float=Decimal))


def read_item(model: type[M], item: Item) -> M:
    """A model from an item, without the table's own attributes.

    Raises:
        pydantic.ValidationError: the item is not what it should be.
    """
    fields = {field.alias for field in model.model_fields.values()}
    return model.model_validate({key: value for key, value in item.items() if key in fields})


def _serialized(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: TypeSerializer().serialize(value) for key, value in item.items()}


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]
