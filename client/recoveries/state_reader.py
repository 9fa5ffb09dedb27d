"""Reads the states of running executions; asks workers only about what has changed."""

from collections.abc import Collection

from temporalio.client import Client

from client.errors import RefusedError
from client.executions import HistoryPosition, execution_state, history_position
from client.overview import ExecutionRow
from recovery.execution.state import ExecutionState


class StateReader:
    """Remembers the states that it has read, for all who read running executions."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[HistoryPosition, ExecutionState]] = {}

    async def state(self, client: Client, row: ExecutionRow) -> ExecutionState:
        """The state of an execution; a worker is asked only if its history has grown.

        Raises:
            RefusedError: Temporal does not have it, or no longer runs it and it has no end.
            UnreachableError: Temporal or its workers did not answer.
        """
        # First, so that the state is never older than the position that it is kept with.
        position = await history_position(client, row.plan_id)
        known = self._read.get(row.execution_id)
        if known is not None and known[0] == position:
            return known[1]
        state = await execution_state(client, row.plan_id, row.execution_id or None)
        is_closed = position.is_closed or position.execution_id != row.execution_id
        if is_closed and state.end_time is None:
            raise RefusedError(f"Temporal no longer runs {row.execution_id}, which has no end")
        self._read[row.execution_id] = position, state
        return state

    def keep(self, execution_ids: Collection[str]) -> None:
        """Forget all other executions."""
        self._read = {i: each for i, each in self._read.items() if i in execution_ids}
