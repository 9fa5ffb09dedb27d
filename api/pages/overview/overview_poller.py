"""Polls executions, and plans with their last drill, once for all open overviews."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from temporalio.client import Client

from api.hub import POLL_ERRORS, POLL_SECONDS, Poller
from api.pages.overview.background_read import BackgroundRead
from api.service import ExecutionService
from client.overview import ExecutionRow, Overview, merged
from client.readiness.reports import readiness_rows
from client.recoveries.coverage import read_coverage
from client.schedules.view import ScheduleView
from recovery.coverage.gaps import Coverage
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.portfolio.state import PortfolioState
from recovery.readiness.report import ReadinessRow
from storage.plans import PlanVersion

_MAX_ROWS = 60
_MAX_STATES = 40
_MAX_PORTFOLIOS = 10
_STATE_TIMEOUT_SECONDS = 2.0
# While it is read again.
_STATE_SHOWN_SECONDS = 4.0
# What takes longer is shown by a later poll, and holds nothing else back.
_AT_ONCE_SECONDS = 0.3
_PLANS_SECONDS = 5.0
_DRILLS_SECONDS = 60.0
_SCHEDULES_SECONDS = 20.0
# It reads all source servers of all targets.
_COVERAGE_SECONDS, _COVERAGE_AFTER_ERROR_SECONDS = 900.0, 60.0
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)


@dataclass(frozen=True)
class OverviewExecution:
    """An execution that runs or may run.

    Attributes:
        state: None if it could not be read, is being read, or too many run.
        error: why it could not be read.
        is_pending: whether it is being read, and nothing new enough is known.
    """

    row: ExecutionRow
    state: ExecutionState | None
    error: str = ""
    is_pending: bool = False


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


class OverviewPoller(Poller[OverviewState]):
    """Polls the data of the overview; plans and drills less often than executions."""

    def __init__(self, service: ExecutionService) -> None:
        super().__init__()
        self._service = service
        self._plans = BackgroundRead(self._read_plans, _PLANS_SECONDS)
        self._readiness = BackgroundRead(self._read_readiness, _PLANS_SECONDS)
        self._portfolios = BackgroundRead(self._read_portfolios, _PLANS_SECONDS)
        self._schedules = BackgroundRead(self._read_schedules, _SCHEDULES_SECONDS)
        self._drills = BackgroundRead(self._read_drills, _DRILLS_SECONDS)
        # By execution, with the time when it was asked for.
        self._states: dict[str, tuple[float, OverviewExecution]] = {}
        self._reading: dict[str, asyncio.Task[tuple[float, OverviewExecution]]] = {}
        self._coverage = BackgroundRead(
            self._read_coverage, _COVERAGE_SECONDS, after_error=_COVERAGE_AFTER_ERROR_SECONDS
        )

    def pause(self, known: OverviewState | None) -> float:
        """Shorter while states of executions are still being read."""
        return POLL_SECONDS / 2 if self._reading else POLL_SECONDS

    async def fetch(self, known: OverviewState | None) -> OverviewState:
        """Read executions, and what else is old."""
        # The first picture has all plans and portfolios.
        first_wait = None if known is None else _AT_ONCE_SECONDS
        found, *_ = await asyncio.gather(
            self._service.executions(limit=_MAX_ROWS, all_running=True),
            self._plans.refresh(first_wait),
            self._portfolios.refresh(first_wait),
        )
        may_run = [row for row in found.rows if _may_run(row)]
        past = [row for row in found.rows if not _may_run(row)]
        others = [OverviewExecution(row, None) for row in may_run[_MAX_STATES:]]
        running, *_ = await asyncio.gather(
            self._read_states(may_run[:_MAX_STATES]),
            self._readiness.refresh(_AT_ONCE_SECONDS),
            self._schedules.refresh(_AT_ONCE_SECONDS),
            self._drills.refresh(_AT_ONCE_SECONDS, at_once=self._are_drills_missing()),
        )
        if known is not None:
            # A worker reads it, which has the states of executions to answer first.
            await self._coverage.refresh(0.0)
        return OverviewState(
            [*running, *others],
            past,
            self._overview_plans(found),
            [*found.warnings, *self._warnings()],
            self._plans.known is not None and not self._plans.error,
            self._readiness.known or [],
            coverage=self._coverage.known,
            coverage_error=self._coverage.error,
            portfolios=self._portfolios.known or [],
        )

    async def close(self) -> None:
        """Stop polling."""
        for reading in self._reading.values():
            reading.cancel()
        self._plans.close()
        self._readiness.close()
        self._portfolios.close()
        self._schedules.close()
        self._drills.close()
        self._coverage.close()
        await super().close()

    def _warnings(self) -> Iterator[str]:
        """What is not known now."""
        for what, read in (
            ("the registered plans are", self._plans),
            ("the readiness of plans is", self._readiness),
            ("portfolios are", self._portfolios),
            ("the schedules of drills are", self._schedules),
        ):
            if read.error:
                yield f"{what} not known: {read.error}"
            elif read.known is None:
                yield f"{what} being read"

    async def _read_states(self, rows: Sequence[ExecutionRow]) -> list[OverviewExecution]:
        """The states of executions; while a read takes long, what was read some seconds before."""
        if not rows:
            return []
        try:
            client = await self._service.client()
            idle = await self._service.health.idle_reason(client)
        except POLL_ERRORS as error:
            return [OverviewExecution(row, None, str(error)) for row in rows]
        if idle is not None:
            return [OverviewExecution(row, None, str(idle)) for row in rows]
        # What has been read since the last poll may have changed since too.
        self._take_read()
        for row in rows:
            if row.execution_id not in self._reading:
                self._reading[row.execution_id] = asyncio.create_task(self._read(client, row))
        await asyncio.wait(self._reading.values(), timeout=_AT_ONCE_SECONDS)
        self._take_read()
        unread = OverviewExecution(rows[0], None, is_pending=True)
        return [
            replace(self._states.get(row.execution_id, (0.0, unread))[1], row=row) for row in rows
        ]

    def _take_read(self) -> None:
        """Keep the states whose reads have ended, and of the others only those that are new."""
        done = {i: task for i, task in self._reading.items() if task.done()}
        self._reading = {i: task for i, task in self._reading.items() if i not in done}
        states = self._states | {i: task.result() for i, task in done.items()}
        oldest = time.monotonic() - _STATE_SHOWN_SECONDS
        self._states = {i: each for i, each in states.items() if each[0] > oldest}

    async def _read(self, client: Client, row: ExecutionRow) -> tuple[float, OverviewExecution]:
        """The state of an execution, and when it was asked for."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_STATE_TIMEOUT_SECONDS):
                state = await self._service.states.state(client, row)
        except TimeoutError:
            return began, OverviewExecution(row, None, "no worker answered in time")
        except POLL_ERRORS as error:
            return began, OverviewExecution(row, None, str(error))
        return began, OverviewExecution(row, state)

    async def _read_plans(self) -> list[PlanVersion]:
        return await self._service.plans.latest()

    async def _read_readiness(self) -> list[ReadinessRow]:
        return await readiness_rows(self._service.readiness_table, self._plans.known)

    async def _read_portfolios(self) -> list[PortfolioState]:
        return await self._service.reports.table.portfolios(limit=_MAX_PORTFOLIOS)

    async def _read_schedules(self) -> dict[str, ScheduleView]:
        """The schedules of drills, by PlanId."""
        return {each.plan_id: each for each in await self._service.schedules.list()}

    async def _read_drills(self) -> dict[str, ExecutionRow | None]:
        """The last drill of each registered plan, by PlanId; None if it has none."""
        plan_ids = [each.plan_id for each in self._plans.known or ()]
        states = await self._service.history.last_drills(plan_ids) if plan_ids else {}
        rows = {row.plan_id: row for row in merged([], [*states.values()])}
        return {plan_id: rows.get(plan_id) for plan_id in plan_ids}

    async def _read_coverage(self) -> Coverage:
        return await read_coverage(await self._service.client())

    def _are_drills_missing(self) -> bool:
        """Whether plans were registered since last drills were read."""
        known = self._drills.known
        return known is not None and any(
            each.plan_id not in known for each in self._plans.known or ()
        )

    def _overview_plans(self, found: Overview) -> list[OverviewPlan]:
        rows: dict[str, list[ExecutionRow]] = {}
        for row in found.rows:
            rows.setdefault(row.plan_id, []).append(row)
        schedules = self._schedules.known or {}
        return [
            self._plan(each, rows.get(each.plan_id, []), schedules.get(each.plan_id))
            for each in self._plans.known or ()
        ]

    def _plan(
        self, version: PlanVersion, rows: Sequence[ExecutionRow], schedule: ScheduleView | None
    ) -> OverviewPlan:
        running = next(filter(_may_run, rows), None)
        # Of most plans the last drill is older than the listed executions.
        drill, problem = next(filter(_is_past_drill, rows), None), ""
        if drill is None and self._drills.error:
            problem = "the history cannot be read"
        elif drill is None and version.plan_id not in (known := self._drills.known or {}):
            problem = "it is being read"
        elif drill is None:
            drill = known[version.plan_id]
        return OverviewPlan(version, drill, problem, running, schedule)


def _may_run(row: ExecutionRow) -> bool:
    """Whether an execution runs, or may run because Temporal did not answer."""
    return bool(row.running) or (row.running is None and row.status in _OPEN)


def _is_past_drill(row: ExecutionRow) -> bool:
    return row.execution_type == ExecutionType.DRILL and row.end_time is not None
