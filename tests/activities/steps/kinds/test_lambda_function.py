"""Functions: invoked once, and what became of an unanswered invocation is not known."""

import asyncio
import time
from typing import Any

import pytest

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, WatchedStep
from recovery.steps.state import StepStatus
from sandbox import effects
from settings import Settings
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

PROMOTE = {"FunctionName": "promote-db", "Payload": {"Cluster": "orders"}}


def function(aws: LocalAws, *answers: dict[str, Any]) -> None:
    """What the function answers from now on."""
    aws.apply(Functions=[{"FunctionName": "promote-db", "Answers": answers or [{}]}])


def invoked() -> list[Any]:
    """The payloads of the invocations."""
    found = effects.recorded()["Effects"]
    return [each["Details"]["Payload"] for each in found if each["Kind"] == "lambda.Invoke"]


@pytest.fixture(autouse=True)
def promote(aws: LocalAws) -> None:
    """A function that returns null."""
    function(aws)


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


async def test_a_function_is_invoked_and_its_answer_is_the_result(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    function(aws, {"Payload": {"Endpoint": "db.internal", "Port": 5432}})
    outputs = {"Endpoint": {"Path": "Endpoint"}, "Port": {"Path": "Port"}}
    call = step_call(Lambda=PROMOTE, Outputs=outputs)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert start.result.outputs == {"Endpoint": "db.internal", "Port": 5432}
    ids = {"StepAttemptId": call.attempt_id, "ExecutionId": call.execution_id}
    assert invoked() == [{"Cluster": "orders"} | ids]
    assert start.link.endswith("/lambda/home?region=us-west-2#/functions/promote-db")
    watched = WatchedStep(call=call, started=start)
    assert await Attempt(temporal).run(steps.watch_step, watched) == start.result


@pytest.mark.parametrize(("answer", "path"), [("up", "Result"), (["up"], "Result[0]")])
async def test_an_answer_that_is_no_object_is_the_result(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, answer: Any, path: str
) -> None:
    function(aws, {"Payload": answer})
    call = step_call(Lambda=PROMOTE, Outputs={"State": {"Path": path}})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.outputs == {"State": "up"}


async def test_a_failure_shows_nothing_that_a_function_with_secret_outputs_returned(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    function(aws, {"Payload": "t0ken-Pa55 is refused", "FunctionError": "Unhandled"})
    call = step_call(Lambda=PROMOTE, Outputs={"Token": {"Path": "Result", "Secret": True}})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.reason == "the function failed (Unhandled)"


async def test_a_function_that_fails_fails_the_step(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    error = {"errorMessage": "no replica", "errorType": "RuntimeError"}
    function(aws, {"Payload": error, "FunctionError": "Unhandled"})
    start = await Attempt(temporal).run(steps.start_step, step_call(Lambda=PROMOTE))
    assert start.result is not None
    assert start.result.status is StepStatus.FAILED
    assert start.result.reason == "the function failed (RuntimeError): no replica"
    assert len(invoked()) == 1


async def test_a_function_that_answers_too_late_times_out(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    function(aws, {"Seconds": 0.8})
    call = step_call(seconds=0.3, Lambda=PROMOTE)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert start.result is not None
    assert start.result.status is StepStatus.TIMED_OUT
    assert "may still run" in start.result.reason


@pytest.mark.parametrize("effect", ["answer-lost", "gateway-after", "answer-cut"])
async def test_a_lost_answer_is_unknown_and_nothing_is_invoked_again(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, effect: str
) -> None:
    aws.fault("Invoke", Service="lambda", Effect=effect)
    call = step_call(Lambda=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    aws.clear_faults()
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.UNKNOWN
    assert "Invoke" in start.reason
    assert len(invoked()) == 1


async def test_an_idempotent_function_is_invoked_again_with_the_same_id(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("Invoke", Service="lambda", Effect="answer-lost", Times=1)
    call = step_call(Lambda=PROMOTE, Idempotent=True)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert {payload["StepAttemptId"] for payload in invoked()} == {call.attempt_id}


async def test_a_worker_killed_while_a_function_runs_leaves_its_outcome_unknown(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    second = Attempt(temporal, number=2, details={"Sent": True})
    start = await second.run(steps.start_step, step_call(Lambda=PROMOTE))
    assert start.outcome is StartOutcome.UNKNOWN
    assert invoked() == []


async def test_a_throttled_invocation_is_sent_later(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("Invoke", Service="lambda", Error="TooManyRequestsException", Times=1)
    call = step_call(Lambda=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert len(invoked()) == 1


async def test_sts_that_hangs_is_no_unknown_outcome(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("GetCallerIdentity", Service="sts", Effect="drop", Times=9)
    call = step_call(Lambda=PROMOTE)
    account = call.target.model_copy(update={"account_id": "123456789012"})
    call = call.model_copy(update={"target": account})
    first = Attempt(temporal)
    error = await first.run_failing(steps.start_step, call)
    assert "GetCallerIdentity" in error.message
    aws.clear_faults()
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED


@pytest.mark.slow
async def test_a_hundred_functions_run_at_once(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    function(aws, {"Seconds": 5.0})
    calls = [step_call(seconds=30.0, Lambda=PROMOTE) for _ in range(100)]
    began = time.monotonic()
    await asyncio.gather(*(Attempt(temporal).run(steps.start_step, each) for each in calls))
    # In rows of 32 threads it would be 20 s.
    assert time.monotonic() - began < 15.0


async def test_a_function_is_not_stopped(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(Lambda=PROMOTE)
    start = await Attempt(temporal).run(steps.start_step, call)
    watched = WatchedStep(call=call, started=start)
    assert "cannot be stopped" in await Attempt(temporal).run(steps.stop_step, watched)
