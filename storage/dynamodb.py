"""Base of the DynamoDB tables: connection, creation, checks, writes, queries and errors."""

import asyncio
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
from aws.sessions import CallThreads, call, checked_session, pages
from recovery.base_model import Model
from storage.table_check import (
    TableCheck,
    capacity_warning,
    deletion_warning,
    differences,
    recovery_warning,
)

M = TypeVar("M", bound=Model)
Item = Mapping[str, Any]

_BACKUPS_TRIES = 30
_BACKUPS_PAUSE_SECONDS = 1.0


_CREATE = {"command": "Create it with `drs-waves init-tables`.", "request": "Create it first."}


class TableError(Exception):
    """A table could not be read, written or created; the message says what to do.

    Attributes:
        for_api: the message in the words of the API.
    """

    def __init__(self, text: str, *, command: str = "", request: str = "") -> None:
        super().__init__(f"{text} {command}" if command else text)
        self.for_api = f"{text} {request}" if request else text


class DynamoTable:
    """A table with string keys, and, if it has one, an index of the items that have a `Kind`.

    Attributes:
        what: the kind of table, for messages.
        setting: the setting that names it.
        key: its hash key and, if it has one, its range key.
        index: the index's name and its numeric range key, its hash key is `Kind`; () for none.
        error: the exception of its methods.
    """

    what: ClassVar[str]
    setting: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    index: ClassVar[tuple[str, ...]] = ()
    error: ClassVar[type[TableError]] = TableError

    def __init__(self, name: str, region: str | None) -> None:
        self.name = name
        self._region = region
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._threads = CallThreads()

    async def create(self) -> bool:
        """Create the table if it is missing.

        Returns:
            Whether it was created.
        """
        try:
            # Who may not create tables still learns that CloudFormation has.
            if await self._exists():
                return False
            client = await self._boto3_client()
            await call(self._threads, "CreateTable", client.create_table, **self._definition())
        except AwsError as error:
            if "ResourceInUseException" in str(error):
                return False
            raise await self._error("create", error) from error
        wait = client.get_waiter("table_exists").wait
        await call(self._threads, "DescribeTable", wait, TableName=self.name)
        await self._finish(client)
        return True

    async def _exists(self) -> bool:
        try:
            await self._description()
        except AwsError as error:
            if "ResourceNotFoundException" in str(error):
                return False
            raise
        return True

    def _definition(self) -> dict[str, Any]:
        types, indexes = dict.fromkeys(self.key, "S"), dict[str, Any]()
        if self.index:
            index, sorted_by = self.index
            types |= {"Kind": "S", sorted_by: "N"}
            keys, projection = _keys("Kind", sorted_by), {"ProjectionType": "ALL"}
            known = {"IndexName": index, "KeySchema": keys, "Projection": projection}
            indexes = {"GlobalSecondaryIndexes": [known]}
        return {
            "TableName": self.name,
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": True,
            "KeySchema": _keys(*self.key),
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": type_} for name, type_ in types.items()
            ],
            **indexes,
        }

    async def _finish(self, client: Any) -> None:
        """Enable point-in-time recovery of a new table; if that is refused, `check` says so."""
        for _ in range(_BACKUPS_TRIES):
            try:
                await call(
                    self._threads,
                    "UpdateContinuousBackups",
                    client.update_continuous_backups,
                    TableName=self.name,
                    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                )
            except AwsError as error:
                # For some seconds after its creation: "Backups are being enabled for the table".
                if "ContinuousBackupsUnavailableException" in str(error):
                    await asyncio.sleep(_BACKUPS_PAUSE_SECONDS)
                    continue
            return

    async def check(self) -> TableCheck:
        """Compare the existing table with the one that `create` makes.

        Raises:
            TableError: it does not exist, or cannot be described.
        """
        try:
            table = await self._description()
        except AwsError as error:
            raise await self._error("check", error) from error
        warnings = (
            capacity_warning(table, self.name),
            deletion_warning(table, self.name),
            await self._warning(),
        )
        return TableCheck(
            self._unfit(table),
            [f"The {self.what} {self.name} {warning}" for warning in warnings if warning],
        )

    async def _description(self) -> dict[str, Any]:
        client = await self._boto3_client()
        response = await call(
            self._threads, "DescribeTable", client.describe_table, TableName=self.name
        )
        return cast(dict[str, Any], response["Table"])

    async def _warning(self) -> str | None:
        """What the table lacks beside its layout; None if nothing."""
        operation = "DescribeContinuousBackups"
        try:
            client = await self._boto3_client()
            response = await call(
                self._threads,
                operation,
                client.describe_continuous_backups,
                TableName=self.name,
            )
        except AwsError as error:
            return f"may have no point-in-time recovery: {error}"
        return recovery_warning(response["ContinuousBackupsDescription"], self.name)

    def _unfit(self, table: Item) -> str | None:
        """Why the table cannot be used, and what to do."""
        found = "; ".join(differences(table, self._definition()))
        if not found:
            return None
        return (
            f"The {self.what} {self.name} has another layout than needed: {found}. Change it, or "
            f"set {self.setting} to another name and run `drs-waves init-tables`"
        )

    async def endpoint(self) -> str | None:
        """The URL that calls go to; None without a Region."""
        try:
            return str((await self._boto3_client()).meta.endpoint_url)
        except AwsError:
            return None

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
        self, kind: str, *, where: ConditionBase | None = None, limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """The items of a `Kind` that pass a filter, by the index's range key, highest first.

        Args:
            kind: the `Kind`.
            where: the filter; default: all pass.
            limit: how many are needed, so that no more are read at once.
        """
        request: dict[str, Any] = {"IndexName": self.index[0], "ScanIndexForward": False}
        if where is not None:
            request["FilterExpression"] = where
        elif limit is not None:
            # DynamoDB counts what it reads, not what passes a filter.
            request["Limit"] = limit
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
            raise await self._error("read", error) from error

    async def _boto3_client(self) -> Any:
        """The client of boto3's DynamoDB resource, which uses Python's types.

        boto3's `Table` does too, but is not safe for threads.
        """
        async with self._connecting:
            if self._client is None:
                dynamodb = await call(
                    self._threads,
                    "DynamoDB",
                    checked_session().resource,
                    service_name="dynamodb",
                    # boto3 itself reads AWS_DEFAULT_REGION only.
                    region_name=cast(Any, self._region or os.environ.get("AWS_REGION")),
                    config=Config(read_timeout=10),
                )
                self._client = dynamodb.meta.client
            return self._client

    async def _error(self, what: str, error: AwsError) -> TableError:
        hint, remedy = "", dict[str, str]()
        is_missing = "ResourceNotFoundException" in str(error)
        if is_missing or "ValidationException" in str(error):
            try:
                unfit = self._unfit(await self._description())
                hint = f" {unfit}." if unfit else ""
            except AwsError:
                if is_missing:
                    hint, remedy = " The table does not exist.", _CREATE
        elif "NoRegion" in str(error) or "region" in str(error).lower():
            hint = " Set AWS_REGION or DRS_WAVES_HISTORY_REGION."
        why = str(error).rstrip(".")
        text = f"Cannot {what} the {self.what} {self.name}: {why}.{hint}"
        return self.error(text, **remedy)


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


def _keys(*names: str) -> list[dict[str, str]]:
    kinds = zip(names, ("HASH", "RANGE"), strict=False)
    return [{"AttributeName": name, "KeyType": kind} for name, kind in kinds]
