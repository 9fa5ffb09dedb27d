"""Automations: one execution an attempt, whatever becomes of answers and workers."""

import pytest

from activities.steps.step_activities import StepActivities
from contract.steps import StartedStep, StartOutcome, StepCall, WatchedStep
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.kinds.automations import Automations, automations
from tests.activities.steps.step_calls import SERVERS, step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

__all__ = ["automations"]
SERVER = SERVERS[0]
PROMOTE = {
    "Document": "Promote-Db",
    "Version": "3",
    "Parameters": {"InstanceId": [f"${{Servers.{SERVER.source_server_id}.InstanceId}}"]},
}
ENDED = {"AutomationExecutionStatus": "Success", "Outputs": {"Endpoint": ["db.internal"]}}


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


async def started(steps: StepActivities, temporal: Temporal, call: StepCall) -> WatchedStep:
    start: StartedStep = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    return WatchedStep(call=call, started=start)


async def test_an_automation_succeeds_with_its_outputs(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    automations.result = ENDED
    outputs = {"Endpoint": {"Path": "Outputs.Endpoint"}}
    call = step_call(SsmAutomation=PROMOTE, Outputs=outputs)
    watched = await started(steps, temporal, call)
    assert automations.begun == {
        call.attempt_id: {
            "DocumentName": "Promote-Db",
            "DocumentVersion": "3",
            "Parameters": {"InstanceId": [SERVER.instance_id]},
        }
    }
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert (result.status, result.outputs) == (StepStatus.SUCCEEDED, {"Endpoint": "db.internal"})
    assert result.instance_ids == [each.instance_id for each in SERVERS]
    assert watched.started.link == (
        "https://us-west-2.console.aws.amazon.com/systems-manager/automation/execution/"
        f"{call.attempt_id}?region=us-west-2"
    )


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "CompletedWithFailure"])
async def test_an_automation_fails_with_its_reason(
    automations: Automations, steps: StepActivities, temporal: Temporal, status: str
) -> None:
    why = "Step promote failed: no replica"
    automations.result = {"AutomationExecutionStatus": status, "FailureMessage": why}
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert result.reason.endswith(f"{status}: {why}")


async def test_an_output_that_is_missing_fails_the_step(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE, Outputs={"Endpoint": {"Path": "Outputs.Endpoint"}})
    watched = await started(steps, temporal, call)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert "no value for output Endpoint (Outputs.Endpoint)" in result.reason


async def test_an_automation_whose_time_is_over_says_what_it_does(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    automations.result = {
        "AutomationExecutionStatus": "InProgress",
        "CurrentStepName": "waitForReplica",
    }
    watched = await started(steps, temporal, step_call(seconds=0.3, SsmAutomation=PROMOTE))
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.TIMED_OUT
    assert "may still run" in result.reason
    assert "waitForReplica" in result.reason
    assert "waitForReplica" in temporal.sent("step_progress")[0].reason


async def test_errors_of_polls_end_no_watch(
    aws: LocalAws, automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    aws.fault("GetAutomationExecution", Service="ssm", Error="AccessDeniedException", Times=3)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.SUCCEEDED
    assert "AccessDeniedException" in temporal.sent("step_progress")[0].reason


@pytest.mark.parametrize("effect", ["answer-lost", "gateway-after", "answer-cut"])
async def test_a_lost_answer_begins_no_second_execution(
    aws: LocalAws, automations: Automations, steps: StepActivities, temporal: Temporal, effect: str
) -> None:
    aws.fault("StartAutomationExecution", Service="ssm", Effect=effect, Times=1)
    call = step_call(SsmAutomation=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert (start.outcome, start.reference) == (StartOutcome.STARTED, call.attempt_id)
    assert list(automations.begun) == [call.attempt_id]


async def test_a_worker_killed_after_the_acceptance_begins_no_second_execution(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE)
    await Attempt(temporal).run(steps.start_step, call)
    again = await Attempt(temporal, number=2).run(steps.start_step, call)
    reset = call.model_copy(update={"possibly_sent": True})
    after_reset = await Attempt(temporal).run(steps.start_step, reset)
    assert again.reference == after_reset.reference == call.attempt_id
    assert list(automations.begun) == [call.attempt_id]


async def test_another_value_of_a_reference_does_not_begin_it_again(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(seconds=0.5, SsmAutomation=PROMOTE)
    await Attempt(temporal).run(steps.start_step, call)
    other = SERVER.model_copy(update={"instance_id": "i-00000000000000009"})
    changed = call.model_copy(update={"servers": [other], "server_ids": []})
    second = Attempt(temporal, number=2, details={"Sent": True})
    await second.run_failing(steps.start_step, changed)
    late = changed.model_copy(update={"deadline": 0.0})
    start = await second.next().run(steps.start_step, late)
    assert start.outcome is StartOutcome.UNKNOWN
    assert "IdempotentParameterMismatch" in start.reason


@pytest.mark.parametrize("code", ["AutomationDefinitionNotFoundException", "AccessDeniedException"])
async def test_what_is_refused_for_good_does_not_start(
    aws: LocalAws, automations: Automations, steps: StepActivities, temporal: Temporal, code: str
) -> None:
    aws.fault("StartAutomationExecution", Service="ssm", Error=code)
    start = await Attempt(temporal).run(steps.start_step, step_call(SsmAutomation=PROMOTE))
    assert start.outcome is StartOutcome.NOT_STARTED
    assert code in start.reason


async def test_an_automation_is_stopped(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    automations.result = {"AutomationExecutionStatus": "InProgress"}
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    assert "is being cancelled" in await Attempt(temporal).run(steps.stop_step, watched)
    assert automations.stopped == [watched.call.attempt_id]
    automations.result = ENDED
    assert "had ended" in await Attempt(temporal).run(steps.stop_step, watched)


async def test_an_automation_acts_in_the_account_that_the_plan_names_only(
    automations: Automations, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE)
    elsewhere = call.target.model_copy(update={"account_id": "999999999999"})
    call = call.model_copy(update={"target": elsewhere})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "999999999999" in start.reason
    assert automations.begun == {}
