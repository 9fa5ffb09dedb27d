"""What the overview shows when nothing newer is known."""

import time
from types import SimpleNamespace
from typing import Any

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.overview.overview_page import OverviewPage
from api.pages.overview.overview_poller import OverviewExecution, OverviewState
from client.overview import ExecutionRow
from recovery.access.roles import Role
from recovery.execution.wave import WaveStatus
from tests.cli.executions import CHAIN, begin, put


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
