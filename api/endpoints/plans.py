"""Registered plans: which there are, and how they did last."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter

from api.auth.access import Caller, TheHouse
from api.parameters import PlanId, Version
from api.problem_responses import looking
from api.problems import ApiProblem
from client.overview import MOST, ExecutionRow
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from storage.plans import PlanVersion, RegisteredPlan

router = APIRouter(tags=["Plans"])


class PlanRow(Model):
    """A registered plan in a list.

    Attributes:
        newest: its newest version.
        last_execution: the one that runs, or else the last one.
        last_drill: the last drill that has ended, with its result.
    """

    newest: PlanVersion
    last_execution: ExecutionRow | None = None
    last_drill: ExecutionRow | None = None

    @classmethod
    def of(cls, newest: PlanVersion, rows: Sequence[ExecutionRow]) -> "PlanRow":
        """A plan with what is known of its executions, those that run first."""
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
        warnings: what could not be asked, and what is therefore not known.
    """

    plans: list[PlanRow]
    warnings: list[str] = []


class VersionList(Model):
    """The versions of a plan, the newest first."""

    versions: list[PlanVersion]


@router.get("/plans", summary="All registered plans", responses=looking())
async def plans(house: TheHouse, caller: Caller) -> PlanList:
    """Each plan's newest version, with its last execution and its last drill."""
    newest, known = await asyncio.gather(house.plans.latest(), house.executions())
    warnings = list(known.warnings)
    if len(known.rows) == MOST:
        warnings.append(f"only the newest {MOST} executions were looked at")
    return PlanList(plans=[PlanRow.of(each, known.rows) for each in newest], warnings=warnings)


@router.get(
    "/plans/{plan_id}", summary="A registered plan", responses=looking(HTTPStatus.NOT_FOUND)
)
async def plan(
    house: TheHouse, caller: Caller, plan_id: PlanId, version: Version = None
) -> RegisteredPlan:
    """A version of a plan, as it is run."""
    return await house.plan(plan_id, version)


@router.get(
    "/plans/{plan_id}/versions",
    summary="All versions of a plan",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def versions(house: TheHouse, caller: Caller, plan_id: PlanId) -> VersionList:
    """Each version with its hash, its author and its time; the newest first."""
    found = await house.plans.versions(plan_id)
    if not found:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"there is no registered plan {plan_id!r}")
    return VersionList(versions=found)
