"""A worker that has just loaded a run answers as every later replay does.

Where it did not, the server had let things cross by chance, once in a hundred drills. So the
worker, its core and the workflows are the real ones, and what stands in for the server hands out,
in that order, the events that the real server had recorded.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from temporalio.api.enums.v1 import CommandType, TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Rejection
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse,
)
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from runtime.worker import WORKFLOWS
from runtime.workflow_runner import ReplayableRunner

_NEVER_SECONDS = 3600


class Recorded:
    """The beginning of a history, up to a workflow task that a fresh worker gets.

    Attributes:
        last_task: the event at which the last task before it began.
        started: the event at which it begins.
        update: the event that accepts the update that comes with it, if one does.
    """

    def __init__(self, name: str, *, last_task: int, started: int, update: int | None = None):
        with gzip.open(Path(__file__).with_name(name), "rt") as file:
            self.events = list(WorkflowHistory.from_json("drs-plan/any", file.read()).events)
        self.last_task, self.started, self.update = last_task, started, update

    def task(self) -> PollWorkflowTaskQueueResponse:
        """The task."""
        given = self._given(b"task", self.started)
        given.started_event_id = self.started
        if self.update is not None:
            accepted = self.events[
                self.update - 1
            ].workflow_execution_update_accepted_event_attributes
            message = given.messages.add(
                id=accepted.accepted_request_message_id,
                protocol_instance_id=accepted.protocol_instance_id,
                event_id=accepted.accepted_request_sequencing_event_id,
            )
            message.body.Pack(accepted.accepted_request)
        return given

    def query(self, up_to: int) -> PollWorkflowTaskQueueResponse:
        """A query that saw the events up to one."""
        given = self._given(b"query", up_to)
        given.query.query_type = "status"
        return given

    def _given(self, token: bytes, up_to: int) -> PollWorkflowTaskQueueResponse:
        attributes = self.events[0].workflow_execution_started_event_attributes
        given = PollWorkflowTaskQueueResponse(
            task_token=token, attempt=1, previous_started_event_id=self.last_task
        )
        given.workflow_type.CopyFrom(attributes.workflow_type)
        given.workflow_execution.workflow_id = attributes.workflow_id
        given.workflow_execution.run_id = attributes.original_execution_run_id
        given.workflow_execution_task_queue.CopyFrom(attributes.task_queue)
        given.scheduled_time.GetCurrentTime()
        given.started_time.GetCurrentTime()
        given.history.events.extend(self.events[:up_to])
        return given


# The recording and the check of the targets have both ended, the second one after the task was
# scheduled, at event 9.
TWO_RESULTS = Recorded("two_results_in_one_task.json.gz", last_task=3, started=12)
SCHEDULED = 9
# The task before had no commands; the update's own task waited for a worker that was dead.
UPDATE = Recorded("update_after_a_dead_worker.json.gz", last_task=54, started=62, update=64)


class ScriptedServer:
    """Hands out a query with the events up to its moment, then the task with all of them."""

    def __init__(self, recorded: Recorded, query_at: int | None) -> None:
        self.answer: asyncio.Future[RespondWorkflowTaskCompletedRequest] = asyncio.Future()
        self._recorded = recorded
        self._tasks: asyncio.Queue[PollWorkflowTaskQueueResponse] = asyncio.Queue()
        first = recorded.task() if query_at is None else recorded.query(query_at)
        self._tasks.put_nowait(first)

    def handlers(self) -> grpc.GenericRpcHandler:
        """The calls that a worker with workflows makes."""
        calls: list[tuple[Callable[[Any], Awaitable[Message]], type[Message]]] = [
            (self._get_system_info, GetSystemInfoRequest),
            (self._describe_namespace, DescribeNamespaceRequest),
            (self._poll_workflow_task_queue, PollWorkflowTaskQueueRequest),
            (self._respond_query_task_completed, RespondQueryTaskCompletedRequest),
            (self._respond_workflow_task_completed, RespondWorkflowTaskCompletedRequest),
        ]
        return grpc.method_handlers_generic_handler(
            "temporal.api.workflowservice.v1.WorkflowService",
            {kind.__name__.removesuffix("Request"): handler(call, kind) for call, kind in calls},
        )

    async def _get_system_info(self, _: GetSystemInfoRequest) -> Message:
        return GetSystemInfoResponse()

    async def _describe_namespace(self, _: DescribeNamespaceRequest) -> Message:
        return DescribeNamespaceResponse()

    async def _poll_workflow_task_queue(self, request: PollWorkflowTaskQueueRequest) -> Message:
        if request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY:
            await asyncio.sleep(_NEVER_SECONDS)
        return await self._tasks.get()

    async def _respond_query_task_completed(self, _: RespondQueryTaskCompletedRequest) -> Message:
        self._tasks.put_nowait(self._recorded.task())
        return RespondQueryTaskCompletedResponse()

    async def _respond_workflow_task_completed(
        self, request: RespondWorkflowTaskCompletedRequest
    ) -> Message:
        self.answer.set_result(request)
        return RespondWorkflowTaskCompletedResponse()


def handler(
    call: Callable[[Any], Awaitable[Message]], kind: type[Message]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """A call of gRPC with one request and one response."""

    async def answer(request: Any, _: object) -> Message:
        return await call(request)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=kind.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )


async def answer_of(
    runner: WorkflowRunner, recorded: Recorded, query_at: int | None = None
) -> RespondWorkflowTaskCompletedRequest:
    """What a fresh worker answers to the task, after a query that saw the events up to one."""
    scripted = ScriptedServer(recorded, query_at)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([scripted.handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        client = await Client.connect(f"127.0.0.1:{port}", data_converter=pydantic_data_converter)
        worker = Worker(client, task_queue="any", workflows=WORKFLOWS, workflow_runner=runner)
        if isinstance(runner, ReplayableRunner):
            runner.serve(worker)
        async with worker:
            return await scripted.answer
    finally:
        await server.stop(grace=None)


def commands(answer: RespondWorkflowTaskCompletedRequest) -> list[str]:
    """The kinds of an answer's commands."""
    return [CommandType.Name(c.command_type).removeprefix("COMMAND_TYPE_") for c in answer.commands]


async def replays(events: list[HistoryEvent]) -> bool:
    """Whether a history can be replayed."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    history = WorkflowHistory("drs-plan/any", events)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return result.replay_failure is None


TOGETHER = ["START_CHILD_WORKFLOW_EXECUTION", "START_CHILD_WORKFLOW_EXECUTION", "START_TIMER"]


@pytest.mark.parametrize("query_at", [None, 4, 6, 8, 9, 11])
async def test_a_query_at_any_moment_changes_no_command(query_at: int | None) -> None:
    answer = await answer_of(ReplayableRunner(), TWO_RESULTS, query_at)
    assert commands(answer) == TOGETHER


async def test_the_sdk_alone_still_splits_the_task() -> None:
    """Once this fails, the SDK has learned it, and the eviction may go."""
    answer = await answer_of(SandboxedWorkflowRunner(), TWO_RESULTS, SCHEDULED)
    assert commands(answer) == [TOGETHER[2], *TOGETHER[:2]]


async def test_an_update_at_a_fresh_worker_is_to_be_sent_again() -> None:
    answer = await answer_of(ReplayableRunner(), UPDATE)
    (message,) = answer.messages
    rejection = Rejection()
    assert message.body.Unpack(rejection)
    assert rejection.failure.application_failure_info.type == "SendAgain"
    # As the history would be, had the update come to nothing: its two events are left out.
    events = [*UPDATE.events[:63], *UPDATE.events[65:]]
    without = [HistoryEvent.FromString(each.SerializeToString()) for each in events]
    for number, event in enumerate(without, start=1):
        event.event_id = number
    hold = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION"
    upsert = "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"
    assert commands(answer) == [hold, hold, upsert, "SCHEDULE_ACTIVITY_TASK", "START_TIMER"]
    assert await replays(without)


async def test_the_sdk_alone_still_accepts_what_cannot_be_replayed() -> None:
    """Once this fails, the SDK has learned it, and the rejection may go."""
    answer = await answer_of(SandboxedWorkflowRunner(), UPDATE)
    assert commands(answer)[:2] == ["PROTOCOL_MESSAGE", "PROTOCOL_MESSAGE"]
    assert len(answer.commands) == len(UPDATE.events) - UPDATE.started - 1
    assert not await replays(UPDATE.events)
