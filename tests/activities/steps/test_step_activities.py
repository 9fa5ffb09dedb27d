"""The activities of steps as a worker of Temporal runs them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.steps.interface import CannotFindError
from activities.steps.kinds.registry import ACTING_KINDS
from aws.errors import AwsError, AwsErrorKind
from contract.identifiers import plan_workflow_id, search_attributes
from contract.steps import StartedStep, StartOutcome, StepCall, StepProgress
from recovery.steps.model import StepKind
from settings import Settings
from tests.activities.steps.step_calls import ScriptedKind, step_activities, step_call

THROTTLED = AwsError(AwsErrorKind.THROTTLED, "Invoke: ThrottlingException: slow down")
UNCLEAR = AwsError(AwsErrorKind.UNCLEAR, "Invoke: ReadTimeoutError")


@workflow.defn
class StepRun:
    """A plan that starts one step."""

    def __init__(self) -> None:
        self._progress: list[StepProgress] = []

    @workflow.run
    async def run(self, call: StepCall) -> StartedStep:
        started: StartedStep = await workflow.execute_activity(
            "start_step",
            call,
            result_type=StartedStep,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
        )
        return started

    @workflow.signal
    def step_progress(self, progress: StepProgress) -> None:
        self._progress.append(progress)


@pytest.fixture
async def client(shared_temporal: Client) -> Client:
    """A client as the worker's."""
    return Client(**shared_temporal.config() | {"data_converter": pydantic_data_converter})


@pytest.fixture
async def kind(client: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedKind]:
    """A worker whose kind of step is scripted, and cannot look up what it did."""
    scripted = ScriptedKind(has_effect=False, found=CannotFindError("it does not say"))
    monkeypatch.setitem(ACTING_KINDS, StepKind.LAMBDA, lambda _: scripted)
    steps = step_activities(Settings(poll_seconds=1.0))
    scripted.task_queue = f"steps-{uuid4().hex}"
    async with Worker(
        client,
        task_queue=scripted.task_queue,
        workflows=[StepRun],
        activities=[steps.start_step],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield scripted


@pytest.mark.parametrize(
    ("answers", "outcome", "effects"),
    [
        ([THROTTLED, THROTTLED], StartOutcome.STARTED, 1),
        ([UNCLEAR], StartOutcome.UNKNOWN, 0),
        ([THROTTLED, UNCLEAR], StartOutcome.UNKNOWN, 0),
    ],
)
async def test_temporal_keeps_from_attempt_to_attempt_what_was_sent(
    client: Client,
    kind: ScriptedKind,
    answers: list[Exception | None],
    outcome: StartOutcome,
    effects: int,
) -> None:
    kind.answers = answers
    plan = {"plan_id": f"crm-{uuid4().hex}"}
    call = step_call(seconds=60.0, call=plan, Lambda={"FunctionName": "promote"})
    started = await client.execute_workflow(
        StepRun.run,
        call,
        id=plan_workflow_id(call.plan_id),
        task_queue=kind.task_queue,
        search_attributes=search_attributes(call.plan_id, call.execution_id),
    )
    assert (started.outcome, len(kind.effects)) == (outcome, effects)
