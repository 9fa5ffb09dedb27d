"""The overview page: running executions, plans, past executions."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from nicegui import app as nicegui_app
from nicegui import ui

from api.hub import Poller, Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.execution_renderer import PLAN_SYMBOLS, left
from api.pages.overview.overview_poller import OverviewExecution, OverviewPoller, OverviewState
from api.pages.overview.start_dialog import start_dialog
from api.pages.page_session import PageRequest, PageSession, first_snapshot
from api.pages.rendering import render
from api.pages.sign_in import token_of, user_of
from api.service import ExecutionService
from recovery.execution.progress import unverified
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.text_format import count
from settings import Role

_OLD_AFTER_SECONDS = 8.0
_PAST_SHOWN = 30


class OverviewPageSession(PageSession[OverviewState]):
    """An open overview page."""

    def parts(self, snapshot: Snapshot[OverviewState]) -> dict[str, str]:
        """Render the parts that change."""
        found = snapshot.value
        may = self.user.may(Role.OPERATOR)
        past = found.past[:_PAST_SHOWN]
        return {
            "status-line": render("status_line", text=_status_line(found)),
            "warnings": render("warnings", warnings=found.warnings),
            "running": render("running", rows=[_running(each) for each in found.running]),
            "plans": render(
                "plans", plans=found.plans, known=found.plans_known, may=may, symbols=PLAN_SYMBOLS
            ),
            "past": render("past", rows=past, symbols=PLAN_SYMBOLS),
        }

    def page(self, snapshot: Snapshot[OverviewState]) -> str:
        """Render the whole page."""
        return render("overview", parts=self.parts(snapshot), **self.top)

    def old_after(self, snapshot: Snapshot[OverviewState]) -> float:
        """More than on an execution's page, because many running executions take longer to read."""
        return _OLD_AFTER_SECONDS

    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """The dialog that starts an execution."""
        kinds = {"drill": ExecutionType.DRILL, "recovery": ExecutionType.RECOVERY}
        kind = kinds.get(str(fields.get("ask")))
        if kind is None:
            return None
        return await start_dialog(self.service, str(fields.get("wave")), kind)


def add_to(service: ExecutionService) -> None:
    """Add the page."""
    overview_poller = OverviewPoller(service)
    nicegui_app.on_shutdown(overview_poller.poller.close)

    @ui.page("/", title="drs-waves", response_timeout=10)
    async def overview(request: Request) -> Response | None:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        session = OverviewPageSession(
            PageRequest(service, user, token_of(request)), "/", "overview"
        )

        def poller() -> Poller[OverviewState]:
            return overview_poller.poller

        first = await first_snapshot(poller)
        session.open(ui.context.client, poller, first)
        return None


def _status_line(found: OverviewState) -> str:
    recoveries = sum(each.row.execution_type == ExecutionType.RECOVERY for each in found.running)
    executions = count(len(found.running), "execution")
    return f"{executions} running" + (
        f", {recoveries} of them a real RECOVERY" if recoveries else ""
    )


def _running(each: OverviewExecution) -> dict[str, Any]:
    """The template values of a running execution."""
    state = each.state
    values: dict[str, Any] = {"row": each.row, "state": state, "error": each.error}
    if state is None:
        known = {str(status): symbol for status, symbol in PLAN_SYMBOLS.items()}
        return values | {"symbol": known.get(each.row.status, "?"), "status": each.row.status}
    not_up = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.SKIPPED, WaveStatus.CANCELLED)
    statuses = [wave.status for wave in state.waves]
    return values | {
        "symbol": PLAN_SYMBOLS[state.status],
        "status": state.status,
        "up": sum(status.satisfies for status in statuses),
        "in_progress": statuses.count(WaveStatus.IN_PROGRESS),
        "broken": sum(status in not_up for status in statuses),
        "total": len(statuses),
        "unverified": sum(unverified(wave) for wave in state.waves),
        "left": left(state, now=time.time()),
    }
