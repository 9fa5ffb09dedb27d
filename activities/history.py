"""The activities that write, read and repair the execution history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.execution_state import StateUnavailableError, read_temporal_state
from activities.heartbeat import heartbeating
from activities.steps.earlier_steps import begun_steps
from contract.cleanup import CleanupScope
from contract.execution import ExecutionRun, HistoryRepair, TakenOver
from recovery.execution.state import ExecutionState
from recovery.history.comparison import Difference, TemporalState, compare, repair_record
from recovery.history.record import HistoryRecord
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.model import RecoveryPlan
from storage.history import HistoryError, HistoryTable

# A wave whose workflow answers nobody any more, for example because its code has changed since,
# must not hold a recovery back: then its steps are in doubt.
_TRIES_TO_ASK_WAVES = 3


class HistoryActivities:
    """The activities of the history.

    Temporal retries them while DynamoDB or Temporal does not answer.
    """

    def __init__(self, table: HistoryTable) -> None:
        self._table = table

    @activity.defn
    async def record(self, record: HistoryRecord) -> None:
        """Write a record to the history."""
        async with _retried_while_unavailable():
            await self._table.write(record)

    @activity.defn
    async def record_deliveries(self, records: list[DeliveryRecord]) -> None:
        """Write what became of messages to the history."""
        async with _retried_while_unavailable():
            await self._table.add_deliveries(records)

    @activity.defn
    async def cleanup_scope(self, execution_id: str) -> CleanupScope:
        """Read from the history what an execution has launched.

        Raises:
            ApplicationError: not retryable; the history does not have the execution.
        """
        async with _retried_while_unavailable():
            return CleanupScope.of(*await self._recorded(execution_id))

    @activity.defn
    async def read_taken_over(self, execution_id: str) -> TakenOver:
        """Read from the history an execution's servers that have a job, and its steps that began.

        Servers are without reasons. Those whose instance its clean-up terminated are left out.
        Waves of it that still run begin no step any more.

        Raises:
            ApplicationError: not retryable; the history does not have the execution.
        """
        must_answer = activity.info().attempt <= _TRIES_TO_ASK_WAVES
        async with _retried_while_unavailable():
            state, _ = await self._recorded(execution_id)
            steps = await begun_steps(
                activity.client(), state, self._state, must_answer=must_answer
            )
        servers = (server for wave in state.waves for server in wave.servers)
        return TakenOver(
            servers=[
                s.model_copy(update={"reason": None})
                for s in servers
                if s.recovery_job_id and not state.has_terminated(s)
            ],
            steps={
                wave_id: begun
                for wave_id, states in steps.items()
                if (begun := [step for step in states if step.is_known])
            },
        )

    async def _state(self, execution_id: str) -> ExecutionState | None:
        recorded = await self._table.execution(execution_id)
        return None if recorded is None else recorded[0]

    async def _recorded(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan]:
        recorded = await self._table.execution(execution_id)
        if recorded is None:
            raise ApplicationError(
                f"The history table {self._table.name} holds no execution {execution_id!r}",
                type="UnknownExecution",
                non_retryable=True,
            )
        return recorded

    @activity.defn
    async def repair_history(self, run: ExecutionRun) -> HistoryRepair:
        """Repair the history of an execution after its end, until it is complete."""
        async with _retried_while_unavailable():
            # First, so that no attempt replays many workflows while DynamoDB is unavailable.
            await self._table.entries(run.execution_id)
            temporal_state = await read_temporal_state(activity.client(), run)
            differences = await verify(self._table, temporal_state, repair=True)
        return HistoryRepair(
            repaired=[each.item for each in differences if each.is_repaired],
            remaining=[each.item for each in differences if not each.is_settled],
        )


async def verify(
    table: HistoryTable, temporal_state: TemporalState, *, repair: bool
) -> list[Difference]:
    """Compare the history with Temporal's state of an execution.

    It may run while workflows record the execution: an older item never replaces a newer one.

    Args:
        table: the history.
        temporal_state: read before; items that were recorded since are newer, not wrong.
        repair: also write the items that are missing, outdated or altered, and read them back.

    Returns:
        The differences, each with whether it was repaired.

    Raises:
        HistoryError: the history cannot be read, or not be written now.
    """
    execution_id = temporal_state.state.execution_id
    differences = compare(temporal_state, await table.entries(execution_id))
    repairable = [each.item for each in differences if each.can_be_repaired]
    if not repair or not repairable:
        return differences
    await table.rewrite(repair_record(temporal_state, repairable))
    after = compare(temporal_state, await table.entries(execution_id))
    remaining = [each.item for each in after if not each.is_expected]
    return [
        each.model_copy(
            update={"is_repaired": each.item in repairable and each.item not in remaining}
        )
        for each in differences
    ]


@asynccontextmanager
async def _retried_while_unavailable() -> AsyncIterator[None]:
    async with heartbeating():
        try:
            yield
        except (HistoryError, StateUnavailableError) as error:
            raise ApplicationError(str(error), type="HistoryUnavailable") from error
