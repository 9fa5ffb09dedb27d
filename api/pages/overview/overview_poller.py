"""What there is, looked at once for all who watch: executions, and plans with their last drill."""

import asyncio
import time
from dataclasses import dataclass

from temporalio.service import RPCError

from api.hub import Lookout, UnknownExecutionError
from api.service import House
from client.errors import RefusedError, UnreachableError
from client.overview import ExecutionRow, Overview
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from storage.dynamodb import TableError
from storage.history import HistoryError
from storage.plans import PlanVersion

_LISTED = 60
_STATES = 40
_STATE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
# So many states a second are asked for at most.
_STATES_A_SECOND = 20
_PLANS_SECONDS = 5.0
_DRILLS_SECONDS = 60.0
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)
_AWAY = (UnknownExecutionError, RefusedError, UnreachableError, RPCError, TableError)


@dataclass(frozen=True)
class Running:
    """An execution that runs, or may.

    Attributes:
        state: how it stands; None where that could not be read.
        error: why it could not.
    """

    row: ExecutionRow
    state: ExecutionState | None
    error: str = ""


@dataclass(frozen=True)
class Plan:
    """A registered plan.

    Attributes:
        last_drill: the last one that has ended; None where there was none.
        drill_known: whether the history could be asked for it.
        running: its execution that runs.
    """

    version: PlanVersion
    last_drill: ExecutionRow | None
    drill_known: bool
    running: ExecutionRow | None


@dataclass(frozen=True)
class Everything:
    """What the overview shows.

    Attributes:
        warnings: what could not be asked.
        plans_known: whether the registered plans could be read.
    """

    running: tuple[Running, ...]
    past: tuple[ExecutionRow, ...]
    plans: tuple[Plan, ...]
    warnings: tuple[str, ...] = ()
    plans_known: bool = True


class OverviewLook:
    """Looks at everything; what seldom changes is asked for seldom."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._plans: tuple[float, list[PlanVersion]] | None = None
        self._drills: dict[str, tuple[float, ExecutionRow | None]] = {}
        self.lookout: Lookout[Everything] = Lookout(self._look, _pause)

    async def _look(self, _: Everything | None) -> Everything:
        found = await self._house.executions(limit=_LISTED)
        warnings = list(found.warnings)
        live = [row for row in found.rows if _may_run(row)]
        past = [row for row in found.rows if not _may_run(row)]
        running = await asyncio.gather(*(self._running(row) for row in live[:_STATES]))
        unasked = [Running(row, None, "not asked for: too many run") for row in live[_STATES:]]
        versions, known = await self._versions(warnings)
        plans = await asyncio.gather(*(self._plan(version, found) for version in versions))
        return Everything(
            (*running, *unasked), tuple(past), tuple(plans), tuple(warnings), plans_known=known
        )

    async def _running(self, row: ExecutionRow) -> Running:
        try:
            async with asyncio.timeout(_STATE_SECONDS):
                return Running(row, await self._house.hub.state(row.execution_id))
        except TimeoutError:
            return Running(row, None, "no worker answered in time")
        except _AWAY as error:
            return Running(row, None, str(error))

    async def _versions(self, warnings: list[str]) -> tuple[list[PlanVersion], bool]:
        now = time.monotonic()
        if self._plans is None or now - self._plans[0] > _PLANS_SECONDS:
            try:
                self._plans = now, await self._house.plans.latest()
            except TableError as error:
                warnings.append(f"the registered plans are not known: {error}")
                return (self._plans[1] if self._plans else []), False
        return self._plans[1], True

    async def _plan(self, version: PlanVersion, found: Overview) -> Plan:
        rows = [row for row in found.rows if row.plan_id == version.plan_id]
        running = next((row for row in rows if _may_run(row)), None)
        drill = next(filter(_is_past_drill, rows), None)
        if drill is not None:
            self._drills[version.plan_id] = time.monotonic(), drill
            return Plan(version, drill, drill_known=True, running=running)
        try:
            drill = await self._older_drill(version.plan_id)
        except HistoryError:
            return Plan(version, None, drill_known=False, running=running)
        return Plan(version, drill, drill_known=True, running=running)

    async def _older_drill(self, plan_id: str) -> ExecutionRow | None:
        """A plan's last drill that newer executions of others have pushed off the list."""
        known = self._drills.get(plan_id)
        if known is not None and time.monotonic() - known[0] < _DRILLS_SECONDS:
            return known[1]
        states = await self._house.history.executions(plan_id=plan_id, limit=_LISTED)
        rows = [_row_of(state) for state in states]
        drill = next(filter(_is_past_drill, rows), None)
        self._drills[plan_id] = time.monotonic(), drill
        return drill


def _may_run(row: ExecutionRow) -> bool:
    """Whether it runs, or may for all that is known."""
    return bool(row.running) or (row.running is None and row.status in _OPEN)


def _is_past_drill(row: ExecutionRow) -> bool:
    return row.execution_type == ExecutionType.DRILL and row.end_time is not None


def _row_of(state: ExecutionState) -> ExecutionRow:
    return ExecutionRow(
        execution_id=state.execution_id,
        plan_id=state.plan_id,
        plan_name=state.plan_name,
        execution_type=state.execution_type,
        status=state.status,
        running=False,
        started_by=state.started_by,
        start_time=state.start_time,
        end_time=state.end_time,
    )


def _pause(known: Everything | None) -> float:
    count = len(known.running) if known else 0
    return max(_LOOK_SECONDS, min(count, _STATES) / _STATES_A_SECOND)
