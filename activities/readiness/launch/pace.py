"""Spaces the calls of looks, so that DRS never throttles a recovery because of them."""

import asyncio

from recovery.plan.model import Target

# AWS publishes no rates of DRS. A recovery polls once in some seconds.
_CALLS_PER_SECOND = 10.0


class Pace:
    """Gives each call of looks in a target a time of its own."""

    def __init__(self, per_second: float = _CALLS_PER_SECOND) -> None:
        self._interval = 1.0 / per_second
        self._next: dict[Target, float] = {}

    async def turn(self, target: Target) -> None:
        """Wait for the time of the next call in a target."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next.get(target, 0.0))
        self._next[target] = at + self._interval
        await asyncio.sleep(at - now)
