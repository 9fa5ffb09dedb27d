"""FenceFirst, and the steps of waves that never ran."""

from collections.abc import Mapping

import pytest

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.state import ExecutionState, ExecutionType, needs_signature
from recovery.execution.wave import OperatorDecision, WaveReport, WaveStatus, next_revision
from recovery.operator.effects import effect_of
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import OnFailure, RecoveryPlan, RecoveryRules
from recovery.steps.model import Step
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.recovery.plans import wave

NOW = 1_732_323_600.0
FENCE = {"StepId": "fence", "When": "RECOVERY", "Lambda": {"FunctionName": "stop-sources"}}
MANUAL = {"StepId": "fence", "When": "RECOVERY", "Manual": {"Instruction": "Stop the sources"}}


def plan(step: Mapping[str, object] = FENCE, *, policy: OnFailure | None = None) -> RecoveryPlan:
    """Database begins with a step that stops the sources; App has one after its launch."""
    check = Step.model_validate({"StepId": "open", "Tcp": {"Port": 443}})
    first, second = wave("db", 1), wave("app", 2, after=["db"])
    first.pre_launch_steps, second.post_launch_steps = [Step.model_validate(step)], [check]
    return RecoveryPlan(
        plan_id="crm",
        region="us-west-2",
        on_failure=policy,
        recovery=RecoveryRules(fence_first=True),
        waves=[first, second],
    )


def begin(of: RecoveryPlan, kind: ExecutionType = ExecutionType.RECOVERY) -> WaveScheduler:
    state = ExecutionState.begin(
        of, execution_id="crm-1", execution_type=kind, started_by="ops", now=NOW
    )
    return WaveScheduler(of, state)


def step_of(scheduler: WaveScheduler, wave_id: str) -> StepState:
    (step,) = scheduler.wave(wave_id).steps
    return step


def report(
    scheduler: WaveScheduler, status: WaveStatus, step: StepStatus, reason: str = "broke"
) -> None:
    """Report Database, with its step."""
    known = scheduler.wave("db")
    steps = [known.steps[0].model_copy(update={"status": step, "end_time": NOW})]
    revision = next_revision(known.revision, NOW)
    fields = {"status": status, "status_reason": reason, "revision": revision, "steps": steps}
    reported = known.model_copy(update=fields)
    scheduler.report(WaveReport(execution_id="crm-1", wave=reported), now=NOW)


def effect(scheduler: WaveScheduler, name: MessageName, step: str | None = None) -> str:
    message = OperatorMessage(name=name, actor="ops", wave="db", step=step)
    return effect_of(scheduler.state, message)


@pytest.mark.parametrize(
    ("name", "step", "is_said"),
    [
        (MessageName.SKIP_STEP, FENCE, True),
        (MessageName.COMPLETE_STEP, FENCE, True),
        (MessageName.COMPLETE_STEP, MANUAL, False),
        (MessageName.SKIP_STEP, MANUAL, True),
        (MessageName.FAIL_STEP, FENCE, False),
    ],
)
def test_an_override_of_the_fencing_step_says_that_sources_may_still_be_writing(
    name: MessageName, step: Mapping[str, object], is_said: bool
) -> None:
    scheduler = begin(plan(step))
    scheduler.start("db", now=NOW)
    report(scheduler, WaveStatus.IN_PROGRESS, StepStatus.RUNNING)
    assert ("may still be writing" in effect(scheduler, name, step="fence")) is is_said


@pytest.mark.parametrize("name", [MessageName.ACCEPT_WAVE, MessageName.SKIP_WAVE])
def test_a_wave_that_is_accepted_or_skipped_without_its_fence_says_so(name: MessageName) -> None:
    scheduler = begin(plan())
    scheduler.start("db", now=NOW)
    report(scheduler, WaveStatus.FAILED, StepStatus.FAILED)
    assert "FenceFirst: step fence did not stop" in effect(scheduler, name)
    report(scheduler, WaveStatus.FAILED, StepStatus.SUCCEEDED)
    assert "FenceFirst" not in effect(scheduler, name)


@pytest.mark.parametrize(
    ("step", "app"),
    [(StepStatus.FAILED, WaveStatus.WAITING), (StepStatus.SUCCEEDED, WaveStatus.PENDING)],
)
def test_the_policy_continue_asks_before_the_sources_are_fenced(
    step: StepStatus, app: WaveStatus
) -> None:
    scheduler = begin(plan(policy=OnFailure.CONTINUE))
    scheduler.start("db", now=NOW)
    report(scheduler, WaveStatus.FAILED, step)
    assert scheduler.wave("app").status is app


def test_a_fence_that_an_operator_completed_is_still_open_unless_it_is_manual() -> None:
    for given, is_open in ((FENCE, True), (MANUAL, False)):
        scheduler = begin(plan(given))
        database = scheduler.wave("db")
        database.steps[0].decided(StepOverride.COMPLETE, "ops", "", {}, now=NOW)
        assert (scheduler.state.open_fence(database) is not None) is is_open


def test_a_drill_is_not_fenced_and_its_steps_are_not_tested_from_the_beginning() -> None:
    scheduler = begin(plan(), ExecutionType.DRILL)
    assert step_of(scheduler, "db").status is StepStatus.NOT_TESTED
    assert step_of(scheduler, "db").reason == "it runs in a RECOVERY only"
    assert step_of(scheduler, "app").status is StepStatus.PENDING
    assert scheduler.state.open_fence(scheduler.wave("db")) is None


def test_fencing_alone_needs_no_signed_start() -> None:
    assert not needs_signature(plan(), ExecutionType.RECOVERY)


def test_the_steps_of_a_wave_that_never_ran_are_not_run_until_it_is_reopened() -> None:
    scheduler = begin(plan(policy=OnFailure.SKIP_DEPENDENTS))
    scheduler.start("db", now=NOW)
    report(scheduler, WaveStatus.FAILED, StepStatus.FAILED)
    step = step_of(scheduler, "app")
    assert step.status is StepStatus.NOT_RUN
    assert step.reason == "Skipped because db FAILED"
    scheduler.reopen("db", "Retried", now=NOW)
    assert scheduler.wave("app").status is WaveStatus.WAITING
    assert (step_of(scheduler, "app").status, step_of(scheduler, "app").reason) == (
        StepStatus.PENDING,
        "",
    )


def test_the_steps_of_a_cancelled_plan_are_not_run() -> None:
    scheduler = begin(plan())
    scheduler.cancel("Cancelled by ops", now=NOW)
    assert {step_of(scheduler, each).status for each in ("db", "app")} == {StepStatus.NOT_RUN}


def test_the_steps_of_a_wave_that_an_operator_skips_are_not_run() -> None:
    scheduler = begin(plan())
    skipped = OperatorDecision(actor="ops", time=NOW, reason="not needed")
    scheduler.decide("app", now=NOW, skipped_by=skipped)
    assert "Skipped by ops: not needed" in step_of(scheduler, "app").reason
