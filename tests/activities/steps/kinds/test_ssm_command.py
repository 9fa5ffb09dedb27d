"""Commands: found again by their comment, with what each instance said."""

from typing import Any

import pytest

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, StepServer
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.kinds.started import accepted, on, started, up
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

CONFIGURE = {"Document": "Configure", "Parameters": {"commands": ["/opt/configure"]}}
SEND = "ssm.SendCommand"


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


def document(aws: LocalAws, **what: Any) -> None:
    """What the document does from now on."""
    aws.apply(Documents=[{"Name": "Configure", "Type": "Command", "Seconds": 30} | what])


@pytest.fixture
def servers(aws: LocalAws) -> list[StepServer]:
    """Two servers that are up, and a document that succeeds after half a minute."""
    document(aws, Output="done\n")
    return up(aws)


async def test_a_command_runs_on_the_instances_of_the_wave(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    second = f'Instances."{servers[1].source_server_id}".Status'
    outputs = {"Said": {"Path": "Output"}, "Second": {"Path": second}}
    call = step_call(call=on(servers), SsmCommand=CONFIGURE, Outputs=outputs)
    watched = await started(steps, temporal, call)
    (effect,) = accepted(SEND)
    assert effect["Key"] == call.attempt_id
    assert effect["Details"]["InstanceIds"] == [each.instance_id for each in servers]
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.SUCCEEDED
    assert result.outputs == {"Said": "done", "Second": "Success"}
    command_id = effect["Details"]["CommandId"]
    assert watched.started.link.endswith(f"/run-command/{command_id}?region=us-west-2")


async def test_a_command_runs_on_the_named_servers_only(
    servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    named = CONFIGURE | {"Servers": [servers[1].source_server_id]}
    await started(steps, temporal, step_call(call=on(servers), SsmCommand=named))
    (effect,) = accepted(SEND)
    assert effect["Details"]["InstanceIds"] == [servers[1].instance_id]
    down = servers[1].model_copy(update={"instance_id": None})
    call = step_call(call={"servers": [servers[0], down]}, SsmCommand=named)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert f"{servers[1].source_server_id} is not up" in start.reason


@pytest.mark.parametrize(
    ("state", "remedy"), [("stopped", "start it"), ("terminated", "launch the server again")]
)
async def test_an_instance_that_does_not_run_fails_the_step_at_once(
    aws: LocalAws,
    servers: list[StepServer],
    steps: StepActivities,
    temporal: Temporal,
    *,
    state: str,
    remedy: str,
) -> None:
    ec2 = aws.client("ec2")
    end = ec2.stop_instances if state == "stopped" else ec2.terminate_instances
    end(InstanceIds=[servers[1].instance_id])
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert f"{servers[1].instance_id} of " in start.reason
    assert f"is {state}, so the command was not sent; {remedy}" in start.reason
    assert not accepted(SEND)


async def test_a_failure_names_the_instances_and_what_they_said(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    document(aws, Outcome=["failed", "success"], ErrorOutput="no such file " * 100)
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    watched = await started(steps, temporal, call)
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert "failed on 1 of 2 instances" in result.reason
    assert f"{servers[0].instance_id} Failed (exit code 1): no such file" in result.reason
    assert len(result.reason) < 350


async def test_a_failure_shows_nothing_that_a_command_with_secret_outputs_printed(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    document(aws, Outcome=["failed", "success"], ErrorOutput="token t0ken-Pa55 is refused")
    outputs = {"Token": {"Path": "Output", "Secret": True}}
    call = step_call(call=on(servers), SsmCommand=CONFIGURE, Outputs=outputs)
    watched = await started(steps, temporal, call)
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.reason.endswith(f"{servers[0].instance_id} Failed (exit code 1)")


async def test_an_instance_that_it_did_not_reach_is_no_success(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    document(aws, Outcome=["success", "not-delivered"])
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    watched = await started(steps, temporal, call)
    aws.pass_time(86_400)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert f"{servers[1].instance_id} DeliveryTimedOut" in result.reason


async def test_a_command_whose_time_is_over_says_how_far_it_is(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    document(aws, Outcome=["success", "stuck"])
    call = step_call(seconds=0.6, call=on(servers), SsmCommand=CONFIGURE)
    watched = await started(steps, temporal, call)
    aws.pass_time(60)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.TIMED_OUT
    assert "is InProgress, 1 of 2 instances have ended" in result.reason


async def test_a_lost_answer_is_found_by_the_comment(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    await started(steps, temporal, step_call(call=on(servers), SsmCommand=CONFIGURE))
    aws.fault("SendCommand", Service="ssm", Effect="answer-lost", Times=1)
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    _, second = accepted(SEND)
    assert start.reference == second["Details"]["CommandId"]


async def test_a_command_that_is_listed_late_is_found(
    aws: LocalAws, fast: Settings, servers: list[StepServer], temporal: Temporal
) -> None:
    document(aws, ListedAfterSeconds=1.5)
    steps = step_activities(fast.model_copy(update={"absent_after_seconds": 5.0}))
    aws.fault("SendCommand", Service="ssm", Effect="answer-lost", Times=1)
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    (effect,) = accepted(SEND)
    assert start.reference == effect["Details"]["CommandId"]


async def test_what_was_not_accepted_is_sent_again(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("SendCommand", Service="ssm", Effect="drop", Times=1)
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert accepted(SEND) == []
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert len(accepted(SEND)) == 1


async def test_a_list_that_cannot_be_read_starts_nothing(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    await started(steps, temporal, call)
    aws.fault("ListCommands", Service="ssm", Error="ThrottlingException")
    second = Attempt(temporal, number=2)
    error = await second.run_failing(steps.start_step, call)
    assert "ThrottlingException" in error.message
    assert len(accepted(SEND)) == 1


async def test_an_agent_that_is_not_up_yet_is_waited_for(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("SendCommand", Service="ssm", Error="InvalidInstanceId", Times=1)
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    error = await first.run_failing(steps.start_step, call)
    assert not error.non_retryable
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert aws.calls("ListCommands", "ssm") == 0
    assert "InvalidInstanceId" in temporal.sent("step_progress")[0].reason


async def test_a_command_is_stopped(
    aws: LocalAws, servers: list[StepServer], steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(call=on(servers), SsmCommand=CONFIGURE)
    watched = await started(steps, temporal, call)
    assert "is being cancelled" in await Attempt(temporal).run(steps.stop_step, watched)
    aws.pass_time(10)
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert "Cancelled" in result.reason


@pytest.mark.usefixtures("aws")
async def test_a_command_needs_an_instance(steps: StepActivities, temporal: Temporal) -> None:
    call = step_call(call={"server_ids": []}, SsmCommand=CONFIGURE)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "1 to 50 instances" in start.reason
