"""The overview page: running executions, plans, past executions."""

import time
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

from api.auth.tokens import Principal
from api.execution_export import ExportFormat
from api.export import exported_list
from api.hub import POLL_ERRORS, Snapshot
from api.pages.dialogs import Dialog
from api.pages.execution.execution_renderer import PLAN_SYMBOLS, summary
from api.pages.live_page import LivePage, add_live_page, failed
from api.pages.overview.open_decisions import open_decisions
from api.pages.overview.overview_poller import OverviewExecution, OverviewPoller, OverviewState
from api.pages.plan.start_dialog import plan_dialog
from api.pages.rendering import render
from api.pages.sign_in import user_of
from api.service import ExecutionService
from recovery.access.roles import Role
from recovery.coverage.gaps import Coverage, Gap, GapCode
from recovery.execution.state import ExecutionType
from recovery.readiness.report import changed_first
from recovery.readiness.result import DAY_SECONDS
from recovery.readiness.verdict import ReadinessStatus
from recovery.text_format import count

_OLD_AFTER_SECONDS = 8.0
_PAST_SHOWN = 30
_MAX_DECISIONS = 8
_GAPS_SHOWN = 20
_MAX_NOT_READY = 30


class OverviewPage(LivePage[OverviewState]):
    """The overview for a user."""

    template = "overview"

    def parts(self, snapshot: Snapshot[OverviewState]) -> dict[str, str]:
        """Render the parts that change."""
        found = snapshot.value
        # What is out of date does not go on counting.
        now = min(time.time(), snapshot.seen_time + self.old_after(snapshot))
        states = [each.state for each in found.running if each.state is not None]
        decisions = open_decisions(states, self.user)
        unread = len(found.running) - len(states)
        return {
            "status-line": render("status_line", text=_status_line(found)),
            "warnings": render("warnings", warnings=found.warnings),
            "decisions": render(
                "decisions",
                decisions=decisions[:_MAX_DECISIONS],
                total=len(decisions),
                unread=unread,
                now=now,
            ),
            "running": render("running", rows=[_running(each, now=now) for each in found.running]),
            "portfolios": render(
                "portfolios",
                rows=sorted(found.portfolios, key=lambda each: each.is_over),
                symbols=PLAN_SYMBOLS,
            ),
            "readiness": _readiness(found, now=now),
            "plans": render(
                "plans",
                readiness={row.plan_id: row for row in found.readiness},
                plans=found.plans,
                known=found.plans_known,
                may=self.user.may(Role.OPERATOR),
                symbols=PLAN_SYMBOLS,
            ),
            "coverage": render(
                "coverage",
                found=found.coverage,
                error=found.coverage_error,
                codes=_by_code(found.coverage),
            ),
            "past": render("past", rows=found.past[:_PAST_SHOWN], symbols=PLAN_SYMBOLS),
        }

    def old_after(self, snapshot: Snapshot[OverviewState]) -> float:
        """More than on an execution's page, because many running executions take longer to read."""
        return _OLD_AFTER_SECONDS

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog that starts an execution of a plan."""
        return None if about is None else await plan_dialog(self.service, self.user, name, about)


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page."""
    poller = OverviewPoller(service)
    service.on_close(poller.close)

    def open_page(_: Request, user: Principal) -> OverviewPage:
        return OverviewPage(service, user, poller, "overview")

    add_live_page(app, service, "", "drs-waves", open_page)

    @app.get("/executions.{kind}", include_in_schema=False)
    async def export(request: Request, kind: str) -> Response:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        if kind not in list(ExportFormat):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        try:
            return exported_list(await service.executions(), ExportFormat(kind))
        except POLL_ERRORS as error:
            return failed(error)


def _status_line(found: OverviewState) -> str:
    recoveries = sum(each.row.execution_type == ExecutionType.RECOVERY for each in found.running)
    executions = count(len(found.running), "execution")
    return f"{executions} running" + (
        f", {recoveries} of them a real RECOVERY" if recoveries else ""
    )


def _by_code(found: Coverage | None) -> list[tuple[GapCode, int, list[Gap]]]:
    """The gaps of each code: how many, and the first of them."""
    gaps = found.gaps if found is not None else []
    by_code = {code: [gap for gap in gaps if gap.code is code] for code in GapCode}
    return [(code, len(some), some[:_GAPS_SHOWN]) for code, some in by_code.items() if some]


def _readiness(found: OverviewState, *, now: float) -> str:
    """What changed since yesterday first, then what is not ready."""
    yesterday = now - DAY_SECONDS
    shown = [
        row
        for row in found.readiness
        if row.status is not ReadinessStatus.READY or row.changed_after(yesterday)
    ]
    rows = [(row, row.changed_after(yesterday)) for row in changed_first(shown, yesterday)]
    more, ready = len(rows) - _MAX_NOT_READY, len(found.readiness) - len(shown)
    return render("readiness", rows=rows[:_MAX_NOT_READY], more=more, ready=ready)


def _running(each: OverviewExecution, *, now: float) -> dict[str, Any]:
    """The template values of a running execution."""
    values: dict[str, Any] = {
        "row": each.row,
        "state": each.state,
        "error": each.error,
        "is_pending": each.is_pending,
    }
    if each.state is not None:
        return values | summary(each.state, now=now) | {"status": each.state.status}
    symbol = PLAN_SYMBOLS.get(each.row.status, "?")
    return values | {"symbol": symbol, "status": each.row.status}
