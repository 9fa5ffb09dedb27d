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
    """Reads plans and drills, and keeps them for five minutes."""

    def __init__(self, plans: PlanTable, history: HistoryTable) -> None:
        self._plans = plans
        self._history = history
        self._known: Goals | None = None
        self._read_at = -_KEPT_SECONDS
        self._lock = asyncio.Lock()

    async def read(self) -> Goals:
        """The last ones, or those of now.

        Raises:
            TableError: they cannot be read.
        """
        async with self._lock:
            if self._known is None or time.monotonic() - self._read_at > _KEPT_SECONDS:
                registered, _ = await self._plans.newest()
                plans = [each.plan for each in registered]
                records = await self._history.drills([plan.plan_id for plan in plans])
                drills = {plan.plan_id: records.of(plan.plan_id) for plan in plans}
                self._known, self._read_at = Goals(plans, drills), time.monotonic()
            return self._known
