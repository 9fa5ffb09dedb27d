"""What a report measures, lists and sums up."""

from typing import Any

import pytest
from pydantic import ValidationError

from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.report.action_items import NewActionItem, by_due
from recovery.report.builder import execution_report
from recovery.report.declaration import Declaration, MeasuredFrom, declaration_problem
from recovery.report.model import ExecutionReport, MeasuredRto, RtoOutcome
from recovery.report.summary import plan_summary
from recovery.report.timeline import WIDTH, picture
from recovery.steps.state import StepStatus
from tests.cli.executions import CHAIN, START
from tests.recovery.report.records import MINUTE, action_item, completed, record, step_state

NOW = START + 7200.0
DAY = 86_400.0


def with_rto(minutes: int) -> RecoveryPlan:
    return CHAIN.model_copy(update={"rto": minutes})


def rto(state: ExecutionState, plan: RecoveryPlan = CHAIN, **more: Any) -> MeasuredRto:
    return execution_report(record(state, plan, **more), now=NOW).rto


def test_the_recovery_is_measured_from_the_declaration_to_the_last_step_and_launch() -> None:
    state = completed()
    state.declared_time = START - 12 * MINUTE
    web = state.waves[-1]
    assert web.end_time is not None
    launch_end = web.end_time
    web.end_time = launch_end + 3 * MINUTE
    found = rto(state, with_rto(60))
    assert (found.since, found.measured_from) == (
        START - 12 * MINUTE,
        MeasuredFrom.DECLARED_AT_START,
    )
    assert found.launched is not None
    assert found.complete is not None
    assert found.launched.seconds == launch_end - found.since
    assert found.complete.seconds == launch_end + 3 * MINUTE - found.since
    assert (found.outcome, found.text) == (RtoOutcome.MET, "RTO 1 h met: recovered in 45 min")


def test_of_several_declarations_the_last_recorded_counts_and_a_given_one_before_it() -> None:
    state = completed()
    said = [
        Declaration(time=START - minutes * MINUTE, actor="ann", recorded_time=START + order)
        for order, minutes in enumerate((30, 20))
    ]
    found = rto(state, declarations=said)
    assert (found.since, found.measured_from) == (START - 20 * MINUTE, MeasuredFrom.RECORDED)
    given = execution_report(
        record(state, declarations=said), now=NOW, declared=START - 40 * MINUTE
    )
    assert given.rto.measured_from is MeasuredFrom.GIVEN
    assert given.rto.since == START - 40 * MINUTE
    assert rto(state).measured_from is MeasuredFrom.START


@pytest.mark.parametrize(
    ("seconds", "is_refused"),
    [(-31 * DAY, True), (-DAY, False), (0.0, False), (30.0, False), (61.0, True)],
)
def test_a_declaration_is_at_most_30_days_before_the_start_and_never_after_it(
    seconds: float, is_refused: bool
) -> None:
    assert (declaration_problem(START + seconds, start=START) is not None) is is_refused


@pytest.mark.parametrize(
    ("status", "is_over", "outcome"),
    [
        (PlanStatus.COMPLETED, True, RtoOutcome.MET),
        (PlanStatus.PARTIAL, True, RtoOutcome.PARTLY),
        (PlanStatus.FAILED, True, RtoOutcome.NOT_REACHED),
        (PlanStatus.CANCELLED, True, RtoOutcome.NOT_REACHED),
        (PlanStatus.IN_PROGRESS, False, RtoOutcome.MISSED),
    ],
)
def test_only_a_complete_recovery_meets_the_rto(
    status: PlanStatus, is_over: bool, outcome: RtoOutcome
) -> None:
    state = completed()
    state.status, state.end_time = status, state.end_time if is_over else None
    assert rto(state, with_rto(60)).outcome is outcome


def test_in_a_sandbox_times_are_compared_at_the_speed_of_drs() -> None:
    state = completed()
    state.speed = 10.0
    found = rto(state, with_rto(60))
    assert found.complete is not None
    assert found.complete.real_seconds == 10 * found.complete.seconds
    assert found.outcome is RtoOutcome.MISSED
    assert any("SANDBOX" in line for line in report(state).method.text)


def report(state: ExecutionState) -> ExecutionReport:
    return execution_report(record(state), now=NOW)


def test_a_wave_says_what_it_waited_for() -> None:
    state = completed()
    app = state.waves[1]
    by = OperatorDecision(actor="ann", time=START + 14 * MINUTE)
    app.start_time, app.decisions = START + 16 * MINUTE, Decisions(approved_by=by)
    _, shown, _ = report(state).waves
    assert shown.waited_for == ["Database"]
    assert shown.waits == [
        "for Database, 10 min",
        "for the approval of ann, 4 min",
        "to begin, 2 min (steps before it, quota, other jobs, a pause)",
    ]


def test_of_a_wave_after_one_that_never_ran_no_wait_is_made_up() -> None:
    state = completed()
    state.waves[0].status, state.waves[0].end_time = WaveStatus.SKIPPED, None
    assert report(state).waves[1].waits == ["for Database"]


def test_the_picture_has_every_bar_within_the_axis() -> None:
    state = completed(with_rto(25))
    state.waves[0].steps = [
        step_state("check", StepStatus.SUCCEEDED, start_time=START - 50, end_time=START + 1e6)
    ]
    drawn = picture(execution_report(record(state, with_rto(25)), now=NOW))
    assert drawn.rto is not None
    for row in drawn.rows:
        assert [bar.kind for bar in row.bars][-1] in ("runs", "step")
        assert all(0 <= bar.left <= WIDTH and bar.width > 0 for bar in row.bars)
    assert drawn.ticks[0] == (0.0, 0.0)


def test_open_action_items_come_first_the_overdue_ones_at_the_top() -> None:
    late = action_item(1, due="2026-11-01")
    closed = action_item(2, due="2026-10-01", closed_by="bob", closed_time=NOW)
    later = action_item(3)
    assert by_due([later, closed, late]) == [late, later, closed]
    assert [each.state(now=NOW) for each in (late, later, closed)] == [
        "OVERDUE",
        "open",
        "closed by bob",
    ]


@pytest.mark.parametrize(
    "wrong", [{"text": ""}, {"text": "a\nb"}, {"owner": "\x1b[31m"}, {"due": "tomorrow"}, {"x": 1}]
)
def test_an_action_item_is_one_line_each_with_a_date(wrong: dict[str, object]) -> None:
    right = {"text": "Test it", "owner": "ops", "due": "2026-12-31"}
    NewActionItem.model_validate(right)
    with pytest.raises(ValidationError):
        NewActionItem.model_validate(right | wrong)


def test_a_plan_over_time_says_whether_less_is_left_untested() -> None:
    first, last = completed(with_rto(60)), completed(with_rto(60))
    first.waves[0].steps = [step_state(each, StepStatus.NOT_TESTED) for each in ("dns", "mail")]
    last.waves[0].steps = [step_state("dns", StepStatus.NOT_TESTED)]
    last.execution_id, last.start_time = "crm-aaaaaaaaaaaa", START + 5
    reports = [
        execution_report(record(state, with_rto(60), action_items=[action_item()]), now=NOW)
        for state in (first, last)
    ]
    found = plan_summary("crm", reports, since=START, now=NOW)
    shown = [row.execution_id for row in found.executions]
    assert shown == ["crm-aaaaaaaaaaaa", first.execution_id]
    assert [row.not_tested for row in found.executions] == [1, 2]
    assert found.trend == [
        "2 of 2 executions COMPLETED, 0 of them without a qualification",
        "DRILL: 1 step not tested in the last one, 1 fewer than in the first",
        "DRILL: recovered in 30 min in the last one, 30 min in the first",
    ]
    assert len(found.open_action_items) == 2


def test_a_real_recovery_is_named_so() -> None:
    state = completed(execution_type=ExecutionType.RECOVERY)
    assert report(state).method.text[0] == "A real recovery"
    assert report(completed()).method.text[0].startswith("A drill; no server was launched in an")


def test_the_picture_of_a_sandbox_is_at_the_speed_of_drs_as_its_rto_is() -> None:
    slow, fast = completed(with_rto(25)), completed(with_rto(250))
    fast.speed = 10.0
    drawn = [
        picture(execution_report(record(state, plan), now=NOW))
        for state, plan in ((slow, with_rto(25)), (fast, with_rto(250)))
    ]
    scaled = [tuple(each.rto / each.ticks[-1][1] for each in drawn if each.rto)]
    assert len(scaled[0]) == 2
    assert drawn[1].ticks[-1][1] >= 10 * (slow.end_time or 0.0) - 10 * START
    # Where the RTO is on the axis is where its own seconds are.
    for each, rto in zip(drawn, (1500.0, 15_000.0), strict=True):
        assert each.rto == pytest.approx(WIDTH * rto / each.ticks[-1][1], abs=0.2)
