"""The overview: what runs, what plans there are, what has run."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from nicegui import app as nicegui_app
from nicegui import ui

from api.hub import Lookout, Sight
from api.pages.dialogs import Dialog
from api.pages.execution.execution_view import PLAN_SYMBOLS, left
from api.pages.overview.overview_poller import Everything, OverviewLook, Running
from api.pages.overview.start_dialog import ask_start
from api.pages.rendering import render
from api.pages.session import Reading, Visit, first_sight
from api.pages.sign_in import reader_of, token_of
from api.service import House
from recovery.execution.progress import unverified
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.text_format import count
from settings import Role

_OLD_AFTER_SECONDS = 8.0
_PAST_SHOWN = 30


class OverviewVisit(Visit[Everything]):
    """An open overview."""

    def parts(self, sight: Sight[Everything]) -> dict[str, str]:
        """What changes on the page."""
        found = sight.value
        may = self.reader.may(Role.OPERATOR)
        past = found.past[:_PAST_SHOWN]
        return {
            "status-line": render("status_line", told=_told(found)),
            "warnings": render("warnings", warnings=found.warnings),
            "running": render("running", rows=[_running(each) for each in found.running]),
            "plans": render(
                "plans", plans=found.plans, known=found.plans_known, may=may, symbols=PLAN_SYMBOLS
            ),
            "past": render("past", rows=past, symbols=PLAN_SYMBOLS),
        }

    def page(self, sight: Sight[Everything]) -> str:
        """The whole page."""
        return render("overview", parts=self.parts(sight), **self.top)

    def old_after(self, sight: Sight[Everything]) -> float:
        """Many running executions take longer to look at."""
        return _OLD_AFTER_SECONDS

    async def dialog(self, fields: Mapping[str, Any]) -> Dialog | None:
        """What is asked before an execution is started."""
        kinds = {"drill": ExecutionType.DRILL, "recovery": ExecutionType.RECOVERY}
        kind = kinds.get(str(fields.get("ask")))
        if kind is None:
            return None
        return await ask_start(self.house, str(fields.get("wave")), kind)


def add_to(house: House) -> None:
    """Add the page."""
    look = OverviewLook(house)
    nicegui_app.on_shutdown(look.lookout.close)

    @ui.page("/", title="drs-waves", response_timeout=10)
    async def overview(request: Request) -> Response | None:
        reader = await reader_of(house.gate, request)
        if isinstance(reader, Response):
            return reader
        visit = OverviewVisit(Reading(house, reader, token_of(request)), "/", "overview")

        def lookout() -> Lookout[Everything]:
            return look.lookout

        first = await first_sight(lookout)
        visit.open(ui.context.client, lookout, first)
        return None


def _told(found: Everything) -> str:
    real = sum(each.row.execution_type == ExecutionType.RECOVERY for each in found.running)
    told = count(len(found.running), "execution")
    return f"{told} running" + (f", {real} of them a real RECOVERY" if real else "")


def _running(each: Running) -> dict[str, Any]:
    """What is shown of a running execution."""
    state = each.state
    told: dict[str, Any] = {"row": each.row, "state": state, "error": each.error}
    if state is None:
        known = {str(status): symbol for status, symbol in PLAN_SYMBOLS.items()}
        return told | {"symbol": known.get(each.row.status, "?"), "status": each.row.status}
    broken = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.SKIPPED, WaveStatus.CANCELLED)
    statuses = [wave.status for wave in state.waves]
    return told | {
        "symbol": PLAN_SYMBOLS[state.status],
        "status": state.status,
        "up": sum(status.satisfies for status in statuses),
        "going": statuses.count(WaveStatus.IN_PROGRESS),
        "broken": sum(status in broken for status in statuses),
        "total": len(statuses),
        "unverified": sum(unverified(wave) for wave in state.waves),
        "left": left(state, now=time.time()),
    }
