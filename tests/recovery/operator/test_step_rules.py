"""Which messages about steps a wave allows, and what they do."""

from typing import Any

import pytest

from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.step_rules import (
    needs_new_attempt,
    step_effect,
    step_meant,
    step_problem,
    steps_about,
)
from recovery.steps.model import InputType, Manual, ManualInput, StepKind, StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus

COMPLETE, SKIP = MessageName.COMPLETE_STEP, MessageName.SKIP_STEP
FAIL, RERUN = MessageName.FAIL_STEP, MessageName.RERUN_STEP
ALL = {COMPLETE, SKIP, FAIL, RERUN}


def state(step_id: str, status: StepStatus, **more: Any) -> StepState:
    kind = {"kind": StepKind.LAMBDA, "phase": StepPhase.ALONE} | more
    return StepState(step_id=step_id, status=status, attempt=1, **kind)


def wave(*steps: StepState, status: WaveStatus = WaveStatus.IN_PROGRESS) -> WaveState:
    return WaveState(
        wave_id="db",
        wave_name="Database",
        status=status,
        attempt=1,
        has_workflow=True,
        steps=list(steps),
    )


@pytest.mark.parametrize(
    ("status", "decide_until", "expected"),
    [
        (StepStatus.PENDING, None, {SKIP}),
        (StepStatus.RUNNING, None, {COMPLETE, SKIP, FAIL}),
        (StepStatus.OUTCOME_UNKNOWN, 1.0, ALL),
        (StepStatus.SUCCEEDED, None, set()),
        (StepStatus.NOT_TESTED, None, set()),
    ],
)
def test_a_running_wave_allows_what_its_step_can_follow(
    status: StepStatus, decide_until: float | None, expected: set[MessageName]
) -> None:
    shown = wave(state("promote", status, decide_until=decide_until))
    assert {name for name in ALL if steps_about(shown, name)} == expected


def test_a_step_that_ended_badly_is_decided_for_another_attempt_of_its_wave() -> None:
    failed = wave(
        state("first", StepStatus.SUCCEEDED),
        state("promote", StepStatus.FAILED),
        state("dns", StepStatus.NOT_RUN),
        status=WaveStatus.FAILED,
    )
    assert needs_new_attempt(failed)
    allowed = {name: [s.step_id for s in steps_about(failed, name)] for name in ALL}
    assert allowed == {COMPLETE: ["promote"], SKIP: ["promote"], RERUN: ["promote"], FAIL: []}
    effect = step_effect(failed, OperatorMessage(SKIP, "db"))
    assert "step promote is skipped, step dns is next" in effect
    assert "attempt 2 of Database launches nothing that is up" in effect


def test_without_a_name_the_step_under_way_is_meant_and_of_several_none() -> None:
    one = wave(state("promote", StepStatus.RUNNING), state("dns", StepStatus.PENDING))
    meant = step_meant(one, OperatorMessage(SKIP, "db"))
    assert meant is not None
    assert meant.step_id == "promote"
    two = wave(state("a", StepStatus.PENDING), state("b", StepStatus.PENDING))
    assert step_problem(two, OperatorMessage(SKIP, "db")) == "name the step: one of a, b"
    assert "no step 'promte'; did you mean promote?" in step_problem(
        one, OperatorMessage(SKIP, "db", step="promte")
    )


def test_a_decision_that_its_wave_has_not_applied_yet_is_not_made_twice() -> None:
    decided = state("promote", StepStatus.RUNNING, decision=StepOverride.FAIL, actor="ann")
    problem = step_problem(wave(decided), OperatorMessage(SKIP, "db", step="promote"))
    assert "marked as failed by ann" in problem


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ({"Ticket": "CHG-1", "Servers": 3, "Done": True}, ""),
        ({"Servers": 3, "Done": True}, "it asks for Ticket"),
        ({"Ticket": "CHG-1", "Servers": "many", "Done": True}, "Servers must be a number"),
        ({"Ticket": "CHG-1", "Servers": 3, "Done": 1}, "Done must be yes or no"),
        ({"Ticket": "CHG-1", "Servers": 3, "Done": True, "X": 1}, "it asks for no X"),
    ],
)
def test_a_manual_step_is_completed_with_what_it_asks_for(
    outputs: dict[str, Any], problem: str
) -> None:
    inputs = [
        ManualInput(name="Ticket"),
        ManualInput(name="Servers", type=InputType.NUMBER),
        ManualInput(name="Done", type=InputType.YES_OR_NO),
    ]
    asked = Manual(instruction="Move the traffic", inputs=inputs)
    manual = state("move", StepStatus.RUNNING, kind=StepKind.MANUAL, decide_until=1.0, manual=asked)
    found = step_problem(wave(manual), OperatorMessage(COMPLETE, "db", outputs=outputs))
    assert found.startswith(problem) if problem else found == ""
