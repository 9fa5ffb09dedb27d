"""What plans should reach, and when drills proved it, read seldom: it is many reads."""

import asyncio
import time
from typing import NamedTuple

from recovery.coverage.evidence import DrillRecord
from recovery.plan.model import RecoveryPlan
from storage.history import HistoryTable
from storage.plans import PlanTable

_KEPT_SECONDS = 300.0


class Goals(NamedTuple):
    """The newest versions of plans, and by PlanId their drills."""

    plans: list[RecoveryPlan]
    drills: dict[str, DrillRecord]


class GoalReader:
    """Reads plans and drills anew every five minutes; a scrape waits for the first time only."""

    def __init__(self, plans: PlanTable, history: HistoryTable) -> None:
        self._plans = plans
        self._history = history
        self._known: Goals | None = None
        self._read_at = -_KEPT_SECONDS
        self._reading: asyncio.Task[Goals] | None = None

    async def read(self) -> Goals:
        """The last ones; a caller who gives up does not end the read.

        Raises:
            TableError: they cannot be read.
        """
        if self._reading is None and time.monotonic() - self._read_at > _KEPT_SECONDS:
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        if reading is not None and (self._known is None or reading.done()):
            try:
                self._known = await asyncio.shield(reading)
            finally:
                if reading.done():
                    self._reading = None
        assert self._known is not None, "the first read was awaited"
        return self._known

    async def _read(self) -> Goals:
        registered, _ = await self._plans.newest()
        plans = [each.plan for each in registered]
        records = await self._history.drills([plan.plan_id for plan in plans])
        self._read_at = time.monotonic()
        return Goals(plans, {plan.plan_id: records.of(plan.plan_id) for plan in plans})
