"""Which steps an attempt of a wave runs, and what is known of them before it begins."""

import pytest

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import Cause, WaveState, WaveStatus
from recovery.plan.fields import Impact
from recovery.steps.attempts import inputs_hash, is_kept, next_attempt, states_to_begin
from recovery.steps.model import Step, StepKind, StepPhase
from recovery.steps.replaced import StepRevert
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.recovery.step_plans import plan_with_steps, read, step


def test_an_execution_knows_from_its_start_which_steps_it_leaves_out() -> None:
    acting = step(StepKind.LAMBDA, "promote", When="RECOVERY")
    plan = read(plan_with_steps([step(StepKind.TCP, "reachable"), acting]))
    for kind, expected in (
        (ExecutionType.DRILL, StepStatus.NOT_TESTED),
        (ExecutionType.RECOVERY, StepStatus.PENDING),
    ):
        state = ExecutionState.begin(
            plan, execution_id="a", execution_type=kind, started_by="ops", now=0.0
        )
        reachable, promote = state.waves[0].steps
        assert (reachable.status, promote.status) == (StepStatus.PENDING, expected)
        assert ("RECOVERY only" in promote.reason) is (expected is StepStatus.NOT_TESTED)


def test_what_an_operator_completed_counts_only_while_it_has_not_failed_since() -> None:
    state = StepState(step_id="promote", kind=StepKind.LAMBDA, phase=StepPhase.ALONE)
    state.decided(StepOverride.COMPLETE, "ops", "", {}, now=1.0)
    assert state.makes_partial
    state.status = StepStatus.FAILED
    assert not state.makes_partial
    assert state.fails_wave


def test_within_an_execution_only_a_check_is_tried_again_for_other_instances() -> None:
    for kind in (StepKind.LAMBDA, StepKind.TCP):
        state = StepState(
            step_id="s",
            kind=kind,
            phase=StepPhase.POST_LAUNCH,
            status=StepStatus.SUCCEEDED,
            inputs=inputs_hash(["i-1"], {}),
        )
        assert is_kept(state, inputs_hash(["i-1"], {}))
        assert is_kept(state, inputs_hash(["i-1", "i-2"], {})) is kind.acts
        earlier = state.model_copy(update={"taken_over": True})
        assert is_kept(earlier, inputs_hash(["i-1"], {}))
        assert not is_kept(earlier, inputs_hash(["i-1", "i-2"], {}))


def acting(**changes: object) -> StepState:
    return StepState(step_id="promote", kind=StepKind.LAMBDA, phase=StepPhase.ALONE).model_copy(
        update=changes
    )


def wave_of(step: StepState) -> WaveState:
    return WaveState(
        wave_id="db",
        wave_name="Database",
        status=WaveStatus.IN_PROGRESS,
        attempt=1,
        has_workflow=True,
        steps=[step],
    )


def test_a_decision_stays_until_the_wave_has_applied_it() -> None:
    running = acting(status=StepStatus.RUNNING, attempt=1)
    decided = running.model_copy(update={"decision": StepOverride.SKIP, "actor": "ann"})
    wave = wave_of(decided)
    wave.merge_steps([running.model_copy(update={"reason": "still at it"})])
    (step,) = wave.steps
    assert (step.decision, step.actor) == (StepOverride.SKIP, "ann")
    assert step.reason == "still at it"
    succeeded = running.model_copy(update={"status": StepStatus.SUCCEEDED})
    wave.merge_steps([succeeded])
    assert wave.steps == [succeeded]


def test_a_rerun_is_decided_until_the_next_attempt_of_the_step_begins() -> None:
    unknown = acting(status=StepStatus.OUTCOME_UNKNOWN, attempt=1, decide_until=9.0)
    wave = wave_of(unknown.model_copy(update={"decision": StepOverride.RERUN}))
    wave.merge_steps([unknown.model_copy(update={"reason": "no answer"})])
    assert wave.steps[0].decision is StepOverride.RERUN
    wave.merge_steps([acting(status=StepStatus.RUNNING, attempt=2)])
    assert wave.steps[0].decision is None


def test_what_an_operator_skipped_is_skipped_also_if_its_wave_was_lost_before_it_knew() -> None:
    skipped = acting(decision=StepOverride.SKIP, actor="ann")
    wave = wave_of(skipped)
    wave.cause = Cause.WORKFLOW_LOST
    wave.lose_steps("terminated", now=1.0)
    wave.reopened()
    assert wave.steps[0].status is StepStatus.SKIPPED


@pytest.mark.parametrize(
    ("decision", "runs_on"),
    [
        (StepOverride.COMPLETE, True),
        (StepOverride.SKIP, True),
        (StepOverride.FAIL, True),
        (StepOverride.RERUN, False),
    ],
)
def test_what_runs_when_an_operator_decides_runs_on_unless_it_is_begun_again(
    decision: StepOverride, runs_on: bool
) -> None:
    step = acting(status=StepStatus.RUNNING, attempt=1)
    step.decided(decision, "ann", "", {}, now=1.0)
    assert step.left_running is runs_on
    assert ("left running" in step.reason) is runs_on


def test_what_an_operator_completed_while_it_ran_begins_a_new_attempt_for_other_instances() -> None:
    step = acting(status=StepStatus.RUNNING, attempt=1)
    step.decided(StepOverride.COMPLETE, "ann", "", {}, now=1.0)
    assert next_attempt(step, in_doubt=False) == (2, False)
    failed = acting(status=StepStatus.RUNNING, attempt=1)
    failed.decided(StepOverride.FAIL, "ann", "", {}, now=1.0)
    assert next_attempt(failed, in_doubt=False) == (1, True)


def test_a_later_execution_runs_again_what_was_put_back_since() -> None:
    plan = read(plan_with_steps([step(StepKind.ROUTE53_RECORD, "dns", When="BOTH")]))
    (wave, *_) = plan.waves
    done = states_to_begin(wave, [], is_drill=True)
    done[0].taken_over = True
    done[0].status, done[0].attempt, done[0].end_time = StepStatus.SUCCEEDED, 1, 5.0
    revert = StepRevert(
        wave_id=wave.wave_id,
        step_id="dns",
        actor="ann",
        time=9.0,
        place="record",
        replaced="new",
        put_back="old",
    )
    for reverts, expected in (([], StepStatus.SUCCEEDED), ([revert], StepStatus.PENDING)):
        done[0].reverts = reverts
        (begun,) = states_to_begin(wave, done, is_drill=True)
        assert (begun.status, begun.reverts) == (expected, [])


def corrected(before: Step, after: Step, **wave: object) -> StepState:
    """The state of a step that timed out in an earlier execution, by a corrected plan."""
    planned = read(plan_with_steps([step(StepKind.LAMBDA, "promote")])).waves[0]
    (state,) = states_to_begin(
        planned.model_copy(update={"post_launch_steps": [before]}), [], is_drill=True
    )
    state.status, state.attempt, state.taken_over = StepStatus.TIMED_OUT, 1, True
    changed = planned.model_copy(update={"post_launch_steps": [after]} | wave)
    (state,) = states_to_begin(changed, [state], is_drill=True)
    return state


def test_a_corrected_plan_that_waits_longer_for_a_step_does_not_begin_it_a_second_time() -> None:
    fields = {"StepId": "promote", "When": "BOTH", "Lambda": {"FunctionName": "promote"}}
    planned = Step.model_validate(fields)
    waits = {"TimeoutSeconds": 7200, "Retries": 1, "Impact": "OPTIONAL", "OnCancel": "STOP"}
    state = corrected(planned, Step.model_validate(fields | waits))
    assert next_attempt(state, in_doubt=False) == (1, True)
    assert state.impact is Impact.OPTIONAL


def test_a_step_that_does_something_else_or_somewhere_else_is_another_one() -> None:
    fields = {"StepId": "promote", "When": "BOTH", "Lambda": {"FunctionName": "promote"}}
    planned = Step.model_validate(fields)
    other = Step.model_validate(fields | {"Lambda": {"FunctionName": "promote-2"}})
    assert corrected(planned, other).attempt == 0
    assert corrected(planned, planned, region="eu-west-1").attempt == 0
    assert corrected(planned, planned).attempt == 1
