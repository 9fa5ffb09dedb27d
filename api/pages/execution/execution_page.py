"""The page of one execution."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from nicegui import ui

from api.hub import ExecutionPoller, Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.attention import attention
from api.pages.execution.controls import action_dialog, controls
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.job_log import job_log_dialog
from api.pages.execution.wave_panel import wave_panel
from api.pages.page_session import PageRequest, PageSession, first_snapshot
from api.pages.rendering import render
from api.pages.sign_in import token_of, user_of
from api.service import ExecutionService, web_ui_link
from client.errors import RefusedError, UnreachableError
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState

_MAX_RENDERERS = 100
# A few failed polls, or one slow poll, mark a page as out of date.
_OLD_AFTER_SECONDS = 5.0
_ENDED_OLD_AFTER_SECONDS = 20.0


class RendererCache:
    """The renderers of the executions that were viewed last."""

    def __init__(self) -> None:
        self._renderers: OrderedDict[str, ExecutionRenderer] = OrderedDict()

    def renderer(self, execution_id: str) -> ExecutionRenderer:
        """The renderer that all pages of an execution share."""
        found = self._renderers.setdefault(execution_id, ExecutionRenderer())
        self._renderers.move_to_end(execution_id)
        if len(self._renderers) > _MAX_RENDERERS:
            self._renderers.popitem(last=False)
        return found


class ExecutionPageSession(PageSession[ExecutionState]):
    """An open page of an execution."""

    def __init__(
        self, page_request: PageRequest, execution_id: str, renderer: ExecutionRenderer
    ) -> None:
        """Create a session.

        Args:
            page_request: the request that opened the page.
            execution_id: the execution.
            renderer: the shared renderer of the execution.
        """
        super().__init__(page_request, f"/executions/{execution_id}", execution_id)
        self._renderer = renderer
        self._selected: str | None = None
        self._state: ExecutionState | None = None
        self._namespace: str | None = None

    async def find_namespace(self) -> None:
        """Get the Temporal namespace for links; without it the page has no links."""
        with suppress(RefusedError, UnreachableError):
            self._namespace = (await self.service.client()).namespace

    def parts(self, snapshot: Snapshot[ExecutionState]) -> dict[str, str]:
        """Render the parts that change."""
        self._state = state = snapshot.value
        return self._renderer.render(snapshot).parts | {
            "attention": attention(state, self.user),
            "panel": self._panel(state),
            "facts": self._facts(state),
        }

    def page(self, snapshot: Snapshot[ExecutionState]) -> str:
        """Render the whole page."""
        frame = self._renderer.render(snapshot).frame
        return render("execution", parts=self.parts(snapshot), **frame, **self.top)

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
        return action_dialog(
            self.service, self._state, str(fields.get("ask")), wave_id and str(wave_id)
        )

    async def choose(self, fields: dict[str, Any]) -> None:
        """Select a wave and show its panel."""
        self._selected = str(fields.get("wave"))
        if self._state is not None:
            self.element.update_parts({"panel": self._panel(self._state)})

    def _panel(self, state: ExecutionState) -> str:
        return wave_panel(self.service, state, self._selected, self.user, namespace=self._namespace)

    def _facts(self, state: ExecutionState) -> str:
        link = None
        if self._namespace is not None:
            workflow_id = plan_workflow_id(state.plan_id)
            link = web_ui_link(self.service.settings, self._namespace, workflow_id)
        return render("facts", state=state, link=link, controls=controls(state, self.user))


def add_to(service: ExecutionService) -> None:
    """Add the page."""
    renderers = RendererCache()

    @ui.page("/executions/{execution_id}", title="Execution · drs-waves", response_timeout=10)
    async def execution(request: Request, execution_id: str) -> Response | None:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        page_request = PageRequest(service, user, token_of(request))
        session = ExecutionPageSession(page_request, execution_id, renderers.renderer(execution_id))
        await session.find_namespace()

        def poller() -> ExecutionPoller:
            return service.hub.execution(execution_id)

        first = await first_snapshot(poller)
        session.open(ui.context.client, poller, first, {"choose": session.choose})
        return None
