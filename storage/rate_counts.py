"""Counts of requests in DynamoDB, which all servers share.

One item a counter, which DynamoDB deletes after its end. Nobody but the servers needs to write the
table: who writes it can reset a limit.
"""

from typing import Any

from aws.errors import AwsError
from aws.sessions import call
from settings import Settings
from storage.dynamodb import DynamoTable, TableError

_EXPIRES = "Expires"


class RateCountError(TableError):
    """A request could not be counted; the message says what to do."""


class RateCountTable(DynamoTable):
    """The DynamoDB table of the rate limits' counters. Its methods raise `RateCountError`."""

    what = "limit table"
    setting = "DRS_WAVES_LIMIT_TABLE"
    key = ("Counter",)
    error = RateCountError

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.limit_table, settings.history_region)

    async def count(self, counter: str, *, expires: int) -> int:
        """Add one to a counter.

        Args:
            counter: its name.
            expires: epoch seconds after which nobody reads it.

        Returns:
            The count with this one.
        """
        try:
            client = await self._boto3_client()
            # ADD is atomic. A repeat by botocore, after a lost response, counts twice.
            response = await call(
                self._threads,
                "UpdateItem",
                client.update_item,
                TableName=self.name,
                Key={self.key[0]: counter},
                UpdateExpression="ADD #count :one SET #expires = :expires",
                ExpressionAttributeNames={"#count": "Count", "#expires": _EXPIRES},
                ExpressionAttributeValues={":one": 1, ":expires": expires},
                ReturnValues="UPDATED_NEW",
            )
        except AwsError as error:
            raise await self._error("write", error) from error
        return int(response["Attributes"]["Count"])

    async def _finish(self, client: Any) -> None:
        """Have DynamoDB delete what has expired; if that is refused, `check` says so."""
        specification = {"AttributeName": _EXPIRES, "Enabled": True}
        try:
            await call(
                self._threads,
                "UpdateTimeToLive",
                client.update_time_to_live,
                TableName=self.name,
                TimeToLiveSpecification=specification,
            )
        except AwsError:
            return

    async def _warning(self) -> str | None:
        operation = "DescribeTimeToLive"
        try:
            client = await self._boto3_client()
            response = await call(
                self._threads, operation, client.describe_time_to_live, TableName=self.name
            )
        except AwsError as error:
            return f"may keep expired items: {error}"
        if response["TimeToLiveDescription"]["TimeToLiveStatus"] in ("ENABLED", "ENABLING"):
            return None
        return (
            "keeps expired items: "
            f"`aws dynamodb update-time-to-live --table-name {self.name} "
            f"--time-to-live-specification Enabled=true,AttributeName={_EXPIRES}`"
        )
