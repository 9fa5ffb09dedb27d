"""The activities that write the execution history."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from aws.errors import AwsError
from contract.cleanup import CleanupScope
from recovery.history.record import HistoryRecord
from storage.history import HistoryError, HistoryTable, first_error


class HistoryActivities:
    """The activities that write and read the history."""

    def __init__(self, table: HistoryTable) -> None:
        self._table = table

    @activity.defn
    async def record(self, record: HistoryRecord) -> None:
        """Write a record to the history; Temporal retries until DynamoDB accepts it."""
        async with heartbeating():
            try:
                await self._table.write(record)
            except* AwsError as group:
                first = first_error(group)
                raise ApplicationError(
                    f"The history could not be written: {first}", type="HistoryUnavailable"
                ) from first

    @activity.defn
    async def cleanup_scope(self, execution_id: str) -> CleanupScope:
        """Read from the history what an execution has launched.

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
