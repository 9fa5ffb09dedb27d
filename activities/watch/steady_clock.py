"""A clock for measuring durations on a machine whose own clock may be set."""

import time
from datetime import datetime


class SteadyClock:
    """Epoch seconds of another clock, continued with this machine's monotonic clock.

    A clock that is wrong, or is set during a wait (an NTP correction, a suspended machine), must
    not change the length of the wait.
    """

    def __init__(self, now: datetime) -> None:
        """Start with the current time of the other clock."""
        self._offset = now.timestamp() - time.monotonic()

    def now(self) -> float:
        """Epoch seconds."""
        return self._offset + time.monotonic()
