"""The report of an execution, its declaration and its action items. Nothing needs Temporal."""

import asyncio
import hashlib
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from api.auth.access import AuthenticatedRoute, Caller, Operator, Service
from api.auth.audited_requests import note
from api.endpoints.steering import Reason
from api.parameters import MAX_TIME, ExecutionId, IdempotencyKey
from api.problems import BODY_PROBLEMS, problem_responses
from api.reports.responses import html_response
from recovery.base_model import Model, StrictModel
from recovery.report.action_items import MAX_ACTION_ITEMS, ActionItem, NewActionItem
from recovery.report.declaration import Declaration
from recovery.report.model import ExecutionReport

router = APIRouter(tags=["Reports"], route_class=AuthenticatedRoute)

_CONFLICT = problem_responses(HTTPStatus.CONFLICT)
_CHANGE = problem_responses(HTTPStatus.CONFLICT, *BODY_PROBLEMS)
Declared = Annotated[
    float | None,
    Query(
        ge=0,
        le=MAX_TIME,
        allow_inf_nan=False,
        description="When it was declared, in epoch seconds, for this report only. Default: as "
        "recorded, or else the start.",
    ),
]
ItemNumber = Annotated[
    int, Path(ge=1, le=MAX_ACTION_ITEMS, description="The number of an action item.")
]


class DeclarationRequest(StrictModel):
    """When the disaster, or the exercise, was declared.

    Attributes:
        time: epoch seconds, not after the start of the execution.
    """

    time: Annotated[float, Field(strict=True, ge=0, le=MAX_TIME, allow_inf_nan=False)]
    reason: Reason = ""


class CloseRequest(StrictModel):
    """What was done."""

    note: Reason = ""


class ActionItemList(Model):
    """Action items: open ones first, those that are due soonest at the top."""

    action_items: list[ActionItem]


@router.get("/report.json", summary="Get the report of an execution", responses=_CONFLICT)
async def report_json(
    service: Service, caller: Caller, execution_id: ExecutionId, declared: Declared = None
) -> ExecutionReport:
    """Return what it took, reached and left out, from the history alone."""
    return await service.reports.report(execution_id, declared)


@router.get(
    "/report.html",
    summary="Get the report of an execution as HTML",
    response_class=HTMLResponse,
    responses=_CONFLICT,
)
async def report_page(
    service: Service, caller: Caller, execution_id: ExecutionId, declared: Declared = None
) -> Response:
    """Return one file that loads nothing and prints on A4."""
    found = await service.reports.report(execution_id, declared)
    return await asyncio.to_thread(html_response, found)


@router.post("/declaration", summary="Record when an execution was declared", responses=_CHANGE)
async def declare(
    service: Service, caller: Operator, execution_id: ExecutionId, request: DeclarationRequest
) -> Declaration:
    """Measure the RTO from then. Earlier declarations stay in the history."""
    reports = replace(service.reports, actor=caller.subject)
    found = await reports.declare(execution_id, request.time, request.reason)
    note(text=f"declared {found.time:.0f}")
    return found


@router.get("/action-items", summary="List the action items of an execution")
async def action_items(
    service: Service, caller: Caller, execution_id: ExecutionId
) -> ActionItemList:
    """Return all of them, also those that are closed."""
    return ActionItemList(action_items=await service.reports.action_items(execution_id))


@router.post(
    "/action-items",
    summary="Add an action item to an execution",
    status_code=HTTPStatus.CREATED,
    responses=_CHANGE,
)
async def add_action_item(
    *,
    service: Service,
    caller: Operator,
    execution_id: ExecutionId,
    request: NewActionItem,
    idempotency_key: IdempotencyKey = None,
) -> ActionItem:
    """Record what is to be done, by whom, until when."""
    reports = replace(service.reports, actor=caller.subject)
    # Another caller's key is another one.
    own = f"{caller.subject}\n{idempotency_key}".encode()
    key = hashlib.sha256(own).hexdigest() if idempotency_key else None
    item = await reports.add_action_item(execution_id, request, key=key)
    note(text=f"action item {item.number} added")
    return item


@router.post("/action-items/{number}/close", summary="Close an action item", responses=_CHANGE)
async def close_action_item(
    service: Service,
    caller: Operator,
    execution_id: ExecutionId,
    number: ItemNumber,
    request: CloseRequest,
) -> ActionItem:
    """Record that it is done."""
    reports = replace(service.reports, actor=caller.subject)
    item = await reports.close_action_item(execution_id, number, request.note)
    note(text=f"action item {number} closed")
    return item
