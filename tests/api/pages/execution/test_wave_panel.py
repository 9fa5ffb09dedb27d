"""The panel says of which attempt a failure is, and names each server."""

from types import SimpleNamespace
from typing import Any

from api.auth.tokens import Principal
from api.pages.execution.execution_renderer import status_line
from api.pages.execution.wave_panel import wave_panel
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveStatus
from tests.cli.executions import DIAMOND, START, begin, fail_server, put

USER = Principal("ops", frozenset(Role))


def panel(state: ExecutionState) -> str:
    service: Any = SimpleNamespace(web_ui_link=lambda _: None)
    return wave_panel(service, state, "w0", USER)


def test_a_retried_wave_shows_no_time_and_no_failure_of_the_attempt_before_as_its_own() -> None:
    state = begin(DIAMOND)
    database = put(state, "Database", WaveStatus.FAILED, launched=1, start=START, end=START + 60)
    failed = fail_server(database, 1, "out of capacity")
    database.server_names = {failed.source_server_id: "db02"}
    database.attempt, database.has_workflow = 1, True
    html = panel(state)
    assert "db02" in html
    assert "Accepted" in html
    assert "earlier attempt" not in html
    database.reopened()
    database.status, database.attempt = WaveStatus.WAITING, 2
    html = panel(state)
    assert "attempt 1 FAILED after 60 s" in html
    assert html.count("in an earlier attempt") == 1
    assert "Accepted" not in html
    assert "Runs" not in html


def test_only_completed_waves_count_as_up_and_after_the_end_as_what_came_up() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.COMPLETED, launched=2)
    put(state, "App1", WaveStatus.PARTIAL, launched=1)
    assert status_line(state).startswith("1 of 4 waves up, ")
    assert "1 PARTIAL" in status_line(state)
    state.end_time = START + 60
    assert status_line(state).startswith("1 of 4 waves came up, ")


def test_a_retry_that_is_cancelled_shows_what_its_attempts_took_and_no_clock() -> None:
    state = begin(DIAMOND)
    database = put(state, "Database", WaveStatus.FAILED, start=START, end=START + 60)
    database.attempt, database.has_workflow = 1, True
    database.reopened()
    database.status = WaveStatus.CANCELLED
    html = panel(state)
    assert "data-since" not in html
    assert "<dt>Took</dt><dd>1:00</dd>" in html
