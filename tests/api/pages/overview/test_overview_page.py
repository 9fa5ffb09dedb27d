"""What the overview shows when nothing newer is known."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.overview.overview_page import OverviewPage
from api.pages.overview.overview_poller import OverviewExecution, OverviewState
from client.overview import ExecutionRow
from recovery.access.roles import Role
from recovery.coverage.evidence import CoverageEvidence
from recovery.coverage.gaps import coverage
from recovery.execution.wave import WaveStatus
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.report import ReadinessRow
from recovery.readiness.verdict import ReadinessStatus
from tests.cli.executions import CHAIN, begin, put
from tests.recovery.coverage.test_gaps import NOW, listed


def test_an_overview_that_is_out_of_date_does_not_go_on_counting() -> None:
    seen_time = time.time() - 3600
    state = begin(CHAIN)
    state.start_time = seen_time - 60
    running = put(state, "Database", WaveStatus.IN_PROGRESS, start=seen_time - 60)
    running.expected_seconds = 600.0
    row = ExecutionRow(
        execution_id=state.execution_id,
        plan_id=state.plan_id,
        status=state.status,
        start_time=state.start_time,
    )
    found = OverviewState([OverviewExecution(row, state)], [], [], [], plans_known=True)
    user = Principal("ops", frozenset(Role))
    service: Any = SimpleNamespace()
    poller: Any = SimpleNamespace()
    page = OverviewPage(service, user, poller, "overview")
    shown = page.parts(Snapshot(found, seen_time, 1, "No worker answers"))["running"]
    assert "later than expected" not in shown
    assert "left" in shown


def test_a_state_that_is_not_read_yet_passes_for_no_other() -> None:
    row = ExecutionRow(
        execution_id="crm-1", plan_id="crm", status="IN_PROGRESS", running=True, start_time=0.0
    )
    running = [OverviewExecution(row, None, is_pending=True)]
    page = OverviewPage(
        cast(Any, None), Principal("ops", frozenset(Role)), cast(Any, None), "overview"
    )
    found = OverviewState(running, [], [], [], plans_known=True)
    parts = page.parts(Snapshot(found, time.time(), 1))
    assert "Its waves are being read" in parts["running"]
    assert "waves up" not in parts["running"]
    assert "1 running execution cannot be read now" in parts["decisions"]


def test_the_overview_shows_gaps_of_coverage_and_what_could_not_be_read() -> None:
    denied = FailedRead(action="drs:DescribeSourceServers", error="no", is_denied=True)
    evidence = CoverageEvidence(targets=[listed(*range(30)), listed(failed=denied)])
    found = OverviewState([], [], [], [], plans_known=True)
    service: Any = SimpleNamespace()
    user = Principal("ops", frozenset(Role))
    page = OverviewPage(service, user, cast(Any, SimpleNamespace()), "overview")

    def shown(**known: Any) -> str:
        state = replace(found, **known)
        return page.parts(Snapshot(state, time.time(), 1, ""))["coverage"]

    assert "A worker reads" in shown()
    assert "Not known: no worker" in shown(coverage_error="no worker")
    gaps = shown(coverage=coverage(evidence, now=NOW), coverage_error="no worker")
    assert "It could not be read again: no worker" in gaps
    assert "<strong>UNKNOWN</strong>: 1" in gaps
    assert "The worker lacks drs:DescribeSourceServers" in gaps
    assert "IN_NO_PLAN: 30" in gaps
    assert "and 10 more" in gaps
    complete = shown(coverage=coverage(CoverageEvidence(), now=NOW))
    assert "each plan was drilled" in complete


def test_what_changed_since_yesterday_comes_before_what_is_not_ready_for_long() -> None:
    now = time.time()

    def row(plan_id: str, status: ReadinessStatus, hours: float, was: str) -> ReadinessRow:
        return ReadinessRow(
            plan_id=plan_id,
            plan_name=plan_id.upper(),
            status=status,
            reason=f"what {plan_id} lacks",
            looked_time=now,
            since=now - hours * 3600,
            previous=ReadinessStatus(was),
        )

    rows = [
        row("always", ReadinessStatus.READY, 900, "READY"),
        row("broken", ReadinessStatus.NOT_READY, 72, "NOT_READY"),
        row("crm", ReadinessStatus.UNKNOWN, 3, "READY"),
        row("mended", ReadinessStatus.READY, 2, "NOT_READY"),
    ]
    found = OverviewState([], [], [], [], plans_known=True, readiness=rows)
    service: Any = SimpleNamespace()
    page = OverviewPage(service, Principal("ops", frozenset(Role)), service, "overview")
    shown = page.parts(Snapshot(found, now, 1, ""))["readiness"]
    places = [shown.find(f">{name}<") for name in ("CRM", "MENDED", "BROKEN")]
    assert -1 < places[0] < places[1] < places[2]
    assert "ALWAYS" not in shown
    assert "(was READY): what crm lacks" in shown
    assert "1 other plan READY" in shown
