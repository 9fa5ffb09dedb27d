"""A clock that no correction of this machine's clock changes."""

import time
from datetime import datetime


class SteadyClock:
    """Temporal's clock, which the wave's workflow uses as well, as this machine continues it.

    A clock that is wrong, or is set during a wait (an NTP correction, a suspended machine), must
    not change the length of the wait.
    """

    def __init__(self, now: datetime) -> None:
        self._offset = now.timestamp() - time.monotonic()

    def now(self) -> float:
        """Epoch seconds."""
        return self._offset + time.monotonic()
