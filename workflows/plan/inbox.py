"""The operators' signals that wait to be handled."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

from temporalio import workflow

_PER_TASK = 50
_PAUSE_SECONDS = 0.01


Signal = tuple[str, tuple[Any, ...]]


class SignalInbox:
    """Handles signals, a few per workflow task.

    Signals that came while no worker ran are all in one task, which may not take two seconds.
    """

    def __init__(self, handle: Callable[[Sequence[Signal]], Awaitable[None]]) -> None:
        """Create an inbox; `handle` gets the name and inputs of some signals at a time."""
        self._handle = handle
        self._signals: deque[Signal] = deque()

    def put(self, name: str, inputs: tuple[Any, ...]) -> None:
        """Add a signal."""
        self._signals.append((name, inputs))

    @property
    def is_empty(self) -> bool:
        """Whether every signal is handled."""
        return not self._signals

    async def run(self) -> None:
        """Handle signals until cancelled."""
        while True:
            await workflow.wait_condition(lambda: not self.is_empty)
            some = list(islice(self._signals, _PER_TASK))
            await self._handle(some)
            for _ in some:
                self._signals.popleft()
            if not self.is_empty:
                await workflow.sleep(_PAUSE_SECONDS, summary="Handle more messages")
