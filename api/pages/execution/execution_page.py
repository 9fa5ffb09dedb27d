"""The page of one execution."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from nicegui import ui

from api.hub import Lookout, Sight
from api.pages.dialogs import Dialog
from api.pages.execution.attention import attention
from api.pages.execution.controls import ask, offers
from api.pages.execution.execution_view import Painter
from api.pages.execution.job_log import show_job_log
from api.pages.execution.wave_panel import wave_panel
from api.pages.rendering import render
from api.pages.session import Reading, Visit, first_sight
from api.pages.sign_in import reader_of, token_of
from api.service import House, web_ui_link
from client.errors import RefusedError, UnreachableError
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState

_MOST_PAINTERS = 100
# A few looks that failed, or one that takes long, make a picture old.
_OLD_AFTER_SECONDS = 5.0
_ENDED_OLD_AFTER_SECONDS = 20.0


class Gallery:
    """The painters of the executions that were looked at last."""

    def __init__(self) -> None:
        self._painters: OrderedDict[str, Painter] = OrderedDict()

    def painter(self, execution_id: str) -> Painter:
        """The painter that all pages of an execution share."""
        found = self._painters.setdefault(execution_id, Painter())
        self._painters.move_to_end(execution_id)
        if len(self._painters) > _MOST_PAINTERS:
            self._painters.popitem(last=False)
        return found


class ExecutionVisit(Visit[ExecutionState]):
    """An open page of an execution."""

    def __init__(self, reading: Reading, execution_id: str, painter: Painter) -> None:
        """Prepare.

        Args:
            reading: who reads, and where.
            execution_id: what is looked at.
            painter: paints it, for all who look.
        """
        super().__init__(reading, f"/executions/{execution_id}", execution_id)
        self._painter = painter
        self._chosen: str | None = None
        self._state: ExecutionState | None = None
        self._namespace: str | None = None

    async def find_namespace(self) -> None:
        """Find Temporal's namespace, which links need; without it there are none."""
        with suppress(RefusedError, UnreachableError):
            self._namespace = (await self.house.client()).namespace

    def parts(self, sight: Sight[ExecutionState]) -> dict[str, str]:
        """What changes on the page."""
        self._state = state = sight.value
        return self._painter.picture(sight).parts | {
            "attention": attention(state, self.reader),
            "panel": self._panel(state),
            "facts": self._facts(state),
        }

    def page(self, sight: Sight[ExecutionState]) -> str:
        """The whole page."""
        frame = self._painter.picture(sight).frame
        return render("execution", parts=self.parts(sight), **frame, **self.top)

    def old_after(self, sight: Sight[ExecutionState]) -> float:
        """What has ended is looked at less often."""
        return _OLD_AFTER_SECONDS if sight.value.end_time is None else _ENDED_OLD_AFTER_SECONDS

    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """What is asked before something is done."""
        wave_id = fields.get("wave") or None
        if self._state is None:
            return None
        if fields.get("show") == "job_log":
            return show_job_log(self.house, self.reader, self._state, str(wave_id))
        return ask(self.house, self._state, str(fields.get("ask")), wave_id and str(wave_id))

    async def choose(self, fields: dict[str, Any]) -> None:
        """Show a wave in full."""
        self._chosen = str(fields.get("wave"))
        if self._state is not None:
            self.live.change({"panel": self._panel(self._state)})

    def _panel(self, state: ExecutionState) -> str:
        return wave_panel(self.house, state, self._chosen, self.reader, namespace=self._namespace)

    def _facts(self, state: ExecutionState) -> str:
        link = None
        if self._namespace is not None:
            workflow_id = plan_workflow_id(state.plan_id)
            link = web_ui_link(self.house.settings, self._namespace, workflow_id)
        return render("facts", state=state, link=link, offers=offers(state, self.reader))


def add_to(house: House) -> None:
    """Add the page."""
    gallery = Gallery()

    @ui.page("/executions/{execution_id}", title="Execution · drs-waves", response_timeout=10)
    async def execution(request: Request, execution_id: str) -> Response | None:
        reader = await reader_of(house.gate, request)
        if isinstance(reader, Response):
            return reader
        reading = Reading(house, reader, token_of(request))
        visit = ExecutionVisit(reading, execution_id, gallery.painter(execution_id))
        await visit.find_namespace()

        def lookout() -> Lookout[ExecutionState]:
            return house.hub.execution(execution_id)

        first = await first_sight(lookout)
        visit.open(ui.context.client, lookout, first, {"choose": visit.choose})
        return None
