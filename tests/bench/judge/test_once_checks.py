"""What acts acts once, in all executions of a drill, unless an operator asked for more."""

import pytest

from bench.chaos.judge.drill_record import DrillRecord, EarlierExecution, SentMessage
from bench.chaos.judge.effects import StepEffect, read_effects, with_outcomes
from bench.chaos.judge.once_checks import check_once
from contract.identifiers import step_attempt_id
from recovery.steps.model import OnCancel, Step, StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.bench.judge.drill_builder import EXECUTION_ID, DrillBuilder, completed_drill

EARLIER = "crm-0"


def drill_with_a_step(*, earlier: bool = False, **keys: object) -> DrillRecord:
    """A drill with a step before Database's launch, which an earlier execution may have begun."""
    drill = completed_drill()
    step = Step.model_validate(
        {"StepId": "act", "When": "BOTH", "SsmAutomation": {"Document": "Run"}} | keys
    )
    drill.plan.wave("database").pre_launch_steps = [step]
    state = StepState.of(step, StepPhase.PRE_LAUNCH)
    state.status, state.attempt, state.attempt_id = StepStatus.SUCCEEDED, 2, attempt_id(2)
    drill.wave("database").steps.append(state)
    record = drill.build()
    return with_earlier(record, drill) if earlier else record


def with_earlier(record: DrillRecord, drill: DrillBuilder) -> DrillRecord:
    state = drill.state.model_copy(deep=True, update={"execution_id": EARLIER})
    state.waves[0].steps[0].status = StepStatus.RUNNING
    record.earlier.append(EarlierExecution(state, "TERMINATED", 1001.0))
    return record


def attempt_id(number: int, execution_id: str = EXECUTION_ID) -> str:
    return step_attempt_id(execution_id, "database", "act", number)


def acted(attempt: str, time: float, *, succeeded: bool = True) -> StepEffect:
    return StepEffect("database", "act", attempt, time, succeeded)


def violations(record: DrillRecord, *effects: StepEffect) -> list[str]:
    record.effects.extend(effects)
    return list(check_once(record))


def test_one_effect_is_right() -> None:
    assert not violations(drill_with_a_step(), acted(attempt_id(2), 1000.2))


def test_another_attempt_after_a_failure_is_right() -> None:
    first, second = acted(attempt_id(1), 1000.1, succeeded=False), acted(attempt_id(2), 1000.2)
    assert not violations(drill_with_a_step(), first, second)


def test_another_attempt_that_nobody_asked_for_is_reported() -> None:
    [found] = violations(
        drill_with_a_step(), acted(attempt_id(1), 1000.1), acted(attempt_id(2), 1000.2)
    )
    assert "nobody asked for it" in found


@pytest.mark.parametrize("name", ["rerun_step", "fail_step"])
def test_an_operator_may_ask_for_another_attempt(name: str) -> None:
    record = drill_with_a_step()
    record.sent.append(SentMessage(name, "why", "database", "act", 1000.15))
    assert not violations(record, acted(attempt_id(1), 1000.1), acted(attempt_id(2), 1000.2))


def test_a_rejected_message_asks_for_nothing() -> None:
    record = drill_with_a_step()
    message = SentMessage("rerun_step", "why", "database", "act", 1000.15, accepted=False)
    record.sent.append(message)
    assert violations(record, acted(attempt_id(1), 1000.1), acted(attempt_id(2), 1000.2))


def test_a_step_that_does_no_harm_may_run_again() -> None:
    record = drill_with_a_step(Idempotent=True)
    assert not violations(record, acted(attempt_id(1), 1000.1), acted(attempt_id(2), 1000.2))


def test_a_cancellation_stops_what_is_to_be_stopped() -> None:
    record = drill_with_a_step(OnCancel=OnCancel.STOP)
    record.sent.append(SentMessage("cancel_wave", "why", "database", None, 1000.15))
    assert not violations(record, acted(attempt_id(1), 1000.1), acted(attempt_id(2), 1000.2))


def test_another_execution_that_acts_again_is_reported() -> None:
    record = drill_with_a_step(earlier=True)
    own, others = acted(attempt_id(2), 1002.0), acted(attempt_id(1, EARLIER), 1000.0)
    assert ["nobody asked" in each for each in violations(record, others, own)] == [True]


def test_what_acts_for_an_execution_whose_plan_has_ended_is_reported() -> None:
    record = drill_with_a_step(earlier=True)
    record.step("database", "act").status = StepStatus.SKIPPED
    [found] = violations(record, acted(attempt_id(1, EARLIER), 1020.0))
    assert "which was TERMINATED at 1001.000" in found


def test_a_later_execution_may_take_up_an_attempt() -> None:
    record = drill_with_a_step(earlier=True)
    record.step("database", "act").attempt_id = attempt_id(1, EARLIER)
    assert not violations(record, acted(attempt_id(1, EARLIER), 1020.0))


def test_a_success_without_an_effect_is_reported() -> None:
    [found] = violations(drill_with_a_step())
    assert "is SUCCEEDED, but attempt" in found


def test_an_earlier_success_without_an_effect_is_reported() -> None:
    record = drill_with_a_step(earlier=True)
    record.earlier[0].state.waves[0].steps[0].status = StepStatus.SUCCEEDED
    record.earlier[0].state.waves[0].steps[0].attempt_id = attempt_id(1, EARLIER)
    [found] = violations(record, acted(attempt_id(2), 1002.0))
    assert attempt_id(1, EARLIER) in found


def test_an_operator_may_say_that_a_step_is_done() -> None:
    record = drill_with_a_step()
    record.step("database", "act").decision = StepOverride.COMPLETE
    assert not violations(record)


def test_effects_are_read_by_the_names_of_their_steps() -> None:
    record = drill_with_a_step()
    wave = record.plan.wave("database")
    wave.pre_launch_steps = [
        Step.model_validate({"StepId": "r", "When": "BOTH"} | keys)
        for keys in [{"Http": {"Url": "http://127.0.0.1/crm-database-r"}}]
    ]
    entries = [
        {"Key": "k", "Time": 1.0, "Details": {"Path": "/crm-database-r"}},
        {"Key": "k", "Time": 2.0, "Details": {"Path": "/other-database-r"}},
        {
            "Key": "c",
            "Time": 3.0,
            "Details": {"Changes": [{"ResourceRecordSet": {"Name": "www.crm-database-r.example"}}]},
        },
    ]
    found = read_effects(entries, [], record.plan)
    assert [(each.step_id, each.attempt_id) for each in found] == [("r", "k"), ("r", "c")]


def test_the_scenario_says_which_effects_end_well() -> None:
    record = drill_with_a_step()
    scenario = {"Documents": [{"Name": "crm-database-act", "Outcome": ["stuck", "success"]}]}
    effects = [acted("a", 1.0), acted("b", 2.0), acted("c", 3.0)]
    found = with_outcomes(effects, scenario, record.plan)
    assert [each.has_succeeded for each in found] == [False, True, True]
