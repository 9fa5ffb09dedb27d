"""Lists registered plans and their versions."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter

from api.auth.access import Caller, Service
from api.parameters import PlanId, Version
from api.problem_responses import read_responses
from api.problems import ApiProblem
from client.overview import MAX_ROWS, ExecutionRow
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from storage.plans import PlanVersion, RegisteredPlan

router = APIRouter(tags=["Plans"])


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


@router.get("/plans", summary="List registered plans", responses=read_responses())
async def plans(service: Service, caller: Caller) -> PlanList:
    """Return each plan's newest version, its last execution and its last drill."""
    newest, known = await asyncio.gather(service.plans.latest(), service.executions())
    warnings = list(known.warnings)
    if len(known.rows) == MAX_ROWS:
        warnings.append(f"only the newest {MAX_ROWS} executions were read")
    return PlanList(plans=[PlanRow.of(each, known.rows) for each in newest], warnings=warnings)


@router.get(
    "/plans/{plan_id}",
    summary="Get a registered plan",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def plan(
    service: Service, caller: Caller, plan_id: PlanId, version: Version = None
) -> RegisteredPlan:
    """Return a version of a plan."""
    return await service.plan(plan_id, version)


@router.get(
    "/plans/{plan_id}/versions",
    summary="List the versions of a plan",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def versions(service: Service, caller: Caller, plan_id: PlanId) -> VersionList:
    """Return each version with its hash, author and time; the newest first."""
    found = await service.plans.versions(plan_id)
    if not found:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"there is no registered plan {plan_id!r}")
    return VersionList(versions=found)
