"""Launch durations of servers, learned from the history."""

import asyncio
from collections.abc import Sequence

from recovery.execution.state import ExecutionState
from recovery.forecast.durations import LAUNCHES_REMEMBERED, LearnedDurations, learn_durations
from recovery.forecast.fast_mode import launch_modes
from recovery.plan.model import RecoveryPlan
from storage.history import HistoryError, HistoryTable

_READS_AT_ONCE = 8
# A better order and a better estimate of the remaining time are not worth a longer delay.
_RESPONSE_TIMEOUT_SECONDS = 2.0


async def learned_durations(table: HistoryTable, plans: Sequence[RecoveryPlan]) -> LearnedDurations:
    """How long servers take, from the latest executions of their plans.

    Raises:
        HistoryError: the history cannot be read.
    """
    limit = asyncio.Semaphore(_READS_AT_ONCE)

    async def of_plan(plan_id: str) -> list[tuple[ExecutionState, RecoveryPlan]]:
        async with limit:
            headers = await table.executions(plan_id=plan_id, limit=LAUNCHES_REMEMBERED)
            found = [await table.execution(header.execution_id) for header in headers]
        return [each for each in found if each is not None]

    of_plans = await asyncio.gather(*(of_plan(plan.plan_id) for plan in plans))
    recorded = [each for executions in of_plans for each in executions]
    modes = {state.execution_id: launch_modes(state, plan) for state, plan in recorded}
    return learn_durations((state for state, _ in recorded), modes)


async def learned_durations_in_time(table: HistoryTable, plan: RecoveryPlan) -> LearnedDurations:
    """The same for a plan that is about to start; empty if this takes more than 2 s."""
    try:
        async with asyncio.timeout(_RESPONSE_TIMEOUT_SECONDS):
            return await learned_durations(table, [plan])
    except (HistoryError, TimeoutError):
        return LearnedDurations()
