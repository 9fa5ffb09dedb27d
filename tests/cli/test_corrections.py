"""Durations, differences of plans, lists and records, as people read them."""

import pytest

from cli.input.durations import seconds_of
from cli.render.records import operator_lines
from client.overview import ExecutionRow, merged
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.state import MessageRecord, PlanStatus
from recovery.plan.diff import differences
from recovery.plan.model import Dependency, Server
from runtime.exit import CliError
from tests.cli.executions import CHAIN, START, begin, plan_of, server_id


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("45", 45), ("1.5H", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text, "--expires") == seconds


@pytest.mark.parametrize("text", ["", "0", "-5m", "soon", "2w", "1h30m", "nan", "31d", "٣m"])
def test_what_is_no_duration_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(CliError, match="--expires"):
        seconds_of(text, "--expires")


def test_the_same_plan_has_no_differences() -> None:
    assert differences(CHAIN, CHAIN.model_copy(deep=True)) == []


def test_each_difference_of_a_plan_is_a_line() -> None:
    after = plan_of({"Database": [], "App": ["Database"], "Cache": []})
    database, app, cache = after.waves
    cache.wave_id, after.deadline_seconds, app.timeout_seconds = "cache", 600.0, 60.0
    app.dependencies.append(Dependency(depends_on_wave_id="cache"))
    moved = database.servers.pop()
    app.servers = [moved, app.servers[0], Server(source_server_id=server_id(77))]
    assert differences(CHAIN, after) == [
        "~ plan: DeadlineSeconds 86400 → 600",
        "- wave Web (w2), with its servers",
        "~ wave App (w1): TimeoutSeconds 3600 → 60",
        "~ wave App (w1): Dependencies w0 → w0, cache",
        "+ wave Cache (cache): 2 servers",
        "~ server s-00000000000000001: moved from Database (w0) to App (w1)",
        f"+ server {server_id(77)} in App (w1)",
        "~ server s-00000000000000004: moved from Web (w2) to Cache (cache)",
        "~ server s-00000000000000005: moved from Web (w2) to Cache (cache)",
        "- server s-00000000000000003 of App (w1); what it launched is left alone",
    ]


def test_messages_say_who_is_not_verified_and_a_clean_up_what_is_left() -> None:
    state = begin(CHAIN)
    state.messages = [
        MessageRecord(
            name="skip_wave",
            wave_id="w9",
            actor="night",
            time=START,
            accepted=False,
            effect="no w9",
        )
    ]
    left = LaunchedInstance(
        recovery_instance_id="i-1",
        source_server_id="s-1",
        recovery_job_id="drsjob-1",
        region="us-west-2",
        reason="termination protection",
    )
    state.cleanup = CleanupState(
        execution_id="crm-1",
        status=CleanupStatus.PARTIAL,
        actor="ops@desk",
        start_time=START,
        leftovers=[left],
    )
    lines = operator_lines(state)
    assert lines[2].endswith("skip_wave w9  by night (unverified)")
    assert "    REJECTED: no w9" in lines
    assert lines[-1] == "  LEFT  i-1  of s-1  us-west-2  termination protection"


def test_lists_have_each_execution_once_running_first() -> None:
    old, ours = begin(CHAIN), begin(CHAIN)
    old.execution_id, old.start_time, old.status = "crm-old", START + 5, PlanStatus.FAILED
    live = ExecutionRow(
        execution_id=ours.execution_id,
        plan_id="crm",
        status="PAUSED",
        running=True,
        start_time=START,
    )
    rows = merged([live], [old, ours])
    told = [(row.execution_id, row.status, row.running) for row in rows]
    assert told == [("crm-0f3b52a1c7d9", "PAUSED", True), ("crm-old", "FAILED", False)]
    assert [row.running for row in merged(None, [old])] == [None]
