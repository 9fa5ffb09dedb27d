"""Base of the DynamoDB tables: connection, creation, writes, queries and errors."""

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, cast

from boto3.dynamodb.conditions import ConditionBase, Key
from boto3.dynamodb.transform import TransformationInjector
from botocore.config import Config
from pydantic import BaseModel

from aws.errors import AwsError
from aws.sessions import CONNECT_TIMEOUT_SECONDS, call, call_threads, checked_session, pages
from recovery.base_model import Model

M = TypeVar("M", bound=Model)
Item = Mapping[str, Any]


class TableError(Exception):
    """A table could not be read, written or created; the message says what to do."""


class DynamoTable:
    """A table with two string keys, and one index of the items that have a `Kind`.

    Attributes:
        what: the kind of table, for messages.
        key: its hash key and its range key.
        index: the index's name and its numeric range key; its hash key is `Kind`.
        error: the exception of its methods.
    """

    what: ClassVar[str]
    key: ClassVar[tuple[str, str]]
    index: ClassVar[tuple[str, str]]
    error: ClassVar[type[TableError]] = TableError

    def __init__(self, name: str, region: str | None) -> None:
        self.name = name
        self._region = region
        self._client: Any = None
        self._threads = call_threads(name)

    async def create(self) -> bool:
        """Create the table if it is missing.

        Returns:
            Whether it was created.
        """
        index, sorted_by = self.index
        kinds = {**dict.fromkeys((*self.key, "Kind"), "S"), sorted_by: "N"}
        try:
            client = await self._boto3_client()
            await call(
                self._threads,
                "CreateTable",
                client.create_table,
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
        except AwsError as error:
            if "ResourceInUseException" in str(error):
                return False
            raise self._error("create", error) from error
        wait = client.get_waiter("table_exists").wait
        await call(self._threads, "DescribeTable", wait, TableName=self.name)
        return True

    async def _put(self, item: Mapping[str, Any], condition: ConditionBase | None = None) -> bool:
        """Write an item if a condition is met, and replace an existing one.

        Returns:
            Whether it was met.

        Raises:
            AwsError: DynamoDB did not accept it.
        """
        request: dict[str, Any] = {"TableName": self.name, "Item": item}
        if condition is not None:
            request["ConditionExpression"] = condition
        try:
            client = await self._boto3_client()
            expressed = _expressed(client, "PutItem", request)
            await call(self._threads, "PutItem", client.put_item, **expressed)
        except AwsError as error:
            if "ConditionalCheckFailedException" in str(error):
                return False
            raise
        return True

    async def _of_kind(
        self, kind: str, *, where: ConditionBase | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """The items of a `Kind` that pass a filter, by the index's range key, highest first."""
        request: dict[str, Any] = {"IndexName": self.index[0], "ScanIndexForward": False}
        if where is not None:
            request["FilterExpression"] = where
        async for item in self._query(Key("Kind").eq(kind), **request):
            yield item

    async def _with_key(self, value: str, begins_with: str = "") -> list[dict[str, Any]]:
        """All items of a hash key, or those with a prefix of the range key, read consistently."""
        condition: ConditionBase = Key(self.key[0]).eq(value)
        if begins_with:
            condition &= Key(self.key[1]).begins_with(begins_with)
        return [item async for item in self._query(condition, ConsistentRead=True)]

    async def _query(self, key: ConditionBase, **request: Any) -> AsyncIterator[dict[str, Any]]:
        request |= {"TableName": self.name, "KeyConditionExpression": key}
        try:
            client = await self._boto3_client()
            expressed = _expressed(client, "Query", request)
            async for page in pages(self._threads, "Query", client, **expressed):
                for item in page["Items"]:
                    yield item
        except AwsError as error:
            raise self._error("read", error) from error

    async def _boto3_client(self) -> Any:
        """The client of boto3's DynamoDB resource, which uses Python's types.

        boto3's `Table` does too, but is not safe for threads.
        """
        if self._client is None:
            config = Config(
                retries={"mode": "standard", "total_max_attempts": 3},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=10,
                max_pool_connections=50,
            )
            dynamodb = await call(
                self._threads,
                "DynamoDB",
                checked_session().resource,
                service_name="dynamodb",
                # boto3 itself reads AWS_DEFAULT_REGION only.
                region_name=cast(Any, self._region or os.environ.get("AWS_REGION")),
                config=config,
            )
            self._client = dynamodb.meta.client
        return self._client

    def _error(self, what: str, error: AwsError) -> TableError:
        hint = ""
        if "ResourceNotFoundException" in str(error):
            hint = " The table does not exist: create it with `drs-waves init-tables`."
        elif "NoRegion" in str(error) or "region" in str(error).lower():
            hint = " Set AWS_REGION or DRS_WAVES_HISTORY_REGION."
        why = str(error).rstrip(".")
        return self.error(f"Cannot {what} the {self.what} {self.name}: {why}.{hint}")


def plain_item(model: BaseModel, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """A model as an item, without null values."""
    text = model.model_dump_json(exclude_none=True, exclude=set(leave_out))
    return cast(dict[str, Any], json.loads(text, parse_float=Decimal))


def read_item(model: type[M], item: Item) -> M:
    """A model from an item, without the table's own attributes.

    Raises:
        pydantic.ValidationError: the item is invalid.
    """
    fields = {field.alias for field in model.model_fields.values()}
    return model.model_validate({key: value for key, value in item.items() if key in fields})


def _expressed(client: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """A request whose conditions are expressions with placeholders.

    boto3 1.44 would do it with one builder for all requests of a client, which mixes up the
    placeholders of concurrent ones.
    """
    model = client.meta.service_model.operation_model(operation)
    TransformationInjector().inject_condition_expressions(request, model)
    return request


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]
