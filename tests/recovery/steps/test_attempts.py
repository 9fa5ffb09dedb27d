"""Which steps an attempt of a wave runs, and what is known of them before it begins."""

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.steps.attempts import instances_hash, is_kept, states_to_begin
from recovery.steps.model import StepKind, StepPhase
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
            instances=instances_hash(["i-1"]),
        )
        assert is_kept(state, ["i-1"], is_taken_over=False)
        assert is_kept(state, ["i-1"], is_taken_over=True)
        assert is_kept(state, ["i-1", "i-2"], is_taken_over=False) is kind.acts
        assert not is_kept(state, ["i-1", "i-2"], is_taken_over=True)


def test_a_later_execution_runs_again_what_was_put_back_since() -> None:
    plan = read(plan_with_steps([step(StepKind.ROUTE53_RECORD, "dns", When="BOTH")]))
    (wave, *_) = plan.waves
    done = states_to_begin(wave, [], is_drill=True)
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
        (begun,) = states_to_begin(wave, done, is_drill=True, is_taken_over=True)
        assert (begun.status, begun.reverts) == (expected, [])
