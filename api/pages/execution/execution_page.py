"""The page of one execution."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fastapi import Request, Response
from nicegui import ui

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.attention import attention
from api.pages.execution.controls import action_dialog, controls
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.wave_panel import job_log_dialog, wave_panel
from api.pages.page_session import PageSession
from api.pages.rendering import render
from api.pages.sign_in import user_of
from api.service import ExecutionService
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState

_MAX_RENDERERS = 100
# A few failed polls, or one slow poll, mark a page as out of date.
_OLD_AFTER_SECONDS = 5.0
_ENDED_OLD_AFTER_SECONDS = 20.0


class ExecutionPageSession(PageSession[ExecutionState]):
    """An open page of an execution."""

    template = "execution"

    def __init__(
        self,
        service: ExecutionService,
        request: Request,
        user: Principal,
        execution_id: str,
        renderer: ExecutionRenderer,
    ) -> None:
        """Create a session; `renderer` is shared by all pages of the execution."""
        super().__init__(service, request, user, execution_id)
        self._renderer = renderer
        self._selected: str | None = None
        self._state: ExecutionState | None = None

    def parts(self, snapshot: Snapshot[ExecutionState]) -> dict[str, str]:
        """Render the parts that change."""
        self._state = state = snapshot.value
        link = self.service.web_ui_link(plan_workflow_id(state.plan_id))
        facts = render("facts", state=state, link=link, controls=controls(state, self.user))
        return self._renderer.render(snapshot).parts | {
            "attention": attention(state, self.user),
            "panel": self._panel(state),
            "facts": facts,
        }

    def frame(self, snapshot: Snapshot[ExecutionState]) -> dict[str, Any]:
        """The layout of the graph and the order of the waves."""
        return self._renderer.render(snapshot).frame

    def old_after(self, snapshot: Snapshot[ExecutionState]) -> float:
        """Ended executions are polled less often."""
        return _OLD_AFTER_SECONDS if snapshot.value.end_time is None else _ENDED_OLD_AFTER_SECONDS

    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """The dialog of an action, or the job log of a wave."""
        wave_id = fields.get("wave") or None
        if self._state is None:
            return None
        if fields.get("show") == "job_log":
            return job_log_dialog(self.service, self.user, self._state, str(wave_id))
        return action_dialog(self.service, self._state, str(fields.get("ask")), wave_id)

    async def choose(self, fields: dict[str, Any]) -> None:
        """Select a wave and show its panel."""
        self._selected = str(fields.get("wave"))
        if self._state is not None:
            self.element.update_parts({"panel": self._panel(self._state)})

    def _panel(self, state: ExecutionState) -> str:
        return wave_panel(self.service, state, self._selected, self.user)


def add_to(service: ExecutionService) -> None:
    """Add the page."""

    @lru_cache(maxsize=_MAX_RENDERERS)
    def renderer(execution_id: str) -> ExecutionRenderer:
        return ExecutionRenderer()

    @ui.page("/executions/{execution_id}", title="Execution · drs-waves", response_timeout=10)
    async def execution(request: Request, execution_id: str) -> Response | None:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        session = ExecutionPageSession(service, request, user, execution_id, renderer(execution_id))
        poller = service.hub.execution(execution_id)
        await session.open(ui.context.client, poller, {"choose": session.choose})
        return None
