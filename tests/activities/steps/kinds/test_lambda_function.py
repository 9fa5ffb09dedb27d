"""Functions: invoked once, and what became of an unanswered invocation is not known."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, WatchedStep
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

PROMOTE = {"FunctionName": "promote-db", "Payload": {"Cluster": "orders"}}


class Functions:
    """Lambda, whose functions all answer the same.

    Attributes:
        answer: what they answer.
        error: the function error of the answer, if it is one.
        invoked: the payloads, each with the name of its function.
    """

    def __init__(self) -> None:
        self.answer: Callable[[], str] = lambda: "null"
        self.error = ""
        self.invoked: list[tuple[str, Any]] = []

    def invoke(self, name: str, body: str, headers: dict[str, str]) -> bytes:
        """Invoke."""
        self.invoked.append((name, json.loads(body)))
        if self.error:
            headers["x-amz-function-error"] = self.error
        return self.answer().encode()


@pytest.fixture
def functions(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Functions:
    made = Functions()
    monkeypatch.setitem(default_user_config["lambda"], "use_docker", False)

    def invoke(
        _: object, name: str, __: object, body: str, ___: object, headers: dict[str, str]
    ) -> bytes:
        return made.invoke(name, body, headers)

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    return made


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


async def test_a_function_is_invoked_and_its_answer_is_the_result(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    functions.answer = lambda: json.dumps({"Endpoint": "db.internal", "Port": 5432})
    outputs = {"Endpoint": {"Path": "Endpoint"}, "Port": {"Path": "Port"}}
    call = step_call(Lambda=PROMOTE, Outputs=outputs)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert start.result.outputs == {"Endpoint": "db.internal", "Port": 5432}
    ids = {"StepAttemptId": call.attempt_id, "ExecutionId": call.execution_id}
    assert functions.invoked == [("promote-db", {"Cluster": "orders"} | ids)]
    assert start.link.endswith("/lambda/home?region=us-west-2#/functions/promote-db")
    watched = WatchedStep(call=call, started=start)
    assert await Attempt(temporal).run(steps.watch_step, watched) == start.result


@pytest.mark.parametrize(("answer", "path"), [('"up"', "Result"), ('["up"]', "Result[0]")])
async def test_an_answer_that_is_no_object_is_the_result(
    functions: Functions, steps: StepActivities, temporal: Temporal, answer: str, path: str
) -> None:
    functions.answer = lambda: answer
    call = step_call(Lambda=PROMOTE, Outputs={"State": {"Path": path}})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.outputs == {"State": "up"}


async def test_a_function_that_fails_fails_the_step(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    functions.error = "Unhandled"
    functions.answer = lambda: json.dumps(
        {"errorMessage": "no replica", "errorType": "RuntimeError"}
    )
    start = await Attempt(temporal).run(steps.start_step, step_call(Lambda=PROMOTE))
    assert start.result is not None
    assert start.result.status is StepStatus.FAILED
    assert start.result.reason == "the function failed (RuntimeError): no replica"
    assert len(functions.invoked) == 1


async def test_a_function_that_answers_too_late_times_out(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    def late() -> str:
        time.sleep(0.8)
        return "null"

    functions.answer = late
    call = step_call(seconds=0.3, Lambda=PROMOTE)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert start.result is not None
    assert start.result.status is StepStatus.TIMED_OUT
    assert "may still run" in start.result.reason


@pytest.mark.parametrize("effect", ["answer-lost", "gateway-after", "answer-cut"])
async def test_a_lost_answer_is_unknown_and_nothing_is_invoked_again(
    aws: LocalAws, functions: Functions, steps: StepActivities, temporal: Temporal, effect: str
) -> None:
    aws.fault("Invoke", Service="lambda", Effect=effect)
    call = step_call(Lambda=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    aws.clear_faults()
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.UNKNOWN
    assert "Invoke" in start.reason
    assert len(functions.invoked) == 1


async def test_an_idempotent_function_is_invoked_again_with_the_same_id(
    aws: LocalAws, functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("Invoke", Service="lambda", Effect="answer-lost", Times=1)
    call = step_call(Lambda=PROMOTE, Idempotent=True)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert {payload["StepAttemptId"] for _, payload in functions.invoked} == {call.attempt_id}


async def test_a_worker_killed_while_a_function_runs_leaves_its_outcome_unknown(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    second = Attempt(temporal, number=2, details={"Sent": True})
    start = await second.run(steps.start_step, step_call(Lambda=PROMOTE))
    assert start.outcome is StartOutcome.UNKNOWN
    assert functions.invoked == []


async def test_a_throttled_invocation_is_sent_later(
    aws: LocalAws, functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("Invoke", Service="lambda", Error="TooManyRequestsException", Times=1)
    call = step_call(Lambda=PROMOTE)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED
    assert len(functions.invoked) == 1


async def test_sts_that_hangs_is_no_unknown_outcome(
    aws: LocalAws, functions: Functions, steps: StepActivities, temporal: Temporal
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


async def test_a_hundred_functions_run_at_once(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    running = most = 0

    def answer() -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(1.0)
        running -= 1
        return "null"

    functions.answer = answer
    calls = [step_call(seconds=30.0, Lambda=PROMOTE) for _ in range(100)]
    await asyncio.gather(*(Attempt(temporal).run(steps.start_step, each) for each in calls))
    assert most > 32


async def test_a_function_is_not_stopped(
    functions: Functions, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(Lambda=PROMOTE)
    start = await Attempt(temporal).run(steps.start_step, call)
    watched = WatchedStep(call=call, started=start)
    assert "cannot be stopped" in await Attempt(temporal).run(steps.stop_step, watched)
