"""Automations: one execution an attempt, whatever becomes of answers and workers."""

import pytest
from temporalio.exceptions import ApplicationError

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.kinds.started import accepted, started
from tests.activities.steps.step_calls import SERVERS, step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

SERVER = SERVERS[0]
PROMOTE = {
    "Document": "Promote-Db",
    "Version": "3",
    "Parameters": {"InstanceId": [f"${{Servers.{SERVER.source_server_id}.InstanceId}}"]},
}


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


def document(aws: LocalAws, **what: object) -> None:
    """What the document does from now on."""
    aws.apply(Documents=[{"Name": "Promote-Db", "Seconds": 30} | what])


@pytest.fixture(autouse=True)
def promote(aws: LocalAws) -> None:
    """A document that succeeds after half a minute."""
    document(aws, Outputs={"Endpoint": "db.internal"})


async def test_an_automation_succeeds_with_its_outputs(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    outputs = {"Endpoint": {"Path": "Outputs.Endpoint"}}
    call = step_call(SsmAutomation=PROMOTE, Outputs=outputs)
    watched = await started(steps, temporal, call)
    (effect,) = accepted("ssm.StartAutomationExecution")
    assert effect["Key"] == call.attempt_id
    assert effect["Details"]["Parameters"] == {"InstanceId": [SERVER.instance_id]}
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert (result.status, result.outputs) == (StepStatus.SUCCEEDED, {"Endpoint": "db.internal"})
    assert watched.started.link == (
        "https://us-west-2.console.aws.amazon.com/systems-manager/automation/execution/"
        f"{watched.started.reference}?region=us-west-2"
    )


@pytest.mark.parametrize(("outcome", "status"), [("failed", "Failed"), ("timed-out", "TimedOut")])
async def test_an_automation_fails_with_its_reason(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, outcome: str, status: str
) -> None:
    document(aws, Outcome=outcome, FailureMessage="Step promote failed: no replica")
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert result.reason.endswith(f"{status}: Step promote failed: no replica")


async def test_an_output_that_is_missing_fails_the_step(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE, Outputs={"Port": {"Path": "Outputs.Port"}})
    watched = await started(steps, temporal, call)
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert "no value for output Port (Outputs.Port)" in result.reason


async def test_an_automation_whose_time_is_over_says_what_it_does(
    steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(seconds=0.5, SsmAutomation=PROMOTE))
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.TIMED_OUT
    assert "may still run" in result.reason
    assert f"automation {watched.started.reference} is " in result.reason
    assert watched.started.reference in temporal.sent("step_progress")[0].reason


async def test_errors_of_polls_end_no_watch(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    aws.pass_time(60)
    aws.fault("GetAutomationExecution", Service="ssm", Error="AccessDeniedException", Times=3)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.SUCCEEDED
    assert "AccessDeniedException" in temporal.sent("step_progress")[0].reason


@pytest.mark.parametrize("effect", ["answer-lost", "gateway-after", "answer-cut"])
async def test_a_lost_answer_begins_no_second_execution(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, effect: str
) -> None:
    aws.fault("StartAutomationExecution", Service="ssm", Effect=effect, Times=1)
    call = step_call(SsmAutomation=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    (begun,) = accepted("ssm.StartAutomationExecution")
    assert start.outcome is StartOutcome.STARTED
    assert start.reference == begun["Details"]["AutomationExecutionId"]


async def test_a_worker_killed_after_the_acceptance_begins_no_second_execution(
    steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE)
    first = await Attempt(temporal).run(steps.start_step, call)
    again = await Attempt(temporal, number=2).run(steps.start_step, call)
    reset = call.model_copy(update={"possibly_sent": True})
    after_reset = await Attempt(temporal).run(steps.start_step, reset)
    assert first.reference == again.reference == after_reset.reference
    assert len(accepted("ssm.StartAutomationExecution")) == 1


async def test_another_value_of_a_reference_does_not_begin_it_again(
    steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE)
    await Attempt(temporal).run(steps.start_step, call)
    other = SERVER.model_copy(update={"instance_id": "i-00000000000000009"})
    changed = call.model_copy(update={"servers": [other], "server_ids": []})
    second = Attempt(temporal, number=2, details={"Sent": True})
    await second.run_failing(steps.start_step, changed)
    late = changed.model_copy(update={"deadline": 0.0})
    start = await second.next().run(steps.start_step, late)
    assert start.outcome is StartOutcome.UNKNOWN
    assert "IdempotentParameterMismatch" in start.reason
    assert len(accepted("ssm.StartAutomationExecution")) == 1


async def test_a_document_that_does_not_exist_does_not_start(
    steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation={"Document": "Missing"})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "AutomationDefinitionNotFoundException" in start.reason


async def test_an_automation_is_stopped(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(SsmAutomation=PROMOTE))
    assert "is being cancelled" in await Attempt(temporal).run(steps.stop_step, watched)
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert "Cancelled" in result.reason
    with pytest.raises(ApplicationError, match="had ended") as refused:
        await Attempt(temporal).run(steps.stop_step, watched)
    assert refused.value.non_retryable


async def test_an_automation_acts_in_the_account_that_the_plan_names_only(
    steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation=PROMOTE)
    elsewhere = call.target.model_copy(update={"account_id": "999999999999"})
    call = call.model_copy(update={"target": elsewhere})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "999999999999" in start.reason
    assert accepted("ssm.StartAutomationExecution") == []
