"""Workflows of the user's own workers, on Temporal's real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.steps.interface import ResolvedCall, StepRefusedError
from activities.steps.kinds.workflow import WorkflowStep
from contract.steps import StartedStep, StartOutcome, StepResult
from contract.temporal import CHANNELS_TASK_QUEUE, TASK_QUEUES
from recovery.steps.state import StepStatus
from tests.activities.steps.step_calls import step_call

R = TypeVar("R")
WORKFLOW = WorkflowStep()


@workflow.defn(name="PromoteDatabase")
class PromoteDatabase:
    """A workflow of a user, who knows plain JSON only."""

    @workflow.run
    async def run(self, asked: dict[str, Any]) -> Any:
        match asked["Do"]:
            case "fail":
                raise ApplicationError("no replica is in sync")
            case "wait":
                await asyncio.sleep(3600)
            case "raw":
                return b"\x00\x01"
        return {"Endpoint": "db.internal", "Asked": asked}


@pytest.fixture
async def client(shared_temporal: Client) -> Client:
    """A client as the worker's."""
    config = shared_temporal.config() | {"data_converter": pydantic_data_converter}
    return Client(**config)


@pytest.fixture
async def users_worker(shared_temporal: Client) -> AsyncIterator[str]:
    """A worker of the user, on a task queue of its own."""
    async with Worker(
        shared_temporal,
        task_queue=f"users-{uuid4().hex}",
        workflows=[PromoteDatabase],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ) as worker:
        yield worker.task_queue


def asked(task_queue: str, do: str = "promote") -> ResolvedCall:
    call = step_call(
        Workflow={"Type": "PromoteDatabase", "TaskQueue": task_queue, "Input": {"Do": do}}
    )
    return ResolvedCall(call=call, spec=call.step.spec)


async def within(client: Client, method: Callable[..., Awaitable[R]], *arguments: Any) -> R:
    """Call a method of the kind as an activity of the worker does."""
    return await ActivityEnvironment(client=client).run(method, *arguments)


async def polled(
    client: Client, step: ResolvedCall, started: StartedStep, *, until: type = StepResult
) -> Any:
    """The first poll of this type."""
    async with asyncio.timeout(20):
        while True:
            seen = await within(client, WORKFLOW.poll, step, started)
            if isinstance(seen, until):
                return seen
            await asyncio.sleep(0.05)


async def test_a_workflow_gets_plain_json_and_its_result_is_the_outputs(
    client: Client, users_worker: str
) -> None:
    step = asked(users_worker)
    started = await within(client, WORKFLOW.start, step)
    assert started == StartedStep(
        outcome=StartOutcome.STARTED,
        reference=f"drs-step/{step.call.attempt_id}",
        link=f"drs-step/{step.call.attempt_id}",
    )
    result = await polled(client, step, started)
    assert result.status is StepStatus.SUCCEEDED
    assert result.outputs == {"Endpoint": "db.internal", "Asked": {"Do": "promote"}}
    async for event in client.get_workflow_handle(started.reference).fetch_history_events():
        payload = event.workflow_execution_started_event_attributes.input.payloads[0]
        assert payload.metadata["encoding"] == b"json/plain"
        break


async def test_a_workflow_begins_once_for_an_attempt(client: Client, users_worker: str) -> None:
    step = asked(users_worker)
    first = await within(client, WORKFLOW.start, step)
    assert await within(client, WORKFLOW.start, step) == first
    await polled(client, step, first)
    # Also after it has ended.
    assert await within(client, WORKFLOW.find, step) == first
    handle = client.get_workflow_handle(first.reference)
    run_id = (await handle.describe()).run_id
    await asyncio.sleep(0.2)
    assert (await handle.describe()).run_id == run_id


@pytest.mark.parametrize(
    ("do", "why"), [("fail", "no replica is in sync"), ("raw", "is not plain JSON")]
)
async def test_a_workflow_that_fails_fails_the_step(
    client: Client, users_worker: str, do: str, why: str
) -> None:
    step = asked(users_worker, do)
    started = await within(client, WORKFLOW.start, step)
    result = await polled(client, step, started)
    assert result.status is StepStatus.FAILED
    assert why in result.reason


async def test_a_workflow_is_stopped_by_cancelling_it(client: Client, users_worker: str) -> None:
    step = asked(users_worker, "wait")
    started = await within(client, WORKFLOW.start, step)
    async with asyncio.timeout(60):
        # Until Temporal knows that the queue has a worker.
        while await within(client, WORKFLOW.poll, step, started) != "its workflow runs":
            await asyncio.sleep(0.1)
    assert "is asked to cancel" in await within(client, WORKFLOW.stop, step, started)
    result = await polled(client, step, started)
    assert result.status is StepStatus.FAILED
    assert "cancelled" in result.reason.lower()
    with pytest.raises(StepRefusedError, match="had ended"):
        await within(client, WORKFLOW.stop, step, started)


async def test_a_task_queue_without_a_worker_is_named(client: Client) -> None:
    step = asked("nobody-here")
    started = await within(client, WORKFLOW.start, step)
    said = await within(client, WORKFLOW.poll, step, started)
    assert said == "no worker polls task queue nobody-here: start one"
    await client.get_workflow_handle(started.reference).terminate()
    result = await within(client, WORKFLOW.poll, step, started)
    assert isinstance(result, StepResult)
    assert result.status is StepStatus.FAILED


@pytest.mark.parametrize(
    "task_queue", [*TASK_QUEUES, CHANNELS_TASK_QUEUE, "temporal-sys-per-ns-tq"]
)
async def test_our_own_workflows_cannot_be_begun(client: Client, task_queue: str) -> None:
    with pytest.raises(StepRefusedError, match="of drs-waves or Temporal itself"):
        await within(client, WORKFLOW.start, asked(task_queue))
