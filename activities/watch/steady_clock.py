"""Time for measuring how long something has lasted, on a machine whose clock may be set."""

import time
from datetime import datetime


class SteadyClock:
    """Epoch seconds by another's clock, counted on without looking at this machine's.

    A clock that is wrong, or is set while we wait (an NTP correction, a machine that was
    suspended), must neither end a wait early nor prolong it.
    """

    def __init__(self, now: datetime) -> None:
        """Begin with what the other's clock says now."""
        self._offset = now.timestamp() - time.monotonic()

    def now(self) -> float:
        """Epoch seconds."""
        return self._offset + time.monotonic()
