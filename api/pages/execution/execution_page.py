"""The page of one execution."""

import asyncio
import time
from dataclasses import replace
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter

from api.auth.tokens import Principal
from api.hub import Poller, Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.action_items import (
    ADD_ITEM,
    CLOSE_ITEM,
    DECLARE,
    action_item_dialog,
    action_items_html,
)
from api.pages.execution.attention import attention
from api.pages.execution.controls import REVERT, action_dialog, controls
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.wave_panel import job_log_dialog, wave_panel
from api.pages.execution.wave_search import FoundWave, found_waves
from api.pages.live_page import LivePage
from api.pages.rendering import render
from api.pages.steps.revert_dialog import revert_dialog
from api.reports.responses import ReportFile, html_response, json_response
from api.service import ExecutionService
from client.executions import last_known_text
from contract.identifiers import plan_workflow_id
from recovery.execution.recovery_points import recovery_point_lines
from recovery.execution.state import ExecutionState
from recovery.forecast.fast_mode import fast_lines
from recovery.operator.messages import MessageName
from recovery.plan.membership import membership_lines

_FOUND = TypeAdapter(list[FoundWave])
# A few failed polls, or one slow poll, mark a page as out of date.
_OLD_AFTER_SECONDS = 5.0
_ENDED_OLD_AFTER_SECONDS = 20.0
_MAX_NOTIFICATIONS = 100


class ExecutionPage(LivePage[ExecutionState]):
    """The page of an execution for a user."""

    template = "execution"

    def __init__(
        self,
        service: ExecutionService,
        user: Principal,
        execution_id: str,
        renderer: ExecutionRenderer,
    ) -> None:
        """Create a page; `renderer` is shared by all pages of the execution."""
        super().__init__(service, user, service.hub.execution(execution_id), execution_id)
        self._renderer = renderer

    def parts(self, snapshot: Snapshot[ExecutionState]) -> dict[str, str]:
        """Render the parts that change, except the panel of the selected wave."""
        state = snapshot.value
        link = self.service.web_ui_link(plan_workflow_id(state.plan_id))
        # "I have it" is beside the decisions.
        own = [c for c in controls(state, self.user) if c.name != MessageName.ACKNOWLEDGE]
        points = [*membership_lines(state.membership), *recovery_point_lines(state)]
        facts = render(
            "facts",
            state=state,
            link=link,
            controls=own,
            fast=fast_lines(state),
            points=points,
        )
        return self._renderer.render(snapshot).parts | {
            "attention": attention(state, self.user, now=time.time()),
            "facts": facts,
        }

    def frame(self, snapshot: Snapshot[ExecutionState]) -> dict[str, Any]:
        """The layout of the graph and the order of the waves."""
        panel = wave_panel(self.service, snapshot.value, None, self.user)
        return self._renderer.render(snapshot).frame | {"panel": panel}

    def old_after(self, snapshot: Snapshot[ExecutionState]) -> float:
        """Ended executions are polled less often."""
        return _OLD_AFTER_SECONDS if snapshot.value.end_time is None else _ENDED_OLD_AFTER_SECONDS

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog of an action, or the job log of a wave."""
        if name == "job_log":
            snapshot = await _newest(self.poller)
            return job_log_dialog(self.service, self.user, snapshot.value, str(about))
        if name in (ADD_ITEM, CLOSE_ITEM, DECLARE):
            snapshot = await _newest(self.poller)
            return action_item_dialog(self.service, snapshot.value, name, about)
        if name == REVERT:
            snapshot = await _newest(self.poller)
            return revert_dialog(self.service, self.user, snapshot.value, str(about))
        return await dialog_of(self.service, self.poller, name, about)

    async def panel(self, wave_id: str) -> Response:
        """The panel of a wave."""
        return HTMLResponse(wave_panel(self.service, await self._shown(), wave_id, self.user))

    async def notifications(self) -> Response:
        """What channels were sent about it, the newest first."""
        execution_id = self.title
        found = await self.service.history.deliveries(execution_id)
        newest = found[: -_MAX_NOTIFICATIONS - 1 : -1]
        more = len(found) - len(newest)
        return HTMLResponse(
            render("notifications", records=newest, more=more, execution_id=execution_id)
        )

    async def action_items(self) -> Response:
        """What people have to do after it."""
        return HTMLResponse(await action_items_html(self.service, self.user, self.title))

    async def report(self, kind: ReportFile) -> Response:
        """Its report as a file."""
        found = await self.service.reports.report(self.title)
        response = html_response if kind is ReportFile.HTML else json_response
        return await asyncio.to_thread(response, found)

    async def find(self, wanted: str) -> Response:
        """The waves that a text finds, as JSON."""
        found = _FOUND.dump_json(found_waves(await self._shown(), wanted))
        return Response(found, media_type="application/json")

    async def _shown(self) -> ExecutionState:
        async with self.poller.subscribed():
            return (await self.poller.newer_than(0)).value


async def dialog_of(
    service: ExecutionService, poller: Poller[ExecutionState], name: str, about: str | None
) -> Dialog | None:
    """The dialog of an action; it says how old the state is, if nothing newer can be read."""
    snapshot = await _newest(poller)
    dialog = action_dialog(service, snapshot.value, name, about)
    if dialog is None or not snapshot.error:
        return dialog
    age = last_known_text(snapshot.seen_time, time.time())
    notice = render("outdated", text=f"{age}: {snapshot.error}.")
    return replace(dialog, html=notice + dialog.html)


async def _newest(poller: Poller[ExecutionState]) -> Snapshot[ExecutionState]:
    async with poller.subscribed():
        latest = poller.latest
        # Another server process may have shown the button, after this one's last poll. While
        # nothing answers, a poll takes seconds.
        return latest if latest and latest.error else await poller.fresh(0)
