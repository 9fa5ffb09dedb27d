"""Polls the open decisions once for all pages, event streams and callers."""

import time

from api.hub import Poller, Snapshot
from client.decisions.inbox_reader import InboxReader, InboxState

_POLL_SECONDS = 2.0
_STATES_PER_SECOND = 20
_CURRENT_SECONDS = 30.0


class InboxPoller(Poller[InboxState]):
    """Polls all running executions."""

    def __init__(self, reader: InboxReader) -> None:
        super().__init__()
        self._reader = reader

    @property
    def current(self) -> Snapshot[InboxState] | None:
        """The latest snapshot; None if nobody has polled for a while."""
        latest = self.latest
        is_old = latest is None or time.time() - latest.seen_time > _CURRENT_SECONDS
        return None if is_old else latest

    def pause(self, known: InboxState | None) -> float:
        """Longer, the more executions run, to limit the queries to Temporal."""
        running = len(known.executions) if known else 0
        return max(_POLL_SECONDS, running / _STATES_PER_SECOND)

    async def fetch(self, known: InboxState | None) -> InboxState:
        """Read all running executions."""
        return await self._reader.read()
