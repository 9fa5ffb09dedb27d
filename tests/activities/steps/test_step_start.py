"""The start of a step: its effect at most once, whatever becomes of answers and workers."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from activities.steps.interface import (
    CannotFindError,
    OutcomeUnknownError,
    StepRefusedError,
)
from activities.steps.kinds.registry import ACTING_KINDS
from activities.steps.step_activities import StepActivities
from aws.errors import AwsError, AwsErrorKind
from contract.steps import StartedStep, StartOutcome
from recovery.steps.model import StepKind
from settings import Settings
from tests.activities.steps.step_calls import SERVERS, ScriptedKind, step_activities, step_call
from tests.aws_in_process import Attempt, Temporal

LAMBDA = {"FunctionName": "promote"}
UNCLEAR = AwsError(AwsErrorKind.UNCLEAR, "Invoke: ReadTimeoutError")
THROTTLED = AwsError(AwsErrorKind.THROTTLED, "Invoke: ThrottlingException: slow down")


Made = Callable[..., tuple[StepActivities, ScriptedKind]]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, fast: Settings) -> Made:
    """The activities with a scripted kind in place of Lambda's."""

    def make(**how: Any) -> tuple[StepActivities, ScriptedKind]:
        kind = ScriptedKind(**how)
        monkeypatch.setitem(ACTING_KINDS, StepKind.LAMBDA, lambda _: kind)
        return step_activities(fast), kind

    return make


async def test_a_step_starts_once_and_is_reported(scripted: Made, temporal: Temporal) -> None:
    steps, kind = scripted()
    attempt = Attempt(temporal)
    started = await attempt.run(steps.start_step, step_call(Lambda=LAMBDA))
    assert (started.outcome, started.reference) == (StartOutcome.STARTED, "r-1")
    assert len(kind.effects) == 1
    assert kind.finds == 0
    assert attempt.heartbeats[-1]["Sent"] is True


async def test_what_was_not_sent_is_sent_by_the_next_attempt(
    scripted: Made, temporal: Temporal
) -> None:
    steps, kind = scripted(answers=[THROTTLED], has_effect=False, found=CannotFindError("no"))
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    error = await first.run_failing(steps.start_step, call)
    assert "slow down" in error.message
    assert not error.non_retryable
    started = await first.next().run(steps.start_step, call)
    assert started.outcome is StartOutcome.STARTED
    assert (len(kind.effects), kind.finds) == (1, 0)
    (progress,) = temporal.sent("step_progress")
    assert "slow down" in progress.reason


@pytest.mark.parametrize("answer", [UNCLEAR, OutcomeUnknownError("no answer")])
async def test_a_lost_answer_that_cannot_be_looked_up_is_unknown(
    scripted: Made, temporal: Temporal, answer: Exception
) -> None:
    steps, kind = scripted(answers=[answer], found=CannotFindError("it does not say"))
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    started = await first.next().run(steps.start_step, call)
    assert started.outcome is StartOutcome.UNKNOWN
    assert str(answer) in started.reason
    assert len(kind.effects) == 1


async def test_a_lost_answer_is_looked_up(scripted: Made, temporal: Temporal) -> None:
    there = StartedStep(outcome=StartOutcome.STARTED, reference="r-9")
    steps, kind = scripted(answers=[UNCLEAR], found=there)
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert (await first.next().run(steps.start_step, call)).reference == "r-9"
    assert len(kind.effects) == 1


async def test_what_a_look_up_does_not_find_is_started(scripted: Made, temporal: Temporal) -> None:
    steps, kind = scripted(answers=[UNCLEAR], has_effect=False)
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert (await first.next().run(steps.start_step, call)).outcome is StartOutcome.STARTED
    assert (len(kind.effects), kind.finds) == (1, 1)


async def test_what_may_be_repeated_is_asked_for_again_with_the_same_id(
    scripted: Made, temporal: Temporal
) -> None:
    steps, kind = scripted(answers=[UNCLEAR], may_repeat=True, found=CannotFindError("no"))
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert (await first.next().run(steps.start_step, call)).outcome is StartOutcome.STARTED
    assert kind.effects == [call.attempt_id] * 2
    assert kind.finds == 0


DENIED = AwsError(AwsErrorKind.ACCESS_DENIED, "ListCommands: AccessDeniedException")


@pytest.mark.parametrize("cannot", [CannotFindError("it does not say"), DENIED])
async def test_an_idempotent_step_that_cannot_be_looked_up_is_run_again(
    scripted: Made, temporal: Temporal, cannot: Exception
) -> None:
    steps, kind = scripted(answers=[UNCLEAR], found=cannot)
    call = step_call(Lambda=LAMBDA, Idempotent=True)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert (await first.next().run(steps.start_step, call)).outcome is StartOutcome.STARTED
    assert kind.effects == [call.attempt_id] * 2
    assert kind.finds == 1


async def test_an_idempotent_step_that_was_started_is_not_run_again(
    scripted: Made, temporal: Temporal
) -> None:
    there = StartedStep(outcome=StartOutcome.STARTED, reference="r-9")
    steps, kind = scripted(answers=[UNCLEAR], found=there)
    call = step_call(Lambda=LAMBDA, Idempotent=True)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    assert (await first.next().run(steps.start_step, call)).reference == "r-9"
    assert len(kind.effects) == 1


async def test_a_worker_killed_before_it_recorded_anything_may_have_sent_it(
    scripted: Made, temporal: Temporal
) -> None:
    steps, kind = scripted(found=CannotFindError("it does not say"))
    started = await Attempt(temporal, number=2).run(steps.start_step, step_call(Lambda=LAMBDA))
    assert started.outcome is StartOutcome.UNKNOWN
    assert "it does not say" in started.reason
    assert kind.effects == []


async def test_a_worker_killed_before_it_sent_is_followed_by_one_that_sends(
    scripted: Made, temporal: Temporal
) -> None:
    steps, kind = scripted(found=CannotFindError("no"))
    second = Attempt(temporal, number=2, details={"Sent": False})
    assert (
        await second.run(steps.start_step, step_call(Lambda=LAMBDA))
    ).outcome is StartOutcome.STARTED
    assert len(kind.effects) == 1


async def test_what_the_wave_may_have_sent_is_looked_up_first(
    scripted: Made, temporal: Temporal
) -> None:
    there = StartedStep(outcome=StartOutcome.STARTED, reference="r-9")
    steps, kind = scripted(found=there)
    call = step_call(call={"possibly_sent": True}, Lambda=LAMBDA)
    assert (await Attempt(temporal).run(steps.start_step, call)).reference == "r-9"
    assert kind.effects == []


async def test_a_refusal_is_a_step_that_did_not_start(scripted: Made, temporal: Temporal) -> None:
    for refusal in (
        StepRefusedError("the queue is ours"),
        AwsError(AwsErrorKind.ACCESS_DENIED, "Invoke: AccessDeniedException: the queue is ours"),
    ):
        steps, _ = scripted(answers=[refusal], has_effect=False)
        started = await Attempt(temporal).run(steps.start_step, step_call(Lambda=LAMBDA))
        assert started.outcome is StartOutcome.NOT_STARTED
        assert "the queue is ours" in started.reason


async def test_a_refusal_of_a_repetition_does_not_say_that_nothing_happened(
    scripted: Made, temporal: Temporal
) -> None:
    refusal = AwsError(AwsErrorKind.ACCESS_DENIED, "Invoke: AccessDeniedException")
    steps, _ = scripted(answers=[UNCLEAR, refusal], may_repeat=True)
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    started = await first.next().run(steps.start_step, call)
    assert started.outcome is StartOutcome.UNKNOWN
    assert "AccessDeniedException" in started.reason


async def test_a_replaced_attempt_sends_nothing(scripted: Made, temporal: Temporal) -> None:
    steps, kind = scripted()
    temporal.replaced = True
    attempt = Attempt(temporal)
    error = await attempt.run_failing(steps.start_step, step_call(Lambda=LAMBDA))
    assert "nothing was sent" in error.message
    assert kind.effects == []
    assert attempt.heartbeats[-1]["Sent"] is False


async def test_a_step_whose_time_is_over_does_not_start(scripted: Made, temporal: Temporal) -> None:
    steps, kind = scripted(answers=[THROTTLED], has_effect=False)
    late = step_call(seconds=-1.0, Lambda=LAMBDA)
    started = await Attempt(temporal).run(steps.start_step, late)
    assert started.outcome is StartOutcome.NOT_STARTED
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    late = call.model_copy(update={"deadline": time.time()})
    started = await first.next().run(steps.start_step, late)
    assert started.outcome is StartOutcome.NOT_STARTED
    assert "slow down" in started.reason
    assert kind.effects == []


async def test_a_reference_that_is_not_known_fails_the_step(
    scripted: Made, temporal: Temporal
) -> None:
    steps, kind = scripted()
    for text in ("${Servers.s-0000000000000000f.InstanceId}", "${Steps.db.promote.Endpoint}"):
        call = step_call(Lambda=LAMBDA | {"Payload": {"To": text}})
        started = await Attempt(temporal).run(steps.start_step, call)
        assert started.outcome is StartOutcome.NOT_STARTED
        assert text in started.reason
    assert kind.effects == []


async def test_references_are_values(scripted: Made, temporal: Temporal) -> None:
    steps, kind = scripted()
    payload = {
        "Id": f"${{Servers.{SERVERS[0].source_server_id}.InstanceId}}",
        "Where": "at ${Steps.db.promote.Endpoint}:${Steps.db.promote.Port}",
        "Port": "${Steps.db.promote.Port}",
        "Who": "${ExecutionId} ${ExecutionType}",
    }
    outputs = {"db.promote": {"Endpoint": "db; rm -rf /", "Port": 5432}}
    call = step_call(call={"outputs": outputs}, Lambda=LAMBDA | {"Payload": payload})
    await Attempt(temporal).run(steps.start_step, call)
    (step,) = kind.steps
    assert step.spec.model_dump()["Payload"] == {
        "Id": SERVERS[0].instance_id,
        "Where": "at db; rm -rf /:5432",
        "Port": 5432,
        "Who": "crm-0f3b52a1c7d9 DRILL",
    }


@pytest.mark.parametrize("runs", ["", "crm-ffffffffffff"])
async def test_nothing_begins_once_the_plans_workflow_has_ended_or_runs_another_execution(
    scripted: Made, temporal: Temporal, runs: str
) -> None:
    temporal.plan_runs = runs
    steps, kind = scripted()
    started = await Attempt(temporal).run(steps.start_step, step_call(Lambda=LAMBDA))
    assert (started.outcome, kind.effects) == (StartOutcome.PLAN_CLOSED, [])


async def test_nothing_begins_while_an_execution_that_is_over_records_its_end(
    scripted: Made, temporal: Temporal
) -> None:
    for status, outcome in (
        ("FAILED", StartOutcome.PLAN_CLOSED),
        ("CANCELLED", StartOutcome.PLAN_CLOSED),
        ("PAUSED", StartOutcome.STARTED),
    ):
        temporal.plan_status = status
        steps, _ = scripted()
        started = await Attempt(temporal).run(steps.start_step, step_call(Lambda=LAMBDA))
        assert started.outcome is outcome


async def test_nothing_begins_until_temporal_says_that_the_plan_is_open(
    scripted: Made, temporal: Temporal
) -> None:
    temporal.plan_runs = None
    steps, kind = scripted()
    call = step_call(Lambda=LAMBDA)
    first = Attempt(temporal)
    error = await first.run_failing(steps.start_step, call)
    assert "does not say whether plan crm is open" in error.message
    assert (error.non_retryable, kind.effects) == (False, [])
    temporal.plan_runs = "crm-0f3b52a1c7d9"
    started = await first.next().run(steps.start_step, call)
    assert (started.outcome, len(kind.effects)) == (StartOutcome.STARTED, 1)


async def test_nothing_begins_if_temporal_does_not_say_so_in_the_steps_time(
    scripted: Made, temporal: Temporal
) -> None:
    temporal.plan_runs = None
    steps, kind = scripted()
    attempt = Attempt(temporal)
    started = await attempt.run(steps.start_step, step_call(seconds=-1.0, Lambda=LAMBDA))
    assert (started.outcome, kind.effects) == (StartOutcome.NOT_STARTED, [])


@pytest.mark.parametrize("may_repeat", [False, True])
@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (StartedStep(outcome=StartOutcome.STARTED, reference="r-0"), StartOutcome.STARTED),
        (None, StartOutcome.PLAN_CLOSED),
        (CannotFindError("it does not say"), StartOutcome.UNKNOWN),
    ],
)
async def test_what_was_sent_before_the_plans_end_is_looked_up_and_not_sent_again(
    scripted: Made,
    temporal: Temporal,
    may_repeat: bool,
    found: StartedStep | Exception | None,
    outcome: StartOutcome,
) -> None:
    temporal.plan_runs = ""
    steps, kind = scripted(may_repeat=may_repeat, found=found)
    call = step_call(Lambda=LAMBDA, call={"possibly_sent": True})
    started = await Attempt(temporal).run(steps.start_step, call)
    assert (started.outcome, kind.effects, kind.finds) == (outcome, [], 1)
