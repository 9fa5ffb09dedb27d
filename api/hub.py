"""Executions as last seen: one look serves everybody who watches.

However many pages and event streams are open on an execution, Temporal is asked for its state
once a second, and not at all while nobody watches.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

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

LOOK_SECONDS = 1.0
# What has ended may still be recorded: servers that arrive late, a clean-up.
_ENDED_LOOK_SECONDS = 5.0
# A page that is loaded again finds what the last one saw.
_LINGER_SECONDS = 10.0
_IDLE_STEP_SECONDS = 0.2
_TRANSIENT_ERRORS = (UnreachableError, RPCError, TableError)


class UnknownExecutionError(Exception):
    """Neither Temporal nor the history knows an execution."""


@dataclass(frozen=True)
class Sight(Generic[T]):
    """Something as it was last seen.

    Attributes:
        value: what was seen.
        seen_time: when (epoch seconds).
        number: grows with every change of `value` or `error`.
        error: why it could not be looked at since; "" where the last look succeeded.
    """

    value: T
    seen_time: float
    number: int
    error: str = ""


class Lookout(Generic[T]):
    """Looks at one thing again and again while somebody watches."""

    def __init__(
        self, look: Callable[[T | None], Awaitable[T]], pause: Callable[[T | None], float]
    ) -> None:
        """Prepare.

        Args:
            look: looks once, given what was seen last.
            pause: seconds until the next look, given what was seen last.
        """
        self._look = look
        self._pause = pause
        self._sight: Sight[T] | None = None
        self._failed: Exception | None = None
        self._changed = asyncio.Condition()
        self._one_at_a_time = asyncio.Lock()
        self._watchers = 0
        self._looking: asyncio.Task[None] | None = None

    @property
    def sight(self) -> Sight[T] | None:
        """What was seen last; None before the first look."""
        return self._sight

    @property
    def is_idle(self) -> bool:
        """Whether nobody watches and nothing is looked at."""
        return not self._watchers and (self._looking is None or self._looking.done())

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Lookout[T]"]:
        """Have it looked at inside the block."""
        self._watchers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            yield self
        finally:
            self._watchers -= 1

    async def fresh(self, within: float = LOOK_SECONDS) -> Sight[T]:
        """What was seen within so many seconds; looks now if it was seen before.

        Raises:
            Exception: what the look met.
        """
        async with self._one_at_a_time:
            if self._age() > within:
                await self._once()
        return await self.newer_than(0)

    async def newer_than(self, number: int) -> Sight[T]:
        """The next sight after the one of this number.

        Raises:
            Exception: what the first look met, if there has been no sight.
        """
        async with self._changed:
            while self._failed is None and (self._sight is None or self._sight.number <= number):
                await self._changed.wait()
            if self._sight is not None and self._sight.number > number:
                return self._sight
            assert self._failed is not None
            raise self._failed

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def _look_on(self) -> None:
        idle_since: float | None = None
        while idle_since is None or time.monotonic() - idle_since < _LINGER_SECONDS:
            if self._watchers:
                idle_since = None
                async with self._one_at_a_time:
                    # Somebody who asked for a fresh sight may have looked just now.
                    if self._age() > LOOK_SECONDS / 2:
                        await self._once()
                await asyncio.sleep(self._pause(self._sight.value if self._sight else None))
            else:
                idle_since = idle_since or time.monotonic()
                await asyncio.sleep(_IDLE_STEP_SECONDS)

    def _age(self) -> float:
        """Seconds since the last look that succeeded, by the wall clock, which may be set back."""
        if self._sight is None or self._failed is not None:
            return math.inf
        return abs(time.time() - self._sight.seen_time)

    async def _once(self) -> None:
        known = self._sight
        try:
            value = await self._look(known.value if known else None)
        except _TRANSIENT_ERRORS as error:
            if known is None:
                await self._tell(None, error)
            elif known.error != str(error):
                await self._tell(replace(known, error=str(error), number=known.number + 1))
            return
        except (UnknownExecutionError, RefusedError) as error:
            await self._tell(known, error)
            return
        now = time.time()
        if known is not None and known.value == value and not known.error:
            self._sight, self._failed = replace(known, seen_time=now), None
            return
        await self._tell(Sight(value, now, known.number + 1 if known else 1))

    async def _tell(self, sight: Sight[T] | None, failed: Exception | None = None) -> None:
        async with self._changed:
            self._sight, self._failed = sight, failed
            self._changed.notify_all()


class Hub:
    """The lookouts of this process, one an execution."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], history: HistoryTable) -> None:
        """Prepare.

        Args:
            connect: gives the connection to Temporal, made when it is first needed.
            history: where executions are that Temporal no longer knows.
        """
        self._connect = connect
        self._history = history
        self._lookouts: dict[str, Lookout[ExecutionState]] = {}
        # Of those that are looked at: whose end is recorded, and of whom nothing more will come.
        self._recorded: set[str] = set()
        self._settled: set[str] = set()

    def execution(self, execution_id: str) -> Lookout[ExecutionState]:
        """The lookout for an execution."""
        self._forget()
        if execution_id not in self._lookouts:

            async def look(known: ExecutionState | None) -> ExecutionState:
                return await self._look(execution_id, known)

            def pause(known: ExecutionState | None) -> float:
                is_recorded = execution_id in self._recorded
                return _ENDED_LOOK_SECONDS if known and is_recorded else LOOK_SECONDS

            self._lookouts[execution_id] = Lookout(look, pause)
        return self._lookouts[execution_id]

    async def state(self, execution_id: str) -> ExecutionState:
        """An execution as it is now, or was a moment ago.

        Raises:
            UnknownExecutionError: nobody knows it.
            UnreachableError: neither Temporal nor the history could be asked.
        """
        async with self.execution(execution_id).watching() as lookout:
            return (await lookout.fresh()).value

    def is_settled(self, execution_id: str) -> bool:
        """Whether an execution that is looked at has ended and its history has all of it."""
        return execution_id in self._settled

    async def close(self) -> None:
        """Look no more."""
        await asyncio.gather(*(each.close() for each in self._lookouts.values()))

    def _forget(self) -> None:
        self._lookouts = {i: each for i, each in self._lookouts.items() if not each.is_idle}
        self._recorded &= self._lookouts.keys()
        self._settled &= self._recorded

    async def _look(self, execution_id: str, known: ExecutionState | None) -> ExecutionState:
        """Look at an execution in Temporal; once it has ended, in the history."""
        temporal_error: Exception | None = None
        if known is None or known.end_time is None:
            try:
                client = await self._connect()
                state = await execution_state(client, plan_id_of(execution_id))
            except RefusedError:
                # Temporal knows no execution of this plan, or no longer.
                pass
            except (UnreachableError, RPCError) as error:
                temporal_error = error
            else:
                if state.execution_id == execution_id:
                    return await self._after_its_end(state) if state.end_time else state
        return await self._by_record(execution_id, known, temporal_error)

    async def _after_its_end(self, state: ExecutionState) -> ExecutionState:
        try:
            return await self._by_record(state.execution_id, state, None)
        except UnreachableError:
            # That it has ended is known all the same.
            return state

    async def _by_record(
        self, execution_id: str, known: ExecutionState | None, temporal_error: Exception | None
    ) -> ExecutionState:
        try:
            found = await self._history.execution(execution_id)
        except TableError as error:
            message = f"{temporal_error}; {error}" if temporal_error else str(error)
            raise UnreachableError(message) from error
        if temporal_error is not None and (found is None or found[0].end_time is None):
            # The record may be old, and is not said to be the state of now.
            raise temporal_error
        if found is None:
            if known is not None:
                return known
            raise UnknownExecutionError(f"there is no execution {execution_id!r}")
        recorded = found[0]
        # The record of an execution that has just ended comes a moment later.
        if known is not None and known.revision > recorded.revision:
            return known
        if recorded.end_time is not None:
            self._recorded.add(execution_id)
            if all(map(_is_over, recorded.waves)):
                self._settled.add(execution_id)
        return recorded


def _is_over(wave: WaveState) -> bool:
    """Whether nothing more will be observed of a wave: each of its jobs has ended."""
    return wave.status.is_settled and not wave.open_job_ids
