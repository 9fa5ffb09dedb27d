"""Polls a plan, its versions and its executions, once for all open pages of the plan."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from api.hub import Poller, UnknownExecutionError
from api.pages.plan.plan_graph import waves_of
from api.service import ExecutionService
from client.errors import RefusedError, UnreachableError
from client.executions import closed_status
from client.overview import ExecutionRow
from client.readiness.reports import readiness_report
from client.schedules.view import ScheduleView
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.report import ForecastReport
from recovery.plan.fields import ID_PATTERN
from recovery.readiness.report import ReadinessReport
from storage.dynamodb import TableError
from storage.history import HistoryError
from storage.plans import PlanVersion, RegisteredPlan

_POLL_SECONDS = 2.0
_MAX_ROWS = 30
# Late servers change an execution after its end, and executions change the forecast.
_REMEMBERED_SECONDS = 30.0


class UnknownPlanError(UnknownExecutionError):
    """A plan has neither a registered version nor an execution."""


@dataclass(frozen=True)
class PlanState:
    """The data of the page of a plan.

    Attributes:
        versions: the registered versions, the newest first.
        registered: the newest version; None if there is none, or it cannot be read.
        waves: the waves of that version as HTML.
        rows: the executions; one that runs first, then the newest.
        ended: the newest recovery that no longer runs, and a newer drill, with their waves.
        forecast: of the newest version.
        warnings: what could not be read.
        readiness: of the newest version; None if there is none, or it cannot be read.
        schedule: of its drills; None if it has none.
    """

    plan_id: str
    versions: list[PlanVersion]
    registered: RegisteredPlan | None
    waves: str
    rows: list[ExecutionRow]
    ended: list[ExecutionState]
    forecast: ForecastReport | None
    warnings: list[str]
    readiness: ReadinessReport | None = None
    schedule: ScheduleView | None = None

    @property
    def running(self) -> ExecutionRow | None:
        """The execution that runs."""
        return next((row for row in self.rows if row.running), None)


class PlanPoller(Poller[PlanState]):
    """Polls the data of the page of a plan."""

    def __init__(self, service: ExecutionService, plan_id: str) -> None:
        super().__init__()
        self._service = service
        self._plan_id = plan_id
        self._remembered: dict[str, tuple[object, float, Any]] = {}

    def pause(self, known: PlanState | None) -> float:
        """The same always."""
        return _POLL_SECONDS

    async def fetch(self, known: PlanState | None) -> PlanState:
        """Read versions and executions; the plan, the last execution and the forecast if due."""
        service, plan_id = self._service, self._plan_id
        unknown = UnknownPlanError(f"there is no plan {plan_id!r}")
        if not re.fullmatch(ID_PATTERN, plan_id):
            raise unknown
        found = await service.executions(plan_id=plan_id, limit=_MAX_ROWS)
        warnings, versions = list(found.warnings), list[PlanVersion]()
        registered, waves, forecast, readiness = None, "", None, None
        rows = _newest_ended(found.rows)
        try:
            versions = await service.plans.versions(plan_id)
            if versions:
                newest = versions[0].version
                registered = await self._known("plan", newest, lambda: service.plan(plan_id))
                plan = await self._known(
                    "shown", newest, lambda: service.with_recorded(registered.plan)
                )
                waves = await self._known(
                    "waves", newest, lambda: asyncio.to_thread(waves_of, plan)
                )
                forecast = await self._known(
                    "forecast", (newest, rows), lambda: service.forecast([plan_id])
                )
                readiness = await readiness_report(service.readiness_table, plan_id)
        except TableError as error:
            warnings.append(f"the registered plan is not known: {error}")
        if not versions and not found.rows and not warnings:
            raise unknown
        ended = []
        try:
            ended = await self._known("ended", rows, lambda: self._with_waves(rows))
        except (HistoryError, UnreachableError, RefusedError) as error:
            warnings.append(f"what earlier executions left is not known: {error}")
        schedule = None
        try:
            if registered is not None and registered.plan.schedule is not None:
                schedule = await self._known(
                    "schedule", (versions[0].version, rows), lambda: service.schedules.show(plan_id)
                )
        except (TableError, UnreachableError, RefusedError) as error:
            warnings.append(f"the schedule of its drills is not known: {error}")
        return PlanState(
            plan_id,
            versions,
            registered,
            waves,
            found.rows,
            ended,
            forecast,
            warnings,
            readiness=readiness,
            schedule=schedule,
        )

    async def _with_waves(self, rows: list[ExecutionRow]) -> list[ExecutionState]:
        found = []
        for row in rows:
            # Temporal lists a new execution a moment after its start.
            if row.end_time is None and not await closed_status(
                await self._service.client(), row.plan_id, row.execution_id
            ):
                continue
            recorded = await self._service.history.execution(row.execution_id)
            found += [recorded[0]] if recorded is not None else []
        return found

    async def _known(self, name: str, key: object, read: Callable[[], Awaitable[Any]]) -> Any:
        """What was read under this name, if it had the same key and is not old; else read it."""
        known, now = self._remembered.get(name), time.monotonic()
        if known is None or known[0] != key or now - known[1] > _REMEMBERED_SECONDS:
            known = self._remembered[name] = key, now, await read()
        return known[2]


def _newest_ended(rows: list[ExecutionRow]) -> list[ExecutionRow]:
    """The newest recovery that no longer runs, and the newest drill if that is newer."""
    ended = [row for row in rows if row.end_time is not None or row.running is False]
    recovery = next((r for r in ended if r.execution_type == ExecutionType.RECOVERY), None)
    newest = [row for row in ended[:1] if row != recovery]
    return [recovery, *newest] if recovery else newest


class PlanPollers:
    """The pollers of this process, one per plan that is shown."""

    def __init__(self, service: ExecutionService) -> None:
        self._service = service
        self._pollers: dict[str, PlanPoller] = {}
        service.on_close(self.close)

    def plan(self, plan_id: str) -> PlanPoller:
        """The poller of a plan."""
        self._pollers = {i: each for i, each in self._pollers.items() if not each.is_idle}
        return self._pollers.setdefault(plan_id, PlanPoller(self._service, plan_id))

    async def close(self) -> None:
        """Stop all polling."""
        await asyncio.gather(*(each.close() for each in self._pollers.values()))
