"""Registered plans: their versions, forecasts and readiness."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.parameters import Around, KnownVersion, PlanId, Version
from api.problems import BODY_PROBLEMS, ApiProblem, problem_responses
from api.service import PlanDifference
from client.overview import MAX_ROWS, ExecutionRow
from client.readiness.reports import readiness_report, readiness_rows
from contract.readiness import PlanSnapshots
from recovery.base_model import Model, StrictModel
from recovery.coverage.gaps import Coverage
from recovery.execution.state import ExecutionType
from recovery.forecast.report import ForecastReport
from recovery.plan.fields import PlanOrWaveId
from recovery.plan.members import RecordedServers
from recovery.readiness.report import ReadinessReport, ReadinessRow
from storage.plans import PlanVersion, RegisteredPlan

router = APIRouter(tags=["Plans"], route_class=AuthenticatedRoute)

_MAX_PLANS = 200
_UNKNOWN_PLAN = problem_responses(HTTPStatus.NOT_FOUND)


class PlanRow(Model):
    """A registered plan in a list.

    Attributes:
        newest: the newest version.
        last_execution: the running execution, or else the last one.
        last_drill: the last drill that has ended.
    """

    newest: PlanVersion
    last_execution: ExecutionRow | None = None
    last_drill: ExecutionRow | None = None

    @classmethod
    def of(cls, newest: PlanVersion, rows: Sequence[ExecutionRow]) -> "PlanRow":
        """Combine a plan with its executions; running ones come first in `rows`."""
        own = [row for row in rows if row.plan_id == newest.plan_id]
        drills = [row for row in own if row.execution_type == ExecutionType.DRILL]
        return cls(
            newest=newest,
            last_execution=next(iter(own), None),
            last_drill=next((row for row in drills if row.end_time is not None), None),
        )


class PlanList(Model):
    """The registered plans, by PlanId.

    Attributes:
        warnings: what is missing because Temporal or the history did not answer.
    """

    plans: list[PlanRow]
    warnings: list[str] = []


class VersionList(Model):
    """The versions of a plan, the newest first."""

    versions: list[PlanVersion]


class ForecastRequest(StrictModel):
    """The plans to forecast as if all start at the same time."""

    plan_ids: Annotated[list[PlanOrWaveId], Field(min_length=1, max_length=_MAX_PLANS)]


@router.get("/plans", summary="List registered plans")
async def plans(service: Service, caller: Caller) -> PlanList:
    """Return each plan's newest version, its last execution and its last drill."""
    newest, known = await asyncio.gather(service.plans.latest(), service.executions())
    warnings = list(known.warnings)
    if len(known.rows) == MAX_ROWS:
        warnings.append(f"only the newest {MAX_ROWS} executions were read")
    return PlanList(plans=[PlanRow.of(each, known.rows) for each in newest], warnings=warnings)


@router.get("/coverage", summary="List what plans and drills leave uncovered")
async def coverage(service: Service, caller: Caller) -> Coverage:
    """Return source servers in no plan or in several, and plans without a recent drill.

    A worker reads all source servers of its targets.
    """
    return await service.coverage(caller)


@router.get("/plans/{plan_id}", summary="Get a registered plan", responses=_UNKNOWN_PLAN)
async def plan(
    service: Service, caller: Caller, plan_id: PlanId, version: Version = None
) -> RegisteredPlan:
    """Return a version of a plan."""
    return await service.plan(plan_id, version)


@router.get(
    "/plans/{plan_id}/versions", summary="List the versions of a plan", responses=_UNKNOWN_PLAN
)
async def versions(service: Service, caller: Caller, plan_id: PlanId) -> VersionList:
    """Return each version with its hash, author and time; the newest first."""
    found = await service.plans.versions(plan_id)
    if not found:
        # It names the nearest plan.
        await service.plan(plan_id)
    return VersionList(versions=found)


@router.get(
    "/plans/{plan_id}/difference",
    summary="Compare two versions of a plan",
    responses=_UNKNOWN_PLAN,
)
async def difference(
    service: Service, caller: Caller, plan_id: PlanId, before: KnownVersion, after: KnownVersion
) -> PlanDifference:
    """Return what was added, removed and changed from one version to the other."""
    return await service.difference(plan_id, before, after)


@router.get("/plans/{plan_id}/forecast", summary="Forecast a plan", responses=_UNKNOWN_PLAN)
async def forecast_of_plan(service: Service, caller: Caller, plan_id: PlanId) -> ForecastReport:
    """Estimate the duration from recorded executions, and from defaults for other servers."""
    return await service.forecast([plan_id])


@router.post(
    "/forecast",
    summary="Forecast several plans that start together",
    responses=problem_responses(HTTPStatus.NOT_FOUND, *BODY_PROBLEMS),
)
async def forecast_of_plans(
    service: Service, caller: Caller, request: ForecastRequest
) -> ForecastReport:
    """Estimate each plan alone, and all together under DRS's quotas. Starts nothing."""
    return await service.forecast(request.plan_ids)


@router.get("/readiness", summary="List the readiness of registered plans")
async def readiness_of_plans(service: Service, caller: Caller) -> list[ReadinessRow]:
    """Return what the last look at each plan found: READY, NOT_READY, UNKNOWN or STALE."""
    return await readiness_rows(service.readiness_table)


@router.get(
    "/plans/{plan_id}/readiness", summary="Get the readiness of a plan", responses=_UNKNOWN_PLAN
)
async def readiness(service: Service, caller: Caller, plan_id: PlanId) -> ReadinessReport:
    """Return what the last look found, its findings, and the looks before it."""
    await service.plan(plan_id)
    return await readiness_report(service.readiness_table, plan_id)


@router.post(
    "/plans/{plan_id}/readiness",
    summary="Look at the readiness of a plan now",
    responses=problem_responses(HTTPStatus.NOT_FOUND, *BODY_PROBLEMS),
)
async def look_at_readiness(service: Service, caller: Operator, plan_id: PlanId) -> ReadinessReport:
    """Have a worker read everything now, record and return what it finds. Launches nothing."""
    await service.plan(plan_id)
    return await service.look_now(caller, plan_id)


@router.get(
    "/plans/{plan_id}/snapshots",
    summary="List the snapshots of a plan's servers",
    responses=_UNKNOWN_PLAN,
)
async def snapshots(
    service: Service,
    caller: Caller,
    plan_id: PlanId,
    version: Version = None,
    around: Around = None,
) -> PlanSnapshots:
    """Return what DRS has of each server, and which snapshot a start at that time would choose.

    It takes a call for each server.
    """
    return await service.snapshots(caller, (await service.plan(plan_id, version)).plan, around)


@router.get(
    "/plans/{plan_id}/membership",
    summary="Get the recorded servers of a plan by tags",
    responses=_UNKNOWN_PLAN,
)
async def membership(service: Service, caller: Caller, plan_id: PlanId) -> RecordedServers:
    """Return the servers that were last recorded for the tags of a plan. Asks no worker."""
    found = await service.plans.recorded_servers(plan_id)
    if found is None:
        await service.plan(plan_id)
        raise ApiProblem(
            HTTPStatus.NOT_FOUND, f"no servers are recorded for the tags of {plan_id!r}"
        )
    return found
