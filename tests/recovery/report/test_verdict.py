"""The verdict never says more than is known."""

from collections.abc import Callable
from typing import Any

import pytest

from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.server import Verified
from recovery.execution.state import ExecutionState, MessageRecord, PlanStatus
from recovery.execution.wave import Cause, Decisions, OperatorDecision, WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import ChosenPoint, PointInTime, PointKind
from recovery.report.builder import execution_report
from recovery.report.model import QualificationKind, ReportVerdict
from recovery.steps.state import CheckResult, StepOverride, StepStatus
from tests.cli.executions import CHAIN, START
from tests.recovery.report.records import completed, record, step_state

_Kind = QualificationKind
_BY = OperatorDecision(actor="ann", time=START)


def verdict(state: ExecutionState, plan: RecoveryPlan = CHAIN) -> ReportVerdict:
    return execution_report(record(state, plan), now=START + 3600).verdict


def test_only_an_execution_without_any_reservation_is_unqualified() -> None:
    found = verdict(completed())
    assert found.is_unqualified
    assert found.sentence == (
        "Completed: every wave came up, every server was verified, every step succeeded."
    )


def _steps(**more: Any) -> Callable[[ExecutionState], None]:
    def change(state: ExecutionState) -> None:
        state.waves[0].steps = [step_state("check", **more)]

    return change


def _servers(**more: Any) -> Callable[[ExecutionState], None]:
    def change(state: ExecutionState) -> None:
        wave = state.waves[0]
        wave.servers = [wave.servers[0].model_copy(update=more), *wave.servers[1:]]

    return change


def _wave(**more: Any) -> Callable[[ExecutionState], None]:
    def change(state: ExecutionState) -> None:
        state.waves[1] = state.waves[1].model_copy(update=more)

    return change


def _message(name: str, **more: Any) -> Callable[[ExecutionState], None]:
    def change(state: ExecutionState) -> None:
        given = {"name": name, "wave_id": "w0", "actor": "ann", "time": START, "effect": "x"}
        state.messages = [MessageRecord.model_validate(given | {"accepted": True} | more)]

    return change


def _left(state: ExecutionState) -> None:
    left = LaunchedInstance(
        recovery_instance_id="i-1", source_server_id="s-1", recovery_job_id="j", region="r"
    )
    state.cleanup = CleanupState(
        execution_id="e", status=CleanupStatus.PARTIAL, actor="a", start_time=1.0, leftovers=[left]
    )


def _approved_by_break_glass(state: ExecutionState) -> None:
    state.approvals = [_BY.model_copy(update={"break_glass": True})]


def _unseen(state: ExecutionState) -> None:
    isolated = state.waves[0].servers[0].source_server_id
    state.waves[0].drill_subnets = {isolated: "subnet-drill"}


SKIPPED, SUCCEEDED = StepStatus.SKIPPED, StepStatus.SUCCEEDED
CASES: list[tuple[Callable[[ExecutionState], None], QualificationKind, str]] = [
    (_wave(decisions=Decisions(accepted_by=_BY)), _Kind.OVERRIDE, "1 override"),
    (_steps(status=SKIPPED, decision=StepOverride.SKIP), _Kind.OVERRIDE, "1 override"),
    (_steps(status=SUCCEEDED, decision=StepOverride.COMPLETE), _Kind.OVERRIDE, "1 override"),
    (
        _wave(status=WaveStatus.SKIPPED, cause=Cause.SKIPPED_BY_OPERATOR),
        _Kind.SKIPPED_WAVE,
        "1 wave skipped by an operator",
    ),
    (
        _wave(status=WaveStatus.SKIPPED, cause=Cause.DEPENDENCY),
        _Kind.SKIPPED_WAVE,
        "1 wave skipped",
    ),
    (_wave(status=WaveStatus.CANCELLED), _Kind.CANCELLED_WAVE, "1 wave cancelled"),
    (_wave(late=True), _Kind.LATE_WAVE, "1 wave late"),
    (_wave(attempt=2), _Kind.RETRIED_WAVE, "1 wave retried"),
    (_approved_by_break_glass, _Kind.BREAK_GLASS, "1 act by break-glass"),
    (_message("pause", break_glass="API lost"), _Kind.BREAK_GLASS, "1 act by break-glass"),
    (_message("launch_anyway"), _Kind.LAUNCH_DECISION, "1 launch decision of an operator"),
    (_servers(verified=Verified.UNKNOWN), _Kind.UNVERIFIED_SERVER, "1 server not verified"),
    (
        _servers(verified=None, taken_over=True),
        _Kind.UNVERIFIED_SERVER,
        "1 server not verified",
    ),
    (_unseen, _Kind.UNKNOWN_NETWORK, "1 server in an unknown network"),
    (_steps(status=StepStatus.FAILED), _Kind.FAILED_STEP, "1 step failed"),
    (
        _steps(status=StepStatus.FAILED, result=CheckResult.INCONCLUSIVE),
        _Kind.INCONCLUSIVE_CHECK,
        "1 check inconclusive",
    ),
    (_steps(status=StepStatus.OUTCOME_UNKNOWN), _Kind.UNKNOWN_STEP, "1 step of unknown outcome"),
    (_steps(status=StepStatus.NOT_RUN), _Kind.NOT_RUN_STEP, "1 step not run"),
    (_steps(status=StepStatus.NOT_TESTED), _Kind.NOT_TESTED_STEP, "1 step not tested"),
    (_left, _Kind.NOT_CLEANED_UP, "1 instance left by the clean-up"),
]


@pytest.mark.parametrize(("change", "kind", "text"), CASES)
def test_each_reservation_is_named_and_qualifies_the_result(
    change: Callable[[ExecutionState], None], kind: QualificationKind, text: str
) -> None:
    state = completed()
    change(state)
    found = verdict(state)
    assert [(q.kind, q.text) for q in found.qualifications] == [(kind, text)]
    assert not found.is_unqualified
    assert found.sentence == f"Completed with {text}."


def test_two_overrides_and_three_steps_that_were_not_tested_are_counted() -> None:
    state = completed()
    for wave in state.waves:
        wave.steps = [step_state("dns", StepStatus.NOT_TESTED)]
    for wave in state.waves[:2]:
        wave.decisions = Decisions(accepted_by=_BY)
    assert verdict(state).sentence == "Completed with 2 overrides; 3 steps not tested."


@pytest.mark.parametrize("status", [s for s in PlanStatus if s is not PlanStatus.COMPLETED])
def test_no_other_status_is_unqualified(status: PlanStatus) -> None:
    state = completed()
    state.status = status
    found = verdict(state)
    assert not found.is_unqualified
    assert not found.sentence.startswith("Completed:")


def test_an_objective_that_is_missed_qualifies_the_result() -> None:
    plan = CHAIN.model_copy(update={"rto": 20, "rpo": 4})
    state = completed(plan)
    wave = state.waves[0]
    wave.servers = [s.model_copy(update={"recovery_point": None}) for s in wave.servers]
    assert verdict(state, plan).sentence == (
        "Completed with RTO 20 min missed: recovered in 30 min, 10 min more; "
        "4 servers over the RPO; 2 servers with an unknown recovery point."
    )


def test_what_runs_has_no_result_yet() -> None:
    state = completed()
    state.status, state.end_time = PlanStatus.IN_PROGRESS, None
    assert verdict(state).sentence == "Not ended yet."


def test_an_execution_that_was_started_against_a_finding_is_never_unqualified() -> None:
    state = completed()
    state.start_overrides = ["RPO_EXCEEDED s-1"]
    found = verdict(state)
    assert not found.is_unqualified
    assert found.sentence == "Completed with 1 finding accepted at the start."
    assert found.qualifications[0].subjects == ["RPO_EXCEEDED s-1"]


def test_latest_data_in_a_drill_to_a_point_in_time_is_said() -> None:
    state = completed()
    wave = state.waves[0]
    state.point_in_time = PointInTime(time=START - 3600, or_latest=True)
    wave.chosen_points = {wave.servers[0].source_server_id: ChosenPoint(kind=PointKind.LATEST)}
    assert "1 server with the latest data instead of the point in time" in verdict(state).sentence
    other = ChosenPoint(kind=PointKind.SNAPSHOT, time=START - 3600)
    wave.chosen_points = {wave.servers[0].source_server_id: other}
    found = verdict(state)
    assert "1 server launched from another point than was chosen" in found.sentence
    assert not found.is_unqualified
