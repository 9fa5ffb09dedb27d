"""The page of a plan: its waves, versions and executions, and what its last execution left."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.assets import document
from api.pages.dialogs import Dialog
from api.pages.execution.execution_renderer import PLAN_SYMBOLS
from api.pages.live_page import LivePage, add_live_page, failed
from api.pages.overview.open_decisions import open_decisions
from api.pages.plan.plan_poller import PlanPollers, PlanState
from api.pages.plan.start_dialog import plan_dialog
from api.pages.rendering import render
from api.pages.sign_in import current_user, user_of
from api.problems import problem_of
from api.reports.responses import html_response
from api.service import ExecutionService, version_of
from client.overview import ExecutionRow
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.readiness.affected import merged
from recovery.readiness.finding_kinds import FINDING_KINDS
from recovery.readiness.result import DAY_SECONDS
from recovery.text_format import rounded_duration

_OLD_AFTER_SECONDS = 10.0
_MAX_FINDINGS = 50
_PATH = "/plans/{plan_id}"


class PlanPage(LivePage[PlanState]):
    """The page of a plan for a user."""

    template = "plan"

    def parts(self, snapshot: Snapshot[PlanState]) -> dict[str, str]:
        """Render the parts that change."""
        found = snapshot.value
        may = self.user.may(Role.OPERATOR)
        expected = found.forecast.seconds if found.forecast else None
        findings = merged(found.readiness.findings) if found.readiness else []
        left_out = found.readiness.left_out if found.readiness else 0
        return {
            "plan-head": render("plan_head", found=found, may=may, expected=expected),
            "warnings": render("warnings", warnings=found.warnings),
            "decisions": self._decisions(found),
            "plan-left": render(
                "plan_left",
                left=left_executions(found),
                may=may,
                may_destroy=self.user.may(Role.ADMIN),
            ),
            "plan-readiness": render(
                "plan_readiness",
                report=found.readiness,
                kinds=FINDING_KINDS,
                findings=findings[:_MAX_FINDINGS],
                more=left_out + len(findings[_MAX_FINDINGS:]),
            ),
            "plan-executions": render(
                "plan_executions",
                # Recorded durations in a sandbox are those of its faster clock.
                rows=trend(found.rows, expected and expected / self.service.settings.speed),
                expected=expected,
                symbols=PLAN_SYMBOLS,
            ),
            "plan-waves": found.waves or '<section id="plan-waves" hidden></section>',
            "plan-versions": render("plan_versions", found=found),
        }

    def _decisions(self, found: PlanState) -> str:
        """What its running execution waits for, as far as that has been read."""
        latest = self.service.inbox.current
        read = latest.value.executions if latest and found.running else []
        states = [e.state for e in read if e.row.plan_id == found.plan_id and e.state is not None]
        decisions = open_decisions(states, self.user)
        return render(
            "decisions", decisions=decisions, total=len(decisions), unread=0, now=time.time()
        )

    def old_after(self, snapshot: Snapshot[PlanState]) -> float:
        """More than on an execution's page, because a plan is polled less often."""
        return _OLD_AFTER_SECONDS

    async def dialog(self, name: str, about: str | None) -> Dialog | None:
        """The dialog that starts the plan or continues an execution."""
        return None if about is None else await plan_dialog(self.service, self.user, name, about)


@dataclass(frozen=True)
class TrendRow:
    """An execution in the trend of durations.

    Attributes:
        seconds: how long it took; None if it has not ended.
        share: its part of the longest duration, in percent.
        expected_share: that of the forecast; None if there is none.
        change: the difference to the completed execution before; "" if it was not completed.
    """

    row: ExecutionRow
    seconds: float | None
    share: float
    expected_share: float | None
    change: str


def trend(rows: Sequence[ExecutionRow], expected: float | None) -> list[TrendRow]:
    """The durations of executions, the newest first, beside each other and the forecast."""
    took = {r.execution_id: r.end_time - r.start_time for r in rows if r.end_time is not None}
    longest = max([*took.values(), expected or 0.0, 1.0])
    found: list[TrendRow] = []
    before: float | None = None
    for row in reversed(rows):
        seconds, change = took.get(row.execution_id), ""
        if seconds is not None and row.status == PlanStatus.COMPLETED:
            change = "" if before is None else _change(seconds - before)
            before = seconds
        found.append(
            TrendRow(
                row,
                seconds,
                100 * (seconds or 0.0) / longest,
                None if expected is None else 100 * expected / longest,
                change,
            )
        )
    return found[::-1]


def _change(seconds: float) -> str:
    if abs(seconds) < 1:
        return "as long"
    return f"{rounded_duration(abs(seconds))} {'longer' if seconds > 0 else 'shorter'}"


@dataclass(frozen=True)
class LeftExecution:
    """An execution that no longer runs and left something to continue, or live instances.

    Attributes:
        up: how many of its `servers` are recorded as up.
        newer: the newest version of the plan, if it differs from the plan that ran.
        may_relaunch: whether it has live instances that a relaunch would destroy.
    """

    state: ExecutionState
    up: int
    servers: int
    newer: int | None
    may_relaunch: bool


def left_executions(found: PlanState) -> list[LeftExecution]:
    """What earlier executions left; nothing while one runs, or after a clean-up."""
    if found.running is not None:
        return []
    newest = found.versions[0] if found.versions else None
    left = []
    for state in found.ended:
        up, servers = len(state.servers_up), sum(len(wave.servers) for wave in state.waves)
        is_recovery = state.execution_type is ExecutionType.RECOVERY
        is_cleaned_up = state.cleanup is not None and not up
        if not is_cleaned_up and (up < servers or is_recovery):
            newer = newest.version if newest and newest.plan_hash != state.registered_hash else None
            may_relaunch = is_recovery and newest is not None and up > 0
            left.append(LeftExecution(state, up, servers, newer, may_relaunch))
    return left


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page, and the page of the difference between two versions."""
    pollers = PlanPollers(service)

    def open_page(request: Request, user: Principal) -> PlanPage:
        plan_id = request.path_params["plan_id"]
        return PlanPage(service, user, pollers.plan(plan_id), plan_id)

    add_live_page(app, service, _PATH, "Plan · drs-waves", open_page)

    @app.get(f"{_PATH}/report.html", include_in_schema=False)
    async def report(request: Request, plan_id: str) -> Response:
        try:
            await current_user(service.authenticator, request)
            found = await service.reports.summary(plan_id, time.time() - 365 * DAY_SECONDS)
        except Exception as error:
            return failed(error)
        return await asyncio.to_thread(html_response, found)

    @app.get(f"{_PATH}/difference", include_in_schema=False)
    async def difference(
        request: Request, plan_id: str, before: str = "", after: str = ""
    ) -> Response:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        top = {"user": user, "is_open": service.authenticator.is_open, "here": plan_id}
        try:
            found = await service.difference(plan_id, version_of(before), version_of(after))
            versions = await service.plans.versions(plan_id)
        except Exception as error:
            problem = problem_of(error)
            title = "Unknown" if problem.status is HTTPStatus.NOT_FOUND else "Not available"
            body = render("notice", title=title, text=f"{problem.detail}.", **top)
            return document(f"{title} · drs-waves", body, status=problem.status)
        body = render("difference", found=found, versions=versions, plan_id=plan_id, **top)
        return document(f"Difference · {plan_id} · drs-waves", body)
