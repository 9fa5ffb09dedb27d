"""Polls executions, and plans with their last drill, once for all open overviews."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.hub import POLL_ERRORS, Poller
from api.pages.overview.coverage_poller import CoveragePoller
from api.service import ExecutionService
from client.overview import ExecutionRow, Overview, merged
from client.readiness.reports import readiness_rows
from client.schedules.view import ScheduleView
from recovery.coverage.gaps import Coverage
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.portfolio.state import PortfolioState
from recovery.readiness.report import ReadinessRow
from storage.dynamodb import TableError
from storage.history import HistoryError
from storage.plans import PlanVersion

_MAX_ROWS = 60
_MAX_STATES = 40
_MAX_PORTFOLIOS = 10
_STATE_TIMEOUT_SECONDS = 2.0
_POLL_SECONDS = 1.0
_STATES_PER_SECOND = 20
_PLANS_SECONDS = 5.0
_DRILLS_SECONDS = 60.0
# Of each poll: the page of hundreds of plans does not wait until all their drills are read.
_DRILLS_READ_SECONDS = 0.3
_SCHEDULES_SECONDS = 20.0
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)


@dataclass(frozen=True)
class OverviewExecution:
    """An execution that runs or may run.

    Attributes:
        state: None if it could not be read, or too many run.
        error: why it could not be read.
    """

    row: ExecutionRow
    state: ExecutionState | None
    error: str = ""


@dataclass(frozen=True)
class OverviewPlan:
    """A registered plan.

    Attributes:
        last_drill: the last drill that has ended; None if there is none.
        drill_problem: why the last drill is not known; "" if it is.
        running: the running execution.
        schedule: of its drills; None if it has none, or it is not known.
    """

    version: PlanVersion
    last_drill: ExecutionRow | None
    drill_problem: str
    running: ExecutionRow | None
    schedule: ScheduleView | None = None


@dataclass(frozen=True)
class OverviewState:
    """The data of the overview page.

    Attributes:
        warnings: what could not be read.
        plans_known: whether the registered plans could be read.
        readiness: of the registered plans, as far as it could be read.
        coverage: what a worker found last; None before it is read.
        coverage_error: why it could not be read last.
        portfolios: the latest, as the history has them.
    """

    running: list[OverviewExecution]
    past: list[ExecutionRow]
    plans: list[OverviewPlan]
    warnings: list[str]
    plans_known: bool
    readiness: Sequence[ReadinessRow] = ()
    coverage: Coverage | None = None
    coverage_error: str = ""
    portfolios: Sequence[PortfolioState] = ()


@dataclass(frozen=True)
class _KnownDrill:
    """The last drill of a plan, as it was read; until then it is not read again."""

    until: float
    drill: ExecutionRow | None
    problem: str = ""


class OverviewPoller(Poller[OverviewState]):
    """Polls the data of the overview; plans and drills less often than executions."""

    def __init__(self, service: ExecutionService) -> None:
        super().__init__()
        self._service = service
        self._plans: tuple[float, list[PlanVersion]] | None = None
        self._readiness: tuple[float, list[ReadinessRow]] = (0.0, [])
        self._portfolios: tuple[float, list[PortfolioState]] = (0.0, [])
        self._schedules: tuple[float, dict[str, ScheduleView]] | None = None
        self._drills: dict[str, _KnownDrill] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._coverage = CoveragePoller(service.client)

    def pause(self, known: OverviewState | None) -> float:
        """Longer, the more executions run, to limit the queries to Temporal."""
        running = min(len(known.running), _MAX_STATES) if known else 0
        return max(_POLL_SECONDS, running / _STATES_PER_SECOND)

    async def fetch(self, known: OverviewState | None) -> OverviewState:
        """Read executions, plans and drills."""
        found = await self._service.executions(limit=_MAX_ROWS, all_running=True)
        warnings = list(found.warnings)
        may_run = [row for row in found.rows if _may_run(row)]
        past = [row for row in found.rows if not _may_run(row)]
        others = [OverviewExecution(row, None) for row in may_run[_MAX_STATES:]]
        running, (plans, plans_known), readiness, portfolios = await asyncio.gather(
            asyncio.gather(*(self._read(row) for row in may_run[:_MAX_STATES])),
            self._read_plans(found, warnings),
            self._readiness_rows(warnings),
            self._read_portfolios(warnings),
        )
        self._coverage.refresh()
        return OverviewState(
            [*running, *others],
            past,
            plans,
            warnings,
            plans_known,
            readiness,
            coverage=self._coverage.known,
            coverage_error=self._coverage.error,
            portfolios=portfolios,
        )

    async def close(self) -> None:
        """Stop polling."""
        for reading in self._reading.values():
            reading.cancel()
        await self._coverage.close()
        await super().close()

    async def _read(self, row: ExecutionRow) -> OverviewExecution:
        try:
            async with asyncio.timeout(_STATE_TIMEOUT_SECONDS):
                return OverviewExecution(row, await self._service.hub.state(row.execution_id))
        except TimeoutError:
            return OverviewExecution(row, None, "no worker answered in time")
        except POLL_ERRORS as error:
            return OverviewExecution(row, None, str(error))

    async def _readiness_rows(self, warnings: list[str]) -> list[ReadinessRow]:
        now = time.monotonic()
        if not self._readiness[0] or now - self._readiness[0] > _PLANS_SECONDS:
            try:
                self._readiness = now, await readiness_rows(self._service.readiness_table)
            except TableError as error:
                warnings.append(f"the readiness of plans is not known: {error}")
                return []
        return self._readiness[1]

    async def _read_portfolios(self, warnings: list[str]) -> list[PortfolioState]:
        now = time.monotonic()
        if not self._portfolios[0] or now - self._portfolios[0] > _PLANS_SECONDS:
            try:
                table = self._service.reports.table
                self._portfolios = now, await table.portfolios(limit=_MAX_PORTFOLIOS)
            except TableError as error:
                warnings.append(f"portfolios are not known: {error}")
        return self._portfolios[1]

    async def _versions(self, warnings: list[str]) -> tuple[list[PlanVersion], bool]:
        now = time.monotonic()
        if self._plans is None or now - self._plans[0] > _PLANS_SECONDS:
            try:
                self._plans = now, await self._service.plans.latest()
            except TableError as error:
                warnings.append(f"the registered plans are not known: {error}")
                return (self._plans[1] if self._plans else []), False
        return self._plans[1], True

    async def _read_schedules(self, warnings: list[str]) -> dict[str, ScheduleView]:
        """The schedules of drills, by PlanId."""
        now, known = time.monotonic(), self._schedules
        if known is not None and now - known[0] < _SCHEDULES_SECONDS:
            return known[1]
        try:
            async with asyncio.timeout(_STATE_TIMEOUT_SECONDS):
                found = {each.plan_id: each for each in await self._service.schedules.list()}
        except (*POLL_ERRORS, TimeoutError):
            warnings.append("the schedules of drills are not known now")
            return known[1] if known else {}
        self._schedules = now, found
        return found

    async def _read_plans(
        self, found: Overview, warnings: list[str]
    ) -> tuple[list[OverviewPlan], bool]:
        """The registered plans, and whether they could be read."""
        versions, are_known = await self._versions(warnings)
        if not versions:
            return [], are_known
        rows: dict[str, list[ExecutionRow]] = {}
        for row in found.rows:
            rows.setdefault(row.plan_id, []).append(row)
        # Of the others the last drill may be older than the listed executions.
        older = [
            i.plan_id for i in versions if not any(map(_is_past_drill, rows.get(i.plan_id, ())))
        ]
        schedules, _ = await asyncio.gather(
            self._read_schedules(warnings), self._read_drills(older)
        )
        return [
            self._plan(each, rows.get(each.plan_id, []), schedules.get(each.plan_id))
            for each in versions
        ], are_known

    def _plan(
        self, version: PlanVersion, rows: Sequence[ExecutionRow], schedule: ScheduleView | None
    ) -> OverviewPlan:
        running = next(filter(_may_run, rows), None)
        drill, problem = next(filter(_is_past_drill, rows), None), ""
        if drill is None:
            known = self._drills.get(version.plan_id)
            drill, problem = (known.drill, known.problem) if known else (None, "it is being read")
        return OverviewPlan(version, drill, problem, running, schedule)

    async def _read_drills(self, plan_ids: Sequence[str]) -> None:
        """Read last drills that are not known, for a moment; what takes longer goes on."""
        now = time.monotonic()
        for plan_id in plan_ids:
            known = self._drills.get(plan_id)
            if plan_id not in self._reading and (known is None or now >= known.until):
                self._reading[plan_id] = asyncio.create_task(self._read_drill(plan_id))
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=_DRILLS_READ_SECONDS)
        self._reading = {i: task for i, task in self._reading.items() if not task.done()}

    async def _read_drill(self, plan_id: str) -> None:
        try:
            states = await self._service.history.executions(plan_id=plan_id, limit=_MAX_ROWS)
        except HistoryError:
            known = _KnownDrill(time.monotonic(), None, "the history cannot be read")
        else:
            drill = next(filter(_is_past_drill, merged([], states)), None)
            known = _KnownDrill(time.monotonic() + _DRILLS_SECONDS, drill)
        self._drills[plan_id] = known


def _may_run(row: ExecutionRow) -> bool:
    """Whether an execution runs, or may run because Temporal did not answer."""
    return bool(row.running) or (row.running is None and row.status in _OPEN)


def _is_past_drill(row: ExecutionRow) -> bool:
    return row.execution_type == ExecutionType.DRILL and row.end_time is not None
