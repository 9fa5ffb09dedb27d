"""Reads the running executions that may wait for decisions, a few at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from temporalio.client import Client
from temporalio.service import RPCError

from client.decisions.inbox import Inbox, ReadExecution, inbox_of
from client.decisions.portfolio_questions import RunningPortfolios
from client.errors import NoWorkerError, RefusedError, UnreachableError, all_unreachable
from client.executions import LastKnownState
from client.health import LaunchHealth
from client.overview import MAX_ROWS, ExecutionRow, merged, running_executions
from client.recoveries.state_reader import StateReader
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.portfolio.state import PortfolioState
from storage.history import HistoryError, HistoryTable

_AT_ONCE = 20
_LIST_SECONDS = 5.0
_STATE_SECONDS = 3.0
_HISTORY_SECONDS = 2.0
# Afterwards only last known states are read.
_ALL_STATES_SECONDS = 6.0
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)
_UNAVAILABLE = (UnreachableError, RPCError)


@dataclass(frozen=True)
class InboxState:
    """What one look at all running executions found.

    Attributes:
        portfolios: that run and may wait for decisions of their own.
        warnings: what keeps executions from launching, and what could not be read.
        is_complete: whether all running executions are known.
    """

    executions: list[ReadExecution]
    portfolios: tuple[PortfolioState, ...] = ()
    warnings: tuple[str, ...] = ()
    is_complete: bool = True

    @cached_property
    def inbox(self) -> Inbox:
        """The open decisions of the executions."""
        return inbox_of(
            self.executions, self.portfolios, self.warnings, is_complete=self.is_complete
        )


class InboxReader:
    """Reads all running executions; of one that does not answer, the last known state."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        history: HistoryTable,
        health: LaunchHealth,
        states: StateReader | None = None,
    ) -> None:
        """Create a reader that remembers the states that it has read.

        Args:
            connect: returns the connection to Temporal.
            history: has the recorded states.
            health: what keeps executions from launching.
            states: reads states for others too; default: only for this one.
        """
        self._connect = connect
        self._history = history
        self._health = health
        self._client: Client | None = None
        self._portfolios = RunningPortfolios()
        # By execution, with the time when it was current (epoch seconds).
        self._seen: dict[str, tuple[ExecutionState, float]] = {}
        self._states = states or StateReader()

    async def read(self) -> InboxState:
        """Read each running execution.

        Raises:
            UnreachableError: neither Temporal nor the history answers.
        """
        try:
            client, rows = await self._running()
        except _UNAVAILABLE as error:
            reason = str(error)
            rows = await self._recorded_rows(error)
            found = await self._read_all(rows, lambda row: self._last_known(row, reason))
            warning = f"which executions run is not known: {reason}"
            return InboxState(found, warnings=(warning,), is_complete=False)
        portfolios, unread = await self._portfolios.read(client)
        if not rows:
            return InboxState([], tuple(portfolios), unread)
        idle, warnings = await self._problems(client)
        until = time.monotonic() + _ALL_STATES_SECONDS
        found = await self._read_all(rows, lambda row: self._read_one(client, row, idle, until))
        running = {row.execution_id for row in rows}
        self._seen = {i: each for i, each in self._seen.items() if i in running}
        self._states.keep(running)
        return InboxState(found, tuple(portfolios), (*warnings, *unread))

    async def _running(self) -> tuple[Client, list[ExecutionRow]]:
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                client = self._client = self._client or await self._connect()

                async def connected() -> Client:
                    return client

                return client, await running_executions(connected)
        except TimeoutError as error:
            raise UnreachableError("Temporal does not answer") from error

    async def _recorded_rows(self, error: Exception) -> list[ExecutionRow]:
        """The executions that may run, as far as they are recorded or were read before."""
        known = [state for state, _ in self._seen.values()]
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                known += await self._history.executions(limit=MAX_ROWS)
        except (HistoryError, TimeoutError) as failure:
            if not known:
                raise all_unreachable(error, failure) from failure
        by_id = {state.execution_id: state for state in known if state.status in _OPEN}
        return merged(None, [*by_id.values()])

    async def _problems(self, client: Client) -> tuple[NoWorkerError | None, tuple[str, ...]]:
        """Why no worker answers, and all that keeps executions from launching."""
        try:
            problems = await self._health.problems(client)
            return await self._health.idle_reason(client), tuple(problems)
        except (RefusedError, *_UNAVAILABLE) as error:
            return None, (f"whether launches proceed is unknown: {error}",)

    async def _read_all(
        self,
        rows: Sequence[ExecutionRow],
        read: Callable[[ExecutionRow], Awaitable[ReadExecution]],
    ) -> list[ReadExecution]:
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def limited(row: ExecutionRow) -> ReadExecution:
            async with at_once:
                return await read(row)

        return list(await asyncio.gather(*map(limited, rows)))

    async def _read_one(
        self, client: Client, row: ExecutionRow, idle: NoWorkerError | None, until: float
    ) -> ReadExecution:
        if idle is not None:
            return await self._last_known(row, str(idle))
        left = max(0.0, min(_STATE_SECONDS, until - time.monotonic()))
        try:
            async with asyncio.timeout(left):
                state = await self._states.state(client, row)
        except TimeoutError:
            return await self._last_known(row, "no worker answered in time")
        except (RefusedError, *_UNAVAILABLE) as error:
            return await self._last_known(row, str(error))
        self._seen[row.execution_id] = state, time.time()
        return ReadExecution(row, state)

    async def _last_known(self, row: ExecutionRow, reason: str) -> ReadExecution:
        """The newer of the state that was read last and the recorded one."""
        seen = self._seen.get(row.execution_id)
        try:
            async with asyncio.timeout(_HISTORY_SECONDS):
                recorded = await self._history.execution(row.execution_id)
        except (HistoryError, TimeoutError):
            recorded = None
        if recorded and (seen is None or recorded[0].revision > seen[0].revision):
            return ReadExecution(row, LastKnownState.of(recorded[0], reason), reason)
        if seen is None:
            return ReadExecution(row, None, reason)
        known = {"recorded_time": seen[1], "outdated_reason": reason}
        state = LastKnownState.model_validate(dict(seen[0]) | known)
        return ReadExecution(row, state, reason)
