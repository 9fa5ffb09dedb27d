"""Polls the state of executions once for all pages and event streams.

However many pages and event streams show an execution, one query a second goes to Temporal. While
none is open, no query is sent.
"""

import asyncio
import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from client.errors import RefusedError, UnreachableError, all_unreachable
from client.executions import LastKnownState, closed_status, execution_state
from client.health import LaunchHealth
from client.recoveries.step_revert import with_reverts
from contract.identifiers import plan_id_of
from recovery.execution.state import ExecutionState
from security.encryption import EncryptionError
from storage.dynamodb import TableError
from storage.history import HistoryTable

T = TypeVar("T")

POLL_SECONDS = 1.0
# The history of an ended execution can still change: late servers, a clean-up.
_ENDED_POLL_SECONDS = 5.0
# So that a reloaded page shows the last snapshot at once.
_LINGER_SECONDS = 10.0
# A new connection to Temporal may take longer, but people must learn of it within 5 s.
_CONNECT_SECONDS = 3.0


class UnknownExecutionError(Exception):
    """Neither Temporal nor the history has this execution."""


class OutdatedError(UnreachableError, Generic[T]):
    """The source does not answer; only an earlier value is known.

    Attributes:
        value: the last known value.
        seen_time: when it was current (epoch seconds).
        is_final: nothing newer will come, even if an older poll passed for current later.
    """

    def __init__(self, reason: str, value: T, seen_time: float, *, is_final: bool) -> None:
        super().__init__(reason)
        self.value = value
        self.seen_time = seen_time
        self.is_final = is_final


_TRANSIENT_ERRORS = (UnreachableError, RPCError, TableError, EncryptionError)
# All that a poll raises.
POLL_ERRORS = (UnknownExecutionError, RefusedError, *_TRANSIENT_ERRORS)


@dataclass(frozen=True)
class Snapshot(Generic[T]):
    """The result of the last successful poll, or the last known value.

    Attributes:
        value: the result.
        seen_time: when it was last confirmed, or current (epoch seconds).
        number: increases with every change of `value` or `error`.
        error: why the last poll failed; "" if it succeeded.
    """

    value: T
    seen_time: float
    number: int
    error: str = ""


class Poller(ABC, Generic[T]):
    """Polls one source while there are subscribers.

    Attributes:
        latest: the last snapshot; None before the first successful poll.
    """

    def __init__(self) -> None:
        """Create a poller that does not poll yet."""
        self.latest: Snapshot[T] | None = None
        self._failure: Exception | None = None
        self._logged = ""
        self._changed = asyncio.Condition()
        self._poll_lock = asyncio.Lock()
        self._subscribers = 0
        self._left_at = time.monotonic()
        self._polled_at = -math.inf
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def fetch(self, known: T | None) -> T:
        """Read the source once; gets the last value.

        Raises:
            OutdatedError: the source does not answer; has a value that may be newer than the last.
        """

    @abstractmethod
    def pause(self, known: T | None) -> float:
        """The seconds until the next poll; gets the last value."""

    @property
    def is_idle(self) -> bool:
        """Whether there have been no subscribers for a while."""
        return not self._subscribers and time.monotonic() - self._left_at > _LINGER_SECONDS

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[Self]:
        """Poll while the block runs."""
        self._subscribers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self._subscribers -= 1
            self._left_at = time.monotonic()

    async def fresh(self, within: float = POLL_SECONDS) -> Snapshot[T]:
        """The snapshot of a poll that ended at most this long ago; polls now if there was none.

        Args:
            within: seconds.

        Raises:
            Exception: the error of the poll.
        """
        async with self._poll_lock:
            if self._age() > within:
                await self._poll_once()
        return await self.newer_than(0)

    async def newer_than(self, number: int) -> Snapshot[T]:
        """Wait for a snapshot with a higher number.

        Raises:
            Exception: the error of the poll, if there is no newer snapshot.
        """
        async with self._changed:
            while self._failure is None and (self.latest is None or self.latest.number <= number):
                await self._changed.wait()
            if self.latest is not None and self.latest.number > number:
                return self.latest
            assert self._failure is not None
            raise self._failure

    async def newer_within(self, seconds: float, number: int) -> Snapshot[T] | None:
        """The same; None if there is no newer snapshot within this time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.newer_than(number)
        except TimeoutError:
            return None

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._subscribers:
            async with self._poll_lock:
                # A caller of `fresh` may have polled just now.
                if self._age() > POLL_SECONDS / 2:
                    await self._poll_once()
            await asyncio.sleep(self.pause(self.latest.value if self.latest else None))

    def _age(self) -> float:
        """Seconds since the last poll; infinite if it gave nothing to show."""
        return math.inf if self._failure is not None else time.monotonic() - self._polled_at

    async def _poll_once(self) -> None:
        try:
            await self._read_once()
        finally:
            self._polled_at = time.monotonic()

    async def _read_once(self) -> None:
        known = self.latest
        try:
            value = await self.fetch(known.value if known else None)
        except Exception as raised:
            error = self._explained(raised)
            if isinstance(error, OutdatedError) and (
                known is None
                or known.seen_time < error.seen_time
                or (error.is_final and known.value != error.value)
            ):
                number = known.number if known else 0
                known = Snapshot(error.value, error.seen_time, number)
            if known is None or not isinstance(error, _TRANSIENT_ERRORS):
                await self._publish(known, error)
            elif known.error != str(error):
                await self._publish(replace(known, error=str(error), number=known.number + 1))
            return
        now = time.time()
        if known is not None and known.value == value and not known.error:
            self.latest, self._failure = replace(known, seen_time=now), None
            return
        await self._publish(Snapshot(value, now, known.number + 1 if known else 1))

    def _explained(self, error: Exception) -> Exception:
        """The error of a poll as it is shown; an unexpected one is logged once, not every poll."""
        if isinstance(error, POLL_ERRORS):
            return error
        if repr(error) != self._logged:
            self._logged = repr(error)
            structlog.get_logger().error("unexpected error in a poll", exc_info=error)
        return UnreachableError("internal error of drs-waves; see the log of the server")

    async def _publish(
        self, snapshot: Snapshot[T] | None, failure: Exception | None = None
    ) -> None:
        async with self._changed:
            self.latest, self._failure = snapshot, failure
            self._changed.notify_all()


class ExecutionPoller(Poller[ExecutionState]):
    """Polls an execution: Temporal's state, and once it has ended, the history's.

    Attributes:
        is_settled: it has ended, the history has its final state, and no wave can change any more.
    """

    def __init__(
        self,
        execution_id: str,
        connect: Callable[[], Awaitable[Client]],
        history: HistoryTable,
        health: LaunchHealth,
    ) -> None:
        super().__init__()
        self._execution_id = execution_id
        self._connect = connect
        self._history = history
        self._health = health
        self._is_recorded = False
        self.is_settled = False

    def pause(self, known: ExecutionState | None) -> float:
        """Longer once the end of the execution is recorded."""
        return _ENDED_POLL_SECONDS if known and self._is_recorded else POLL_SECONDS

    async def fetch(self, known: ExecutionState | None) -> ExecutionState:
        """Read the state from Temporal; once the execution has ended, from the history."""
        temporal_error: Exception | None = None
        is_read = is_closed = False
        if known is None or known.end_time is None:
            plan_id = plan_id_of(self._execution_id)
            try:
                client = await self._connected()
                # First, so that the state of a closed workflow is its last one.
                is_closed = await closed_status(client, plan_id, self._execution_id) is not None
                state = await execution_state(client, plan_id)
            except (RefusedError, UnreachableError, RPCError) as error:
                # A closed workflow may be that of another execution, or its retention is over.
                temporal_error = None if is_closed and isinstance(error, RefusedError) else error
            else:
                if state.execution_id == self._execution_id:
                    known, is_read = state, True
                    if not is_closed and state.end_time is None:
                        state = await with_reverts(self._history, state)
                        return await self._with_problems(client, state)
        try:
            found = await self._history.execution(self._execution_id)
        except TableError as error:
            if not is_read:
                temporal_errors = [temporal_error] if temporal_error else []
                raise all_unreachable(*temporal_errors, error) from error
            # Temporal's answer is enough to show the end.
            found = None
        reason = None if is_closed else temporal_error
        if found is not None:
            return self._recorded(found[0], known, reason)
        if known is None:
            unknown = UnknownExecutionError(f"there is no execution {self._execution_id!r}")
            raise temporal_error or unknown
        if reason is not None:
            raise reason
        if known.end_time is None:
            raise self._outdated(known, None)
        return known

    def _outdated(
        self, last: ExecutionState, error: Exception | None
    ) -> OutdatedError[ExecutionState]:
        """The last known state; without an error, Temporal no longer runs the execution."""
        closed = (
            f"Temporal no longer runs {self._execution_id}, which has no recorded end; its jobs "
            "may go on in DRS, and a new execution can continue it"
        )
        reason, is_closed = str(error or closed), error is None
        state = LastKnownState.of(last, reason, is_closed=is_closed)
        return OutdatedError(reason, state, state.recorded_time, is_final=is_closed)

    def _recorded(
        self, recorded: ExecutionState, known: ExecutionState | None, error: Exception | None
    ) -> ExecutionState:
        """The recorded state, if it is the final one."""
        # The record of an execution that has just ended is written a moment later.
        if known is not None and known.end_time and known.revision > recorded.revision:
            return known
        if recorded.end_time is None:
            # The record may be old and must not pass for the current state.
            newest = _newest(known, recorded) if known else recorded
            raise self._outdated(newest, error) from error
        self._is_recorded = True
        self.is_settled = all(
            wave.status.is_settled and not wave.open_job_ids for wave in recorded.waves
        )
        return recorded

    async def _connected(self) -> Client:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._connect()
        except TimeoutError as error:
            raise UnreachableError("Temporal does not answer") from error

    async def _with_problems(self, client: Client, state: ExecutionState) -> ExecutionState:
        """The state, with what keeps executions from launching as warnings."""
        try:
            problems = await self._health.problems(client)
        except (RefusedError, UnreachableError, RPCError):
            return state
        return state.model_copy(update={"warnings": state.warnings + problems})


def _newest(known: ExecutionState, recorded: ExecutionState) -> ExecutionState:
    """The newer of each: only Temporal knows what waves wait for that were never launched."""
    records = {wave.wave_id: wave for wave in recorded.waves}
    waves = [max(wave, records[wave.wave_id], key=lambda w: w.revision) for wave in known.waves]
    header = max(known, recorded, key=lambda state: state.revision)
    return header.model_copy(update={"waves": waves})


class ExecutionHub:
    """The pollers of this process, one per execution."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        history: HistoryTable,
        health: LaunchHealth,
    ) -> None:
        """Create a hub without pollers.

        Args:
            connect: returns the connection to Temporal, which is made on first use.
            history: has the executions that Temporal no longer has.
            health: what keeps executions from launching.
        """
        self._health = health
        self._connect = connect
        self._history = history
        self._pollers: dict[str, ExecutionPoller] = {}

    def execution(self, execution_id: str) -> ExecutionPoller:
        """The poller of an execution."""
        self._pollers = {i: each for i, each in self._pollers.items() if not each.is_idle}
        if execution_id not in self._pollers:
            self._pollers[execution_id] = ExecutionPoller(
                execution_id, self._connect, self._history, self._health
            )
        return self._pollers[execution_id]

    async def state(self, execution_id: str) -> ExecutionState:
        """The state of an execution, at most `POLL_SECONDS` old.

        Raises:
            UnknownExecutionError: neither Temporal nor the history has the execution.
            UnreachableError: the current state cannot be read.
        """
        async with self.execution(execution_id).subscribed() as poller:
            snapshot = await poller.fresh()
        if snapshot.error:
            raise UnreachableError(snapshot.error)
        return snapshot.value

    async def close(self) -> None:
        """Stop all pollers."""
        await asyncio.gather(*(each.close() for each in self._pollers.values()))
