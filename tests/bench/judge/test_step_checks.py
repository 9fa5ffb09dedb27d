"""The rules about steps accept a correct drill and report each violation."""

from typing import Any

import pytest

from bench.chaos.judge.effects import StepEffect
from bench.chaos.judge.invariants import check
from recovery.execution.wave import WaveStatus
from recovery.steps.model import Step, When
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.bench.judge.drill_builder import DrillBuilder, completed_drill


def drill_with_steps() -> tuple[DrillBuilder, list[StepEffect]]:
    """A drill with a step before Database's launch and two after it, of which one is a check."""
    drill = completed_drill()
    wave, recorded = drill.plan.wave("database"), drill.wave("database")
    automation = {"When": "BOTH", "SsmAutomation": {"Document": "Run"}}
    wave.pre_launch_steps = [Step.model_validate({"StepId": "freeze"} | automation)]
    wave.post_launch_steps = [
        Step.model_validate({"StepId": "reachable", "Tcp": {"Port": 5432}}),
        Step.model_validate({"StepId": "promote"} | automation),
    ]
    ends = {"freeze": 1000.5, "reachable": 1006.2, "promote": 1006.5}
    for phase, step in wave.all_steps:
        state = StepState.of(step, phase)
        state.attempt_id = "a1"
        state.status, state.attempt, state.end_time = StepStatus.SUCCEEDED, 1, ends[step.step_id]
        recorded.steps.append(state)
    recorded.end_time = 1006.5
    return drill, [effect("freeze", 1000.2), effect("promote", 1006.3)]


def effect(step_id: str, time: float, attempt_id: str = "a1") -> StepEffect:
    return StepEffect("database", step_id, attempt_id, time)


def violation(drill: DrillBuilder, effects: list[StepEffect]) -> str:
    record = drill.build()
    record.effects.extend(effects)
    found = check(record)
    assert len(found) == 1, found
    return found[0]


def state_of(drill: DrillBuilder, step_id: str) -> StepState:
    return next(s for s in drill.wave("database").steps if s.step_id == step_id)


def test_a_drill_with_steps_passes() -> None:
    drill, effects = drill_with_steps()
    record = drill.build()
    record.effects.extend(effects)
    assert check(record) == []


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (effect("promote", 1006.4), "promote had its effect 2 times"),
        (effect("promote", 1006.4, "a2"), "promote has 1 attempts, and effects of 2"),
    ],
)
def test_an_effect_too_many_is_reported(extra: StepEffect, expected: str) -> None:
    drill, effects = drill_with_steps()
    record = drill.build()
    record.effects.extend([*effects, extra])
    assert any(expected in each for each in check(record))


@pytest.mark.parametrize(
    ("early", "expected"),
    [
        (effect("freeze", 1001.5), "freeze began after the launch"),
        (effect("promote", 1006.1), "before step reachable had ended"),
    ],
)
def test_an_effect_out_of_turn_is_reported(early: StepEffect, expected: str) -> None:
    drill, effects = drill_with_steps()
    others = [each for each in effects if each.step_id != early.step_id]
    assert expected in violation(drill, [*others, early])


def test_an_effect_before_the_servers_are_up_is_reported() -> None:
    drill, effects = drill_with_steps()
    state_of(drill, "reachable").end_time = 1003.0
    record = drill.build()
    record.effects.extend([effects[0], effect("promote", 1004.0)])
    # Once for each of its servers.
    assert all("was not up" in each for each in check(record))
    assert len(check(record)) == 2


def test_an_effect_that_only_a_recovery_may_have_is_reported() -> None:
    drill, effects = drill_with_steps()
    drill.plan.wave("database").post_launch_steps[1].when = When.RECOVERY
    state_of(drill, "promote").status = StepStatus.NOT_TESTED
    assert "is for a RECOVERY only" in violation(drill, effects)


def test_what_depends_on_a_wave_waits_for_its_steps() -> None:
    drill, effects = drill_with_steps()
    drill.wave("database").end_time = 1007.5
    assert "app began at 1007.000, before database had ended" in violation(drill, effects)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": StepStatus.NOT_RUN}, "step promote is NOT_RUN"),
        ({"decision": StepOverride.COMPLETE}, "promote is SUCCEEDED (COMPLETE)"),
    ],
)
def test_a_wave_that_is_completed_without_a_step_is_reported(
    change: dict[str, Any], expected: str
) -> None:
    drill, effects = drill_with_steps()
    for name, value in change.items():
        setattr(state_of(drill, "promote"), name, value)
    record = drill.build()
    record.effects.extend(effects)
    found = check(record)
    assert any(expected in each for each in found)


def test_a_failed_step_makes_its_wave_failed() -> None:
    drill, effects = drill_with_steps()
    state_of(drill, "promote").status = StepStatus.FAILED
    drill.wave("database").status = WaveStatus.PARTIAL
    record = drill.build()
    record.effects.extend(effects)
    assert any("is recorded PARTIAL, but it is FAILED" in each for each in check(record))
