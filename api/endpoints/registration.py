"""Validates and registers plan files."""

import asyncio
import json
from http import HTTPStatus
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.parameters import MAX_VERSIONS, Around, PlanId
from api.problems import BODY_PROBLEMS, ApiProblem, plan_problem, problem_responses
from api.request_problems import FieldProblem
from aws.regions import known_regions
from contract.readiness import PlanSnapshots, Readiness
from recovery.base_model import StrictModel
from recovery.forecast.checked_plan import CheckedPlan
from recovery.plan.fields import NAME_PATTERN
from recovery.plan.file.reader import PlanError, Problem, ReadPlan, parse_plan
from recovery.plan.members import TaggedMembership
from recovery.plan.registration import PlanOrigin
from storage.plans import PlanVersion

router = APIRouter(
    tags=["Plans"],
    route_class=AuthenticatedRoute,
    responses=problem_responses(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, *BODY_PROBLEMS),
)

_NAMES = {
    "application/json": "plan.json",
    "application/yaml": "plan.yaml",
    "text/plain": "plan.yaml",
}
EXAMPLE = """\
PlanId: crm
PlanName: CRM
Region: us-west-2
Waves:
  - WaveId: database
    ServerIds: [s-3a1f0c5d7e9b2468a]
  - WaveId: app
    ServerIds: [s-0b9e8d7c6f5a43210]
    Dependencies:
      - DependsOnWaveId: database
"""
_OBJECT = {"schema": {"type": "object"}, "example": yaml.safe_load(EXAMPLE)}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A plan file, YAML or JSON, at most 5 MB.",
        "content": {
            "application/yaml": _OBJECT,
            "application/json": _OBJECT,
            "text/plain": {"schema": {"type": "string"}, "example": EXAMPLE},
        },
    }
}


After = Annotated[
    int | None,
    Query(ge=0, le=MAX_VERSIONS, description="The newest version that you know; 0 for none."),
]


Accepted = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$",
        description="The hash of the plan with fewer servers than before, which were confirmed.",
    ),
]
_Said = Annotated[str | None, Query(pattern=f"^{NAME_PATTERN}$", max_length=512)]


def origin_of(
    source: _Said = None, commit: _Said = None, commit_author: _Said = None
) -> PlanOrigin:
    """Where a plan comes from: the directory of plans, the commit and its author."""
    return PlanOrigin(source=source, commit=commit, commit_author=commit_author)


class RemovalRequest(StrictModel):
    """Which version of a plan is known to who removes it."""

    after: Annotated[int, Field(strict=True, ge=1, le=MAX_VERSIONS)]


async def read_body(request: Request) -> ReadPlan:
    """Read the plan file in the body of a request.

    Raises:
        PlanError: the plan is not valid; has all problems.
        ApiProblem: the content type is neither YAML nor JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _NAMES:
        raise ApiProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a plan cannot have the Content-Type {kind!r}; send one of {', '.join(_NAMES)}",
        )
    name = _NAMES[kind]
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise PlanError((Problem("this is not UTF-8 text", name),)) from error
    return await asyncio.to_thread(_parse, text, name)


def _parse(text: str, name: str) -> ReadPlan:
    try:
        return parse_plan(text, file=name, regions=known_regions())
    except PlanError as error:
        if name != _NAMES["application/json"]:
            raise
        raise plan_problem(error, _places_of_waves(text)) from error


def _places_of_waves(text: str) -> dict[str, int]:
    """The places of the waves in a JSON plan, by what its problems call them."""
    try:
        waves = json.loads(text)["Waves"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    found: dict[str, int] = {}
    for place, wave in enumerate(waves if isinstance(waves, list) else []):
        wave_id = wave.get("WaveId") if isinstance(wave, dict) else None
        found.setdefault(wave_id if isinstance(wave_id, str) else f"number {place + 1}", place)
    return found


@router.post("/plans/validate", summary="Validate a plan file", openapi_extra=BODY)
async def validate(caller: Caller, request: Request) -> CheckedPlan:
    """Return all problems with their lines, or a summary of the plan. Stores nothing."""
    return await asyncio.to_thread(CheckedPlan.of, await read_body(request))


@router.post("/plans/readiness", summary="Check the readiness of a plan file", openapi_extra=BODY)
async def readiness_of_file(service: Service, caller: Operator, request: Request) -> Readiness:
    """Return what the worker finds about a plan that need not be registered. Stores nothing."""
    return await service.readiness(caller, (await read_body(request)).plan)


@router.post(
    "/plans/snapshots", summary="List the snapshots of a plan file's servers", openapi_extra=BODY
)
async def snapshots_of_file(
    service: Service, caller: Operator, request: Request, around: Around = None
) -> PlanSnapshots:
    """Return what the worker finds about a plan that need not be registered. Stores nothing."""
    return await service.snapshots(caller, (await read_body(request)).plan, around)


@router.post(
    "/plans/membership", summary="Look up the servers of a plan file by tags", openapi_extra=BODY
)
async def membership_of_file(
    service: Service, caller: Operator, request: Request, accepted: Accepted = None
) -> TaggedMembership:
    """Return what DRS has for the tags of a plan that need not be registered, and the record.

    What DRS has is recorded, unless it is far less than before and not accepted.
    """
    plan = (await read_body(request)).plan
    return await service.membership(caller, plan, accepted=accepted)


@router.post(
    "/plans/{plan_id}/versions",
    summary="Register a plan",
    status_code=HTTPStatus.CREATED,
    responses={
        200: {
            "description": "The newest version is the same; it is returned",
            "model": PlanVersion,
        },
        **problem_responses(HTTPStatus.CONFLICT),
    },
    openapi_extra=BODY,
)
async def register(
    *,
    service: Service,
    caller: Operator,
    plan_id: PlanId,
    request: Request,
    response: Response,
    after: After = None,
    origin: Annotated[PlanOrigin, Depends(origin_of)],
) -> PlanVersion:
    """Store a plan as the newest version of its PlanId. Running executions do not change.

    With `after`, nothing is registered if somebody has registered a newer version.
    """
    plan = (await read_body(request)).plan
    if plan.plan_id != plan_id:
        detail = f"nothing was registered: the plan's PlanId is {plan.plan_id!r}, not {plan_id!r}"
        raise ApiProblem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            detail,
            problems=[FieldProblem(pointer="#/PlanId", detail=detail)],
        )
    version, is_new = await service.register(caller, plan, after=after, origin=origin)
    if not is_new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/api/plans/{plan_id}?version={version.version}"
    return version


@router.post(
    "/plans/{plan_id}/removal",
    summary="Remove a registered plan",
    responses=problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def remove(
    service: Service, caller: Operator, plan_id: PlanId, request: RemovalRequest
) -> PlanVersion:
    """Mark a plan as removed. It is no longer listed, run with all others or watched.

    Its versions are kept, and registering it again adds one.
    """
    return await service.remove_plan(caller, plan_id, after=request.after)
