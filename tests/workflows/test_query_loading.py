"""What a query loads into a worker must not split the workflow task that comes after it.

Temporal's server lets these two cross only by chance. So the worker, its core and the workflows are
the real ones, and what stands in for the server hands out, in the order that chance took once in a
hundred drills, the events that the real server had recorded.
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
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from worker import WORKFLOWS
from workflows.query_loading import EvictingRunner

# The plan's second task: the recording and the look at the targets have both ended, the second of
# them after the task was scheduled.
RECORDED = Path(__file__).with_name("two_results_in_one_task.json.gz")
LAST_TASK = 3
SCHEDULED = 9
STARTED = 12

_NEVER_SECONDS = 3600


class ScriptedServer:
    """Hands out a query with the events up to its moment, then the task with all of them."""

    def __init__(self, events: list[HistoryEvent], query_at: int | None) -> None:
        self.commands: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._events = events
        self._tasks: asyncio.Queue[PollWorkflowTaskQueueResponse] = asyncio.Queue()
        self._tasks.put_nowait(self._task() if query_at is None else self._query(query_at))

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
        self._tasks.put_nowait(self._task())
        return RespondQueryTaskCompletedResponse()

    async def _respond_workflow_task_completed(
        self, request: RespondWorkflowTaskCompletedRequest
    ) -> Message:
        self.commands.set_result([CommandType.Name(c.command_type) for c in request.commands])
        return RespondWorkflowTaskCompletedResponse()

    def _query(self, up_to: int) -> PollWorkflowTaskQueueResponse:
        given = self._given(b"query", up_to)
        given.query.query_type = "status"
        return given

    def _task(self) -> PollWorkflowTaskQueueResponse:
        given = self._given(b"task", STARTED)
        given.started_event_id = STARTED
        return given

    def _given(self, token: bytes, up_to: int) -> PollWorkflowTaskQueueResponse:
        attributes = self._events[0].workflow_execution_started_event_attributes
        given = PollWorkflowTaskQueueResponse(
            task_token=token, attempt=1, previous_started_event_id=LAST_TASK
        )
        given.workflow_type.CopyFrom(attributes.workflow_type)
        given.workflow_execution.workflow_id = attributes.workflow_id
        given.workflow_execution.run_id = attributes.original_execution_run_id
        given.workflow_execution_task_queue.CopyFrom(attributes.task_queue)
        given.scheduled_time.GetCurrentTime()
        given.started_time.GetCurrentTime()
        given.history.events.extend(self._events[:up_to])
        return given


def handler(
    call: Callable[[Any], Awaitable[Message]], kind: type[Message]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """A call of gRPC with one request and one response."""

    async def answer(request: Any, _: object) -> Message:
        return await call(request)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=kind.FromString,
        response_serializer=lambda told: told.SerializeToString(),
    )


async def commands_after(query_at: int | None, runner: WorkflowRunner) -> list[str]:
    """What a fresh worker answers to the task, after a query that saw the events up to one."""
    with gzip.open(RECORDED, "rt") as file:
        events = list(WorkflowHistory.from_json("drs-plan/any", file.read()).events)
    scripted = ScriptedServer(events, query_at)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([scripted.handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        client = await Client.connect(f"127.0.0.1:{port}", data_converter=pydantic_data_converter)
        worker = Worker(client, task_queue="any", workflows=WORKFLOWS, workflow_runner=runner)
        if isinstance(runner, EvictingRunner):
            runner.serve(worker)
        async with worker:
            return await scripted.commands
    finally:
        await server.stop(grace=None)


TOGETHER = ["START_CHILD_WORKFLOW_EXECUTION", "START_CHILD_WORKFLOW_EXECUTION", "START_TIMER"]


@pytest.mark.parametrize("query_at", [None, 4, 6, 8, 9, 11])
async def test_a_query_at_any_moment_changes_no_command(query_at: int | None) -> None:
    commands = await commands_after(query_at, EvictingRunner())
    assert commands == [f"COMMAND_TYPE_{each}" for each in TOGETHER]


async def test_the_sdk_alone_still_splits_the_task() -> None:
    """Once this fails, the SDK has learned it, and `EvictingRunner` may go."""
    commands = await commands_after(SCHEDULED, SandboxedWorkflowRunner())
    assert commands == [f"COMMAND_TYPE_{each}" for each in (TOGETHER[2], *TOGETHER[:2])]
