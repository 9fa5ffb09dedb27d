"""The page of one execution."""

import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter

from api.auth.tokens import Principal
from api.endpoints.execution_state import export
from api.execution_export import ExportFormat
from api.hub import Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.attention import attention
from api.pages.execution.controls import action_dialog, controls
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.wave_panel import job_log_dialog, wave_panel
from api.pages.execution.wave_search import FoundWave, found_waves
from api.pages.live_page import LivePage, add_live_page, failed
from api.pages.rendering import render
from api.pages.sign_in import token_of
from api.service import ExecutionService
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState

_MAX_RENDERERS = 100
_FOUND = TypeAdapter(list[FoundWave])
# A few failed polls, or one slow poll, mark a page as out of date.
_OLD_AFTER_SECONDS = 5.0
_ENDED_OLD_AFTER_SECONDS = 20.0


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
        facts = render("facts", state=state, link=link, controls=controls(state, self.user))
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
        async with self.poller.subscribed():
            # Another server process may have shown the button, after this one's last poll.
            state = (await self.poller.fresh(0)).value
        if name == "job_log":
            return job_log_dialog(self.service, self.user, state, str(about))
        return action_dialog(self.service, state, name, about)

    async def panel(self, wave_id: str) -> Response:
        """The panel of a wave."""
        return HTMLResponse(wave_panel(self.service, await self._shown(), wave_id, self.user))

    async def find(self, wanted: str) -> Response:
        """The waves that a text finds, as JSON."""
        found = _FOUND.dump_json(found_waves(await self._shown(), wanted))
        return Response(found, media_type="application/json")

    async def _shown(self) -> ExecutionState:
        async with self.poller.subscribed():
            return (await self.poller.newer_than(0)).value


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page."""

    @lru_cache(maxsize=_MAX_RENDERERS)
    def renderer(execution_id: str) -> ExecutionRenderer:
        return ExecutionRenderer()

    def open_page(request: Request, user: Principal) -> ExecutionPage:
        execution_id = request.path_params["execution_id"]
        return ExecutionPage(service, user, execution_id, renderer(execution_id))

    path = "/executions/{execution_id}"
    add_live_page(app, service, path, "Execution · drs-waves", open_page)

    async def answered(
        request: Request, answer: Callable[[ExecutionPage], Awaitable[Response]]
    ) -> Response:
        try:
            user = await service.authenticator.authenticate(token_of(request))
            return await answer(open_page(request, user))
        except Exception as error:
            return failed(error)

    @app.get(f"{path}/panel", include_in_schema=False)
    async def panel(request: Request, wave: str) -> Response:
        return await answered(request, lambda page: page.panel(wave))

    @app.get(f"{path}/find", include_in_schema=False)
    async def find(request: Request, text: str) -> Response:
        return await answered(request, lambda page: page.find(text))

    @app.get(f"{path}/export.{{kind}}", include_in_schema=False)
    async def export_file(request: Request, execution_id: str, kind: ExportFormat) -> Response:
        return await answered(request, lambda _: export(service, execution_id, kind))
