"""Polls the state of executions once for all pages and event streams.

However many pages and event streams show an execution, one query a second goes to Temporal. While
none is open, no query is sent.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from client.errors import RefusedError, UnreachableError
from client.executions import execution_state
from contract.identifiers import plan_id_of
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from storage.dynamodb import TableError
from storage.history import HistoryTable

T = TypeVar("T")

POLL_SECONDS = 1.0
# The history of an ended execution can still change: late servers, a clean-up.
_ENDED_POLL_SECONDS = 5.0
# So that a reloaded page shows the last snapshot at once.
_LINGER_SECONDS = 10.0
_IDLE_STEP_SECONDS = 0.2
_TRANSIENT_ERRORS = (UnreachableError, RPCError, TableError)


class UnknownExecutionError(Exception):
    """Neither Temporal nor the history has this execution."""


@dataclass(frozen=True)
class Snapshot(Generic[T]):
    """The result of the last successful poll.

    Attributes:
        value: the result.
        seen_time: when it was last confirmed (epoch seconds).
        number: increases with every change of `value` or `error`.
        error: why the last poll failed; "" if it succeeded.
    """

    value: T
    seen_time: float
    number: int
    error: str = ""


class Poller(Generic[T]):
    """Polls one source while there are subscribers."""

    def __init__(
        self, fetch: Callable[[T | None], Awaitable[T]], pause: Callable[[T | None], float]
    ) -> None:
        """Create a poller that does not poll yet.

        Args:
            fetch: reads the source once; gets the last value.
            pause: returns the seconds until the next poll; gets the last value.
        """
        self._fetch = fetch
        self._pause = pause
        self._latest: Snapshot[T] | None = None
        self._failure: Exception | None = None
        self._changed = asyncio.Condition()
        self._poll_lock = asyncio.Lock()
        self._subscribers = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def latest(self) -> Snapshot[T] | None:
        """The last snapshot; None before the first successful poll."""
        return self._latest

    @property
    def is_idle(self) -> bool:
        """Whether there are no subscribers and polling has stopped."""
        return not self._subscribers and (self._task is None or self._task.done())

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator["Poller[T]"]:
        """Poll while the block runs."""
        self._subscribers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            self._subscribers -= 1

    async def fresh(self, within: float = POLL_SECONDS) -> Snapshot[T]:
        """A snapshot that is at most this old; polls now if the last one is older.

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
            while self._failure is None and (self._latest is None or self._latest.number <= number):
                await self._changed.wait()
            if self._latest is not None and self._latest.number > number:
                return self._latest
            assert self._failure is not None
            raise self._failure

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        idle_since: float | None = None
        while idle_since is None or time.monotonic() - idle_since < _LINGER_SECONDS:
            if self._subscribers:
                idle_since = None
                async with self._poll_lock:
                    # A caller of `fresh` may have polled just now.
                    if self._age() > POLL_SECONDS / 2:
                        await self._poll_once()
                await asyncio.sleep(self._pause(self._latest.value if self._latest else None))
            else:
                idle_since = idle_since or time.monotonic()
                await asyncio.sleep(_IDLE_STEP_SECONDS)

    def _age(self) -> float:
        """Seconds since the last successful poll, by the wall clock, which may be set back."""
        if self._latest is None or self._failure is not None:
            return math.inf
        return abs(time.time() - self._latest.seen_time)

    async def _poll_once(self) -> None:
        known = self._latest
        try:
            value = await self._fetch(known.value if known else None)
        except _TRANSIENT_ERRORS as error:
            if known is None:
                await self._publish(None, error)
            elif known.error != str(error):
                await self._publish(replace(known, error=str(error), number=known.number + 1))
            return
        except (UnknownExecutionError, RefusedError) as error:
            await self._publish(known, error)
            return
        now = time.time()
        if known is not None and known.value == value and not known.error:
            self._latest, self._failure = replace(known, seen_time=now), None
            return
        await self._publish(Snapshot(value, now, known.number + 1 if known else 1))

    async def _publish(
        self, snapshot: Snapshot[T] | None, failure: Exception | None = None
    ) -> None:
        async with self._changed:
            self._latest, self._failure = snapshot, failure
            self._changed.notify_all()


ExecutionPoller: TypeAlias = Poller[ExecutionState]


class ExecutionHub:
    """The pollers of this process, one per execution."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], history: HistoryTable) -> None:
        """Create a hub without pollers.

        Args:
            connect: returns the connection to Temporal, which is made on first use.
            history: has the executions that Temporal no longer has.
        """
        self._connect = connect
        self._history = history
        self._pollers: dict[str, ExecutionPoller] = {}
        # Of the polled executions: those whose end is recorded, and those that cannot change.
        self._recorded: set[str] = set()
        self._settled: set[str] = set()

    def execution(self, execution_id: str) -> ExecutionPoller:
        """The poller of an execution."""
        self._drop_idle()
        if execution_id not in self._pollers:

            async def fetch(known: ExecutionState | None) -> ExecutionState:
                return await self._fetch(execution_id, known)

            def pause(known: ExecutionState | None) -> float:
                is_recorded = execution_id in self._recorded
                return _ENDED_POLL_SECONDS if known and is_recorded else POLL_SECONDS

            self._pollers[execution_id] = Poller(fetch, pause)
        return self._pollers[execution_id]

    async def state(self, execution_id: str) -> ExecutionState:
        """The state of an execution, at most `POLL_SECONDS` old.

        Raises:
            UnknownExecutionError: neither Temporal nor the history has the execution.
            UnreachableError: neither Temporal nor the history answered.
        """
        async with self.execution(execution_id).subscribed() as poller:
            return (await poller.fresh()).value

    def is_settled(self, execution_id: str) -> bool:
        """Whether a polled execution has ended and the history has its final state."""
        return execution_id in self._settled

    async def close(self) -> None:
        """Stop all pollers."""
        await asyncio.gather(*(each.close() for each in self._pollers.values()))

    def _drop_idle(self) -> None:
        self._pollers = {i: each for i, each in self._pollers.items() if not each.is_idle}
        self._recorded &= self._pollers.keys()
        self._settled &= self._recorded

    async def _fetch(self, execution_id: str, known: ExecutionState | None) -> ExecutionState:
        """Read the state from Temporal; once the execution has ended, from the history."""
        temporal_error: Exception | None = None
        if known is None or known.end_time is None:
            try:
                client = await self._connect()
                state = await execution_state(client, plan_id_of(execution_id))
            except RefusedError:
                # Temporal has no execution of this plan, or its retention is over.
                pass
            except (UnreachableError, RPCError) as error:
                temporal_error = error
            else:
                if state.execution_id == execution_id:
                    return await self._ended_state(state) if state.end_time else state
        return await self._recorded_state(execution_id, known, temporal_error)

    async def _ended_state(self, state: ExecutionState) -> ExecutionState:
        try:
            return await self._recorded_state(state.execution_id, state, None)
        except UnreachableError:
            # Temporal's answer is enough to show the end.
            return state

    async def _recorded_state(
        self, execution_id: str, known: ExecutionState | None, temporal_error: Exception | None
    ) -> ExecutionState:
        try:
            found = await self._history.execution(execution_id)
        except TableError as error:
            message = f"{temporal_error}; {error}" if temporal_error else str(error)
            raise UnreachableError(message) from error
        if temporal_error is not None and (found is None or found[0].end_time is None):
            # The record may be old and must not pass for the current state.
            raise temporal_error
        if found is None:
            if known is not None:
                return known
            raise UnknownExecutionError(f"there is no execution {execution_id!r}")
        recorded = found[0]
        # The record of an execution that has just ended is written a moment later.
        if known is not None and known.revision > recorded.revision:
            return known
        if recorded.end_time is not None:
            self._recorded.add(execution_id)
            if all(map(_is_over, recorded.waves)):
                self._settled.add(execution_id)
        return recorded


def _is_over(wave: WaveState) -> bool:
    """Whether a wave cannot change any more: it is settled and all its jobs have ended."""
    return wave.status.is_settled and not wave.open_job_ids
