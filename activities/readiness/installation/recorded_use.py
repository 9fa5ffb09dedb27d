"""What recorded executions have used: checks that concluded, and break-glass keys."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from activities.readiness.look import failed_read
from activities.readiness.read_cache import ReadCache
from aws.errors import AwsError
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.plan.model import RecoveryPlan
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.subjects.steps import StepKey, checks_of
from recovery.steps.state import CheckResult
from storage.history import HistoryError, HistoryTable

_RESPONSE_SECONDS = 20.0
# Of all plans, and of a plan; older ones say little of a plan as it is now.
_EXECUTIONS = 2_000
_EXECUTIONS_OF_A_PLAN = 10
_KEPT = 5_000
_CONCLUDED = (CheckResult.PASSED, CheckResult.FAILED)


@dataclass(frozen=True)
class ConcludedChecks:
    """The checks of a plan that have passed or failed, in drills and in recoveries.

    Attributes:
        failed: why they are not known.
    """

    in_drills: set[StepKey] = field(default_factory=set)
    in_recoveries: set[StepKey] = field(default_factory=set)
    failed: FailedRead | None = None


class RecordedUse:
    """Reads the history for all plans' looks; what has ended is read once."""

    def __init__(self, history: HistoryTable) -> None:
        self._history = history
        self._cache = ReadCache()
        self._concluded: OrderedDict[str, frozenset[StepKey]] = OrderedDict()

    async def concluded_checks(self, plan: RecoveryPlan) -> ConcludedChecks:
        """Which checks of a plan its last executions have concluded."""
        wanted = {(wave.wave_id, step.step_id) for wave, step in checks_of(plan)}
        if not wanted:
            return ConcludedChecks()
        found = ConcludedChecks()
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                for state in await self._executions_of(plan.plan_id):
                    is_drill = state.execution_type is ExecutionType.DRILL
                    concluded = found.in_drills if is_drill else found.in_recoveries
                    if not wanted <= concluded:
                        concluded |= await self._concluded_in(state.execution_id)
        except (HistoryError, TimeoutError) as error:
            return ConcludedChecks(failed=_failed(error))
        return found

    async def last_break_glass(self) -> float | FailedRead | None:
        """When an offline key was last used in an execution (epoch seconds); None if never."""
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                return await self._cache.get("break-glass", self._history.last_break_glass)
        except (HistoryError, TimeoutError) as error:
            return _failed(error)

    async def _executions_of(self, plan_id: str) -> Iterable[ExecutionState]:
        """The last executions of a plan that have ended, the newest first."""

        async def read() -> list[ExecutionState]:
            return await self._history.executions(limit=_EXECUTIONS)

        known = await self._cache.get("executions", read)
        own = [each for each in known if each.plan_id == plan_id and each.end_time is not None]
        return own[:_EXECUTIONS_OF_A_PLAN]

    async def _concluded_in(self, execution_id: str) -> frozenset[StepKey]:
        if execution_id not in self._concluded:
            recorded = await self._history.execution(execution_id)
            waves = recorded[0].waves if recorded is not None else []
            self._concluded[execution_id] = frozenset(
                (wave.wave_id, step.step_id)
                for wave in waves
                for step in wave.steps
                if step.result in _CONCLUDED
            )
            if len(self._concluded) > _KEPT:
                self._concluded.popitem(last=False)
        return self._concluded[execution_id]


def _failed(error: Exception) -> FailedRead:
    """A failed read of the history as evidence."""
    if isinstance(error.__cause__, AwsError):
        return failed_read("dynamodb", error.__cause__)
    late = f"The history table did not answer in {_RESPONSE_SECONDS:g} s"
    return FailedRead(action="dynamodb:Query", error=str(error) or late)
