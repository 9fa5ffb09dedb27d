"""The report, declaration and action items on the page of an execution, with their dialogs."""

import time
from dataclasses import replace
from uuid import uuid4

from pydantic import ValidationError

from api.auth.roles import require
from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.service import ExecutionService
from client.errors import RefusedError
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState
from recovery.report.action_items import NewActionItem
from recovery.text_format import utc_timestamp
from recovery.time_text import read_time

ADD_ITEM = "add_action_item"
CLOSE_ITEM = "close_action_item"
DECLARE = "declare"


async def action_items_html(service: ExecutionService, user: Principal, execution_id: str) -> str:
    """The action items of an execution, with buttons for those who may use them."""
    items = await service.reports.action_items(execution_id)
    may_act = user.may(Role.OPERATOR)
    return render("action_items", items=items, may_act=may_act, now=time.time())


def action_item_dialog(
    service: ExecutionService, state: ExecutionState, name: str, about: str | None
) -> Dialog | None:
    """The dialog that declares, adds an action item, or closes the one with the number `about`."""
    if name == DECLARE:
        return _declare_dialog(service, state)
    if name == ADD_ITEM:
        return _add_dialog(service, state)
    return _close_dialog(service, state, int(about)) if about and about.isdecimal() else None


def _declare_dialog(service: ExecutionService, state: ExecutionState) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        require(caller, Role.OPERATOR)
        try:
            moment = read_time(fields.get("time", ""), now=time.time())
        except ValueError as error:
            raise RefusedError(f"nothing was recorded: {error}") from None
        reports = replace(service.reports, actor=caller.subject)
        reason = fields.get("reason", "").strip()
        found = await reports.declare(state.execution_id, moment, reason)
        return Outcome(f"Recorded: declared {utc_timestamp(found.time)}, by {found.actor}.")

    return Dialog(render("declaration_dialog", state=state), send)


def _add_dialog(service: ExecutionService, state: ExecutionState) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        require(caller, Role.OPERATOR)
        given = {name: fields.get(name, "").strip() for name in ("text", "owner", "due")}
        try:
            new = NewActionItem.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            raise RefusedError(
                f"nothing was added: {str(first['loc'][0]).lower()}: {first['msg']}"
            ) from None
        reports = replace(service.reports, actor=caller.subject)
        # The same for each time that this form is sent.
        item = await reports.add_action_item(state.execution_id, new, key=fields.get("key"))
        return Outcome(f"Action item {item.number} is added, due {item.due}.")

    html = render("action_item_dialog", state=state, number=None, key=uuid4().hex)
    return Dialog(html, send)


def _close_dialog(service: ExecutionService, state: ExecutionState, number: int) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        require(caller, Role.OPERATOR)
        reports = replace(service.reports, actor=caller.subject)
        note = fields.get("note", "").strip()
        item = await reports.close_action_item(state.execution_id, number, note)
        return Outcome(f"Action item {item.number} is closed.")

    return Dialog(render("action_item_dialog", state=state, number=number, key=""), send)
