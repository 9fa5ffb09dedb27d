"""One line a change, and the summary at the end."""

from cli.live.changes import changes
from cli.render.summary import summary
from recovery.execution.open_decision import DecisionKind, OpenDecision
from recovery.execution.server import Verified
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import Cause, OperatorDecision, WaveStatus
from recovery.text_format import clock_time
from tests.cli.executions import CHAIN, START, begin, fail_server, put, wave

NO_CAPACITY = "LAUNCH_FAILED: InsufficientInstanceCapacity"


def copy(state: ExecutionState) -> ExecutionState:
    return state.model_copy(deep=True)


def failed_execution() -> ExecutionState:
    state = begin(CHAIN)
    put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START, end=START + 530)
    app = put(state, "App", WaveStatus.FAILED, launched=1, start=START + 540, end=START + 900)
    fail_server(app, 1, NO_CAPACITY)
    put(state, "Web", WaveStatus.SKIPPED, "Skipped because App FAILED")
    state.status, state.status_reason = PlanStatus.FAILED, "App FAILED: 1 COMPLETED"
    state.end_time = START + 900
    return state


def test_the_first_state_names_the_execution_and_every_wave() -> None:
    state = begin(CHAIN)
    put(state, "App", WaveStatus.WAITING, "Waiting for Database")
    assert changes(None, state) == [
        "CRM: DRILL crm-0f3b52a1c7d9, started by ops@host",
        "Database: PENDING",
        "App: WAITING Waiting for Database",
        "Web: PENDING",
    ]


def test_nothing_is_printed_twice() -> None:
    state = begin(CHAIN)
    assert changes(copy(state), state) == []


def test_a_server_that_comes_up_is_a_change_of_its_wave() -> None:
    before = begin(CHAIN)
    put(before, "Database", WaveStatus.IN_PROGRESS, start=START)
    after = copy(before)
    put(after, "Database", WaveStatus.IN_PROGRESS, launched=1, start=START)
    assert changes(before, after) == ["Database: IN_PROGRESS 1 of 2 launched"]


def test_what_is_not_verified_is_printed() -> None:
    before = begin(CHAIN)
    after = copy(before)
    put(
        after,
        "Database",
        WaveStatus.COMPLETED,
        "every server is launched, 2 not verified",
        launched=2,
        start=START,
        verified=Verified.UNKNOWN,
    )
    assert changes(before, after) == ["Database: COMPLETED 2 of 2 launched, 2 unverified"]


def test_a_failed_server_is_named_with_its_reason() -> None:
    before = begin(CHAIN)
    after = copy(before)
    fail_server(wave(after, "App"), 1, NO_CAPACITY)
    [line] = changes(before, after)
    assert line == f"App: s-00000000000000003 FAILED: {NO_CAPACITY}"


def test_a_failure_that_the_waves_verdict_names_is_not_said_again() -> None:
    before = begin(CHAIN)
    after = copy(before)
    reason = f"s-00000000000000003: {NO_CAPACITY}"
    app = put(after, "App", WaveStatus.FAILED, reason, launched=1, start=START, end=START + 9)
    fail_server(app, 1, NO_CAPACITY)
    assert changes(before, after) == [f"App: FAILED 1 of 2 launched; {reason}"]
    app.status_reason, app.cause = "Its workflow was terminated", Cause.WORKFLOW_LOST
    assert changes(before, after)[1:] == [f"App: s-00000000000000003 FAILED: {NO_CAPACITY}"]


def test_a_late_wave_says_so() -> None:
    before = begin(CHAIN)
    after = copy(before)
    late = put(after, "App", WaveStatus.COMPLETED, "any", launched=2, start=START, end=START + 9)
    late.late = True
    assert changes(before, after) == ["App: COMPLETED 2 of 2 launched, late"]


def test_the_end_is_a_change() -> None:
    after = failed_execution()
    before = copy(after)
    before.end_time = None
    assert changes(before, after) == ["CRM: FAILED App FAILED: 1 COMPLETED"]


def test_the_summary_names_each_failed_server_and_each_wave_that_is_not_up() -> None:
    assert summary(failed_execution()) == [
        "DRILL of CRM FAILED after 15 min: App FAILED: 1 COMPLETED",
        "  App FAILED",
        "  Web SKIPPED: Skipped because App FAILED",
        f"  App: s-00000000000000003 FAILED: {NO_CAPACITY}",
        "  3 servers up with an unknown recovery point: s-00000000000000000, "
        "s-00000000000000001, s-00000000000000002",
    ]


def test_the_summary_names_late_waves_and_what_is_not_verified() -> None:
    state = begin(CHAIN)
    late = put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START, end=START + 4000)
    late.late = True
    late.servers[0].verified = Verified.UNKNOWN
    late.servers[0].recovery_instance_id = "i-0123456789abcdef0"
    text = "\n".join(summary(state))
    assert "Database came up late: 1 h 7 min after its launch" in text
    assert "1 server launched but not verified" in text
    assert "s-00000000000000000 (i-0123456789abcdef0)" in text


def test_control_characters_do_not_reach_the_terminal() -> None:
    state = failed_execution()
    fail_server(wave(state, "App"), 1, "\x1b[2Jgone")
    assert "\x1b" not in "\n".join(summary(state))


def test_who_takes_care_of_a_decision_is_printed_once() -> None:
    before = begin(CHAIN)
    put(before, "Database", WaveStatus.FAILED, "no capacity")
    before.open_decisions = [OpenDecision(kind=DecisionKind.FAILURE, wave_id="w0", since=START)]
    after = copy(before)
    after.open_decisions[0].acknowledged_by = OperatorDecision(actor="ann", time=START)
    assert changes(before, after) == [f"Database: ann has it since {clock_time(START)}"]
    assert changes(after, after) == []
