"""Commands: found again by their comment, with what each instance said."""

from typing import Any

import pytest
from moto.ssm.models import ssm_backends

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, StepCall, WatchedStep
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.step_calls import SERVERS, step_activities, step_call
from tests.aws_in_process import ACCOUNT, REGION, Attempt, LocalAws, Temporal

CONFIGURE = {"Document": "AWS-RunShellScript", "Parameters": {"commands": ["/opt/configure"]}}


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


def commands() -> list[Any]:
    """The commands that Systems Manager has accepted."""
    found: list[Any] = ssm_backends[ACCOUNT][REGION]._commands
    return found


async def started(steps: StepActivities, temporal: Temporal, call: StepCall) -> WatchedStep:
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    return WatchedStep(call=call, started=start)


@pytest.mark.usefixtures("aws")
async def test_a_command_runs_on_the_instances_of_the_wave(
    steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(
        SsmCommand=CONFIGURE,
        Outputs={
            "Said": {"Path": "Output"},
            "Second": {"Path": f'Instances."{SERVERS[1].source_server_id}".Status'},
        },
    )
    watched = await started(steps, temporal, call)
    (command,) = commands()
    assert set(command.instance_ids) == {each.instance_id for each in SERVERS}
    assert command.comment == call.attempt_id
    command.invocations[0]["StandardOutputContent"] = "done\n"
    command.invocations[1]["StandardOutputContent"] = "done\n"
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert (result.status, result.outputs) == (
        StepStatus.SUCCEEDED,
        {"Said": "done", "Second": "Success"},
    )
    assert watched.started.link.endswith(f"/run-command/{command.command_id}?region=us-west-2")


@pytest.mark.usefixtures("aws")
async def test_a_command_runs_on_the_named_servers_only(
    steps: StepActivities, temporal: Temporal
) -> None:
    named = CONFIGURE | {"Servers": [SERVERS[1].source_server_id]}
    await started(steps, temporal, step_call(SsmCommand=named))
    assert commands()[0].instance_ids == [SERVERS[1].instance_id]
    down = SERVERS[1].model_copy(update={"instance_id": None})
    call = step_call(call={"servers": [SERVERS[0], down]}, SsmCommand=named)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert f"{SERVERS[1].source_server_id} is not up" in start.reason


@pytest.mark.usefixtures("aws")
async def test_a_failure_names_the_instances_and_what_they_said(
    steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(SsmCommand=CONFIGURE))
    (command,) = commands()
    command.status = "Failed"
    bad = command.invocations[0]
    bad |= {"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 3}
    bad["StandardErrorContent"] = "no such file " * 100
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert "failed on 1 of 2 instances" in result.reason
    assert f"{bad['InstanceId']} Failed (exit code 3): no such file" in result.reason
    assert len(result.reason) < 350


@pytest.mark.usefixtures("aws")
async def test_an_instance_that_it_did_not_reach_is_no_success(
    steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(SsmCommand=CONFIGURE))
    (command,) = commands()
    missing = command.invocations.pop()
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.FAILED
    assert f"{missing['InstanceId']} NotRun" in result.reason


@pytest.mark.usefixtures("aws")
async def test_a_command_whose_time_is_over_says_how_far_it_is(
    steps: StepActivities, temporal: Temporal
) -> None:
    watched = await started(steps, temporal, step_call(seconds=0.3, SsmCommand=CONFIGURE))
    (command,) = commands()
    command.status, command.completed_count = "InProgress", 1
    result = await Attempt(temporal).run(steps.watch_step, watched)
    assert result.status is StepStatus.TIMED_OUT
    assert "is InProgress, 1 of 2 instances have ended" in result.reason


async def test_a_lost_answer_is_found_by_the_comment(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    await started(steps, temporal, step_call(SsmCommand=CONFIGURE))
    aws.fault("SendCommand", Service="ssm", Effect="answer-lost", Times=1)
    call = step_call(SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.reference == commands()[1].command_id
    assert len(commands()) == 2


async def test_a_command_that_is_listed_late_is_found(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("SendCommand", Service="ssm", Effect="answer-lost", Times=1)
    call = step_call(SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    (command,) = commands()
    ssm_backends[ACCOUNT][REGION]._commands = Late(command)
    start = await first.next().run(steps.start_step, call)
    assert start.reference == command.command_id


class Late(list[Any]):
    """A command that is in the list only when it is read again."""

    def __init__(self, command: Any) -> None:
        super().__init__()
        self._command = command

    def __iter__(self) -> Any:
        found = list(super().__iter__())
        if not found:
            self.append(self._command)
        return iter(found)


async def test_what_was_not_accepted_is_sent_again(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("SendCommand", Service="ssm", Effect="drop", Times=1)
    call = step_call(SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert commands() == []
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert len(commands()) == 1


async def test_a_list_that_cannot_be_read_starts_nothing(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(SsmCommand=CONFIGURE)
    await started(steps, temporal, call)
    aws.fault("ListCommands", Service="ssm", Error="ThrottlingException")
    second = Attempt(temporal, number=2)
    error = await second.run_failing(steps.start_step, call)
    assert "ThrottlingException" in error.message
    assert len(commands()) == 1


async def test_an_agent_that_is_not_up_yet_is_waited_for(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("SendCommand", Service="ssm", Error="InvalidInstanceId", Times=1)
    call = step_call(SsmCommand=CONFIGURE)
    first = Attempt(temporal)
    error = await first.run_failing(steps.start_step, call)
    assert not error.non_retryable
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert aws.calls("ListCommands", "ssm") == 0
    assert "InvalidInstanceId" in temporal.sent("step_progress")[0].reason


@pytest.mark.usefixtures("aws")
async def test_a_command_needs_an_instance(steps: StepActivities, temporal: Temporal) -> None:
    call = step_call(call={"server_ids": []}, SsmCommand=CONFIGURE)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "1 to 50 instances" in start.reason
