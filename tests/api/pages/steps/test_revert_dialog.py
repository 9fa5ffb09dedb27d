"""The dialog that puts back what a step replaced: what it shows, and what it sends."""

import html
import re
from types import SimpleNamespace
from typing import Any, cast

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog
from api.pages.steps.revert_dialog import revert_dialog
from api.service import ExecutionService
from contract.steps import RevertResult
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState
from recovery.steps.replaced import ReplacedState, RevertView
from tests.cli.executions import START
from tests.cli.step_executions import changed_record, put_back, step

USER = Principal("ops", frozenset(Role))


def view_of(state: ExecutionState, **changes: Any) -> RevertView:
    replaced = ReplacedState.model_validate(step(state, "announce").before)
    values = {"now": replaced.set_to, "was": replaced.was, "set_to": replaced.set_to}
    return RevertView(place="record shop.example.com CNAME of zone Z1", **values | changes)


def dialog_of(state: ExecutionState, view: RevertView, sent: list[Any]) -> Dialog:
    async def revert_step(_: Principal, _id: str, name: str, **fields: Any) -> RevertResult:
        sent.append((name, fields))
        return RevertResult(view=view, text="it is put back" if fields else "")

    service = cast(ExecutionService, SimpleNamespace(revert_step=revert_step))
    dialog = revert_dialog(service, USER, state, "cutover/announce")
    assert dialog is not None
    return dialog


async def shown(dialog: Dialog) -> str:
    assert dialog.load_details is not None
    return await dialog.load_details()


async def test_what_a_worker_found_is_shown_confirmed_and_sent() -> None:
    state, sent = changed_record(), list[Any]()
    view = view_of(state)
    dialog = dialog_of(state, view, sent)
    assert 'data-needs="cutover/announce" data-waits' in dialog.html
    details = await shown(dialog)
    assert "data-checked" in details
    assert "<dt>Now</dt><dd>new.example.com (TTL 60)</dd>" in details
    assert "<dt>Is put back</dt><dd><strong>old.example.com (TTL 60)</strong></dd>" in details
    assert "checkbox" not in details
    kept = re.search('name="view" value="([^"]*)"', details)
    assert kept is not None
    assert dialog.send is not None
    fields = {"typed": "cutover/announce", "view": html.unescape(kept[1])}
    assert (await dialog.send(USER, fields)).text == "it is put back."
    confirmed = {"view": view, "confirmation": "cutover/announce", "is_forced": False}
    assert sent == [("cutover/announce", {}), ("cutover/announce", confirmed)]


async def test_what_someone_else_changed_needs_a_tick_and_what_is_back_has_no_button() -> None:
    state = changed_record()
    changed = await shown(dialog_of(state, view_of(state, now=None), []))
    assert "someone has changed it since" in changed
    assert 'name="force" value="yes" required' in changed
    assert "<dt>Now</dt><dd>no record</dd>" in changed
    view = view_of(state)
    same = await shown(dialog_of(state, view.model_copy(update={"now": view.was}), []))
    assert "already as it was before the step" in same
    assert "data-checked" not in same


def test_nothing_is_put_back_twice() -> None:
    state = put_back(changed_record(), at=START + 900)
    service = cast(ExecutionService, SimpleNamespace())
    assert revert_dialog(service, USER, state, "cutover/announce") is None
    assert revert_dialog(service, USER, state, "cutover/nothing") is None
