"""A worker that has just loaded a run answers as every later replay does.

Where it did not, the server had let things cross by chance, once in a hundred drills. So the
worker and its core are the real ones, and what stands in for the server hands out events in the
order that the real server once had. The workflows are samples, so that the events continue to
fit when the product's workflows change.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from temporalio.api.enums.v1 import CommandType, TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.protocol.v1 import Message as ProtocolMessage
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response
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
    RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
)
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker, WorkflowRunner
from temporalio.worker._workflow_instance import _WorkflowInstanceImpl
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from runtime.workflow_runner import ReplayableRunner
from tests.runtime.sample_workflow import TwoBranches, TwoReports

# A task that fails is no answer, and an answer takes less than a second.
pytestmark = pytest.mark.timeout(30)

_NEVER_SECONDS = 3600
# The SDK waits 2 s for an activation.
_STALL_SECONDS = 3.0
_WORKFLOWS = [TwoBranches, TwoReports]
_QUEUE = {"name": "any"}
_DEAD_WORKERS_QUEUE = {"name": "dead", "kind": "TASK_QUEUE_KIND_STICKY", "normal_name": "any"}
_WORKFLOW_ID = "any"
_RUN_ID = "00000000-0000-4000-8000-000000000000"


def event(number: int, kind: str, **attributes: Any) -> HistoryEvent:
    """An event of a history, a second after the one before."""
    described = {
        "event_id": number,
        "event_time": datetime.fromtimestamp(number, UTC).isoformat(),
        "event_type": f"EVENT_TYPE_{kind}",
        f"{kind.lower()}_event_attributes": attributes,
    }
    return ParseDict(described, HistoryEvent())


def started(workflow_type: type) -> HistoryEvent:
    """The first event of a history."""
    return event(
        1,
        "WORKFLOW_EXECUTION_STARTED",
        workflow_type={"name": workflow_type.__name__},
        workflow_id=_WORKFLOW_ID,
        original_execution_run_id=_RUN_ID,
        first_execution_run_id=_RUN_ID,
        task_queue=_QUEUE,
        workflow_task_timeout="60s",
        attempt=1,
    )


def first_completed(number: int, **attributes: Any) -> HistoryEvent:
    """The end of a run's first task, with what the SDK says about itself there."""
    about = {"core_used_flags": [1, 2, 3, 4], "sdk_name": "temporal-python"}
    return event(number, "WORKFLOW_TASK_COMPLETED", **attributes, sdk_metadata=about)


class Beginning:
    """The beginning of a history, up to the start of a workflow task that a fresh worker gets.

    Attributes:
        events: its events.
        last_task: the event at which the last task before it began.
        update: the name of the update that comes with the task, if one does.
    """

    def __init__(self, *events: HistoryEvent, last_task: int, update: str | None = None):
        assert [each.event_id for each in events] == [*range(1, len(events) + 1)]
        self.events, self.last_task, self.update = events, last_task, update

    def task(self) -> PollWorkflowTaskQueueResponse:
        """The task."""
        given = self._given(b"task", len(self.events))
        given.started_event_id = len(self.events)
        if self.update is not None:
            request = Request()
            request.meta.update_id = "update"
            request.input.name = self.update
            message = given.messages.add(
                id="update/request",
                protocol_instance_id="update",
                event_id=len(self.events) - 1,
            )
            message.body.Pack(request)
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
        given.workflow_execution.workflow_id = _WORKFLOW_ID
        given.workflow_execution.run_id = _RUN_ID
        given.workflow_execution_task_queue.CopyFrom(attributes.task_queue)
        given.scheduled_time.GetCurrentTime()
        given.started_time.GetCurrentTime()
        given.history.events.extend(self.events[:up_to])
        return given


# Both activities have ended: `record` had the task scheduled, and `check` ended before it began.
TWO_RESULTS = Beginning(
    started(TwoBranches),
    event(2, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(3, "WORKFLOW_TASK_STARTED", scheduled_event_id=2),
    first_completed(4, scheduled_event_id=2, started_event_id=3),
    event(5, "ACTIVITY_TASK_SCHEDULED", activity_id="1", activity_type={"name": "check"}),
    event(6, "ACTIVITY_TASK_SCHEDULED", activity_id="2", activity_type={"name": "record"}),
    event(7, "ACTIVITY_TASK_STARTED", scheduled_event_id=6),
    event(8, "ACTIVITY_TASK_COMPLETED", scheduled_event_id=6, started_event_id=7),
    event(9, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(10, "ACTIVITY_TASK_STARTED", scheduled_event_id=5),
    event(11, "ACTIVITY_TASK_COMPLETED", scheduled_event_id=5, started_event_id=10),
    event(12, "WORKFLOW_TASK_STARTED", scheduled_event_id=9),
    last_task=3,
)
SCHEDULED = 9
# The last task had no commands, nor had the one before: core takes a task for a heartbeat only if
# no command's event lies between the two. The update's own task waited for a worker that was dead.
UPDATE = Beginning(
    started(TwoReports),
    event(2, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(3, "WORKFLOW_TASK_STARTED", scheduled_event_id=2),
    first_completed(4, scheduled_event_id=2, started_event_id=3),
    event(5, "TIMER_STARTED", timer_id="1"),
    event(6, "TIMER_FIRED", timer_id="1", started_event_id=5),
    event(7, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(8, "WORKFLOW_TASK_STARTED", scheduled_event_id=7),
    event(9, "WORKFLOW_TASK_COMPLETED", scheduled_event_id=7, started_event_id=8),
    event(10, "WORKFLOW_EXECUTION_SIGNALED", signal_name="report"),
    event(11, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(12, "WORKFLOW_TASK_STARTED", scheduled_event_id=11),
    event(13, "WORKFLOW_TASK_COMPLETED", scheduled_event_id=11, started_event_id=12),
    event(14, "WORKFLOW_TASK_SCHEDULED", task_queue=_DEAD_WORKERS_QUEUE),
    event(15, "WORKFLOW_EXECUTION_SIGNALED", signal_name="report"),
    event(
        16,
        "WORKFLOW_TASK_TIMED_OUT",
        scheduled_event_id=14,
        timeout_type="TIMEOUT_TYPE_SCHEDULE_TO_START",
    ),
    event(17, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(18, "WORKFLOW_TASK_STARTED", scheduled_event_id=17),
    last_task=12,
    update="ask",
)
# One worker does both tasks: the first has no commands, and a validator would reject the update.
REPORT = Beginning(*UPDATE.events[:12], last_task=8)
REFUSABLE_UPDATE = Beginning(
    *UPDATE.events[:13],
    event(14, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(15, "WORKFLOW_EXECUTION_SIGNALED", signal_name="report"),
    event(16, "WORKFLOW_TASK_STARTED", scheduled_event_id=14),
    last_task=12,
    update="refuse",
)
# A worker loads the run for an update, and rejects it: its task leaves no event. A report follows.
DROPPED_UPDATE = Beginning(
    *UPDATE.events[:13],
    event(14, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(15, "WORKFLOW_TASK_STARTED", scheduled_event_id=14),
    last_task=12,
    update="ask",
)
LATER_REPORT = Beginning(
    *UPDATE.events[:13],
    event(14, "WORKFLOW_EXECUTION_SIGNALED", signal_name="report"),
    event(15, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(16, "WORKFLOW_TASK_STARTED", scheduled_event_id=15),
    last_task=12,
)
# The same, but a query comes while the update's task waits for a worker, and a report follows.
UPDATE_AFTER_QUERY = Beginning(
    *UPDATE.events[:13],
    event(14, "WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE),
    event(15, "WORKFLOW_EXECUTION_SIGNALED", signal_name="report"),
    event(16, "WORKFLOW_TASK_STARTED", scheduled_event_id=14),
    last_task=12,
    update="ask",
)


class ScriptedServer:
    """Hands out a query with the events up to its moment, then tasks, each after the last."""

    def __init__(self, beginnings: Sequence[Beginning], query_at: int | None) -> None:
        self.answer: asyncio.Future[RespondWorkflowTaskCompletedRequest] = asyncio.Future()
        self._to_come = [beginning.task() for beginning in beginnings]
        self._tasks: asyncio.Queue[PollWorkflowTaskQueueResponse] = asyncio.Queue()
        if query_at is not None:
            self._to_come.insert(0, beginnings[0].query(query_at))
        self._hand_out_next()

    def _hand_out_next(self) -> None:
        self._tasks.put_nowait(self._to_come.pop(0))

    def handlers(self) -> grpc.GenericRpcHandler:
        """The calls that a worker with workflows makes."""
        calls: list[tuple[Callable[[Any], Awaitable[Message]], type[Message]]] = [
            (self._get_system_info, GetSystemInfoRequest),
            (self._describe_namespace, DescribeNamespaceRequest),
            (self._poll_workflow_task_queue, PollWorkflowTaskQueueRequest),
            (self._respond_query_task_completed, RespondQueryTaskCompletedRequest),
            (self._respond_workflow_task_completed, RespondWorkflowTaskCompletedRequest),
            (self._respond_workflow_task_failed, RespondWorkflowTaskFailedRequest),
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
        self._hand_out_next()
        return RespondQueryTaskCompletedResponse()

    async def _respond_workflow_task_completed(
        self, request: RespondWorkflowTaskCompletedRequest
    ) -> Message:
        if self._to_come:
            assert not request.commands
            self._hand_out_next()
        else:
            self.answer.set_result(request)
        return RespondWorkflowTaskCompletedResponse()

    async def _respond_workflow_task_failed(
        self, request: RespondWorkflowTaskFailedRequest
    ) -> Message:
        self.answer.set_exception(AssertionError(request.failure.message))
        return RespondWorkflowTaskFailedResponse()


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


async def answer_of(
    runner: WorkflowRunner, *beginnings: Beginning, query_at: int | None = None
) -> RespondWorkflowTaskCompletedRequest:
    """What a fresh worker answers to the last task, after a query that saw the events up to one."""
    scripted = ScriptedServer(beginnings, query_at)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([scripted.handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        client = await Client.connect(f"127.0.0.1:{port}")
        worker = Worker(client, task_queue="any", workflows=_WORKFLOWS, workflow_runner=runner)
        if isinstance(runner, ReplayableRunner):
            runner.serve(worker)
        async with worker:
            return await scripted.answer
    finally:
        await server.stop(grace=None)


def commands(answer: RespondWorkflowTaskCompletedRequest) -> list[str]:
    """The kinds of an answer's commands."""
    return [CommandType.Name(c.command_type).removeprefix("COMMAND_TYPE_") for c in answer.commands]


def continued(
    beginning: Beginning, answer: RespondWorkflowTaskCompletedRequest
) -> list[HistoryEvent]:
    """The history that the server makes of an answer; a rejected update leaves no event."""
    events = list(beginning.events)

    def add(kind: str, **attributes: Any) -> HistoryEvent:
        events.append(event(len(events) + 1, kind, **attributes))
        return events[-1]

    task = events[-1]
    completed = add(
        "WORKFLOW_TASK_COMPLETED",
        scheduled_event_id=task.workflow_task_started_event_attributes.scheduled_event_id,
        started_event_id=task.event_id,
    )
    completed.workflow_task_completed_event_attributes.sdk_metadata.CopyFrom(answer.sdk_metadata)
    messages = {message.id: message for message in answer.messages}
    for command in answer.commands:
        match command.WhichOneof("attributes"):
            case "start_timer_command_attributes":
                add("TIMER_STARTED", timer_id=command.start_timer_command_attributes.timer_id)
            case "schedule_activity_task_command_attributes":
                activity = command.schedule_activity_task_command_attributes
                add(
                    "ACTIVITY_TASK_SCHEDULED",
                    activity_id=activity.activity_id,
                    activity_type={"name": activity.activity_type.name},
                )
            case "protocol_message_command_attributes":
                message = messages[command.protocol_message_command_attributes.message_id]
                _add_of_update(add, message)
            case other:
                raise AssertionError(other)
    return events


def _add_of_update(add: Callable[..., HistoryEvent], message: ProtocolMessage) -> None:
    acceptance, response = Acceptance(), Response()
    if message.body.Unpack(acceptance):
        accepted = add(
            "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
            protocol_instance_id=message.protocol_instance_id,
            accepted_request_message_id=acceptance.accepted_request_message_id,
            accepted_request_sequencing_event_id=acceptance.accepted_request_sequencing_event_id,
        ).workflow_execution_update_accepted_event_attributes
        accepted.accepted_request.CopyFrom(acceptance.accepted_request)
    else:
        assert message.body.Unpack(response)
        completed = add(
            "WORKFLOW_EXECUTION_UPDATE_COMPLETED"
        ).workflow_execution_update_completed_event_attributes
        completed.meta.CopyFrom(response.meta)
        completed.outcome.CopyFrom(response.outcome)


async def replays(events: list[HistoryEvent]) -> bool:
    """Whether a history can be replayed."""
    replayer = Replayer(workflows=_WORKFLOWS)
    history = WorkflowHistory(_WORKFLOW_ID, events)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    failure = result.replay_failure
    # Any other error would say nothing about the order of the events.
    assert failure is None or isinstance(failure, NondeterminismError)
    return failure is None


TOGETHER = ["SCHEDULE_ACTIVITY_TASK", "START_TIMER"]


@pytest.mark.parametrize("query_at", [None, 4, 6, 8, 9, 11])
async def test_a_query_at_any_moment_changes_no_command(query_at: int | None) -> None:
    answer = await answer_of(ReplayableRunner(), TWO_RESULTS, query_at=query_at)
    assert commands(answer) == TOGETHER
    assert await replays(continued(TWO_RESULTS, answer))


async def test_the_sdk_alone_still_splits_the_task() -> None:
    """Once this fails, the SDK has learned it, and the eviction may go."""
    answer = await answer_of(SandboxedWorkflowRunner(), TWO_RESULTS, query_at=SCHEDULED)
    assert commands(answer) == TOGETHER[::-1]
    assert not await replays(continued(TWO_RESULTS, answer))


async def test_an_update_at_a_fresh_worker_is_to_be_sent_again() -> None:
    answer = await answer_of(ReplayableRunner(), UPDATE)
    (message,) = answer.messages
    rejection = Rejection()
    assert message.body.Unpack(rejection)
    assert rejection.failure.application_failure_info.type == "SendAgain"
    assert commands(answer) == ["START_TIMER"]
    assert await replays(continued(UPDATE, answer))


@pytest.mark.parametrize("query_at", [None, 4, 6, 8, 9, 11, 12, 13, 14, 15])
async def test_a_query_before_an_update_changes_no_command(query_at: int | None) -> None:
    answer = await answer_of(ReplayableRunner(), UPDATE_AFTER_QUERY, query_at=query_at)
    assert commands(answer) == ["START_TIMER"]
    assert await replays(continued(UPDATE_AFTER_QUERY, answer))


async def test_what_was_loaded_for_a_rejected_update_is_loaded_again() -> None:
    answer = await answer_of(ReplayableRunner(), DROPPED_UPDATE, LATER_REPORT)
    assert commands(answer) == ["SCHEDULE_ACTIVITY_TASK"]
    assert await replays(continued(LATER_REPORT, answer))


async def test_no_update_is_rejected_after_a_task_without_commands() -> None:
    answer = await answer_of(ReplayableRunner(), REPORT, REFUSABLE_UPDATE)
    assert sorted(commands(answer)) == ["PROTOCOL_MESSAGE"] * 2 + ["SCHEDULE_ACTIVITY_TASK"]
    assert await replays(continued(REFUSABLE_UPDATE, answer))


async def test_the_sdk_alone_still_rejects_what_cannot_be_replayed() -> None:
    """Once this fails, the SDK has learned it, and validators may always be run."""
    answer = await answer_of(SandboxedWorkflowRunner(), REPORT, REFUSABLE_UPDATE)
    assert commands(answer) == ["SCHEDULE_ACTIVITY_TASK"]
    assert not await replays(continued(REFUSABLE_UPDATE, answer))


@pytest.fixture
def stalled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run's first step take longer than the SDK waits, as on a machine that stalls."""
    run_once = _WorkflowInstanceImpl._run_once
    stalls = [_STALL_SECONDS]

    def stalled(instance: _WorkflowInstanceImpl, **about: Any) -> None:
        if stalls and instance._ready:
            step = instance._ready.popleft()
            end = time.monotonic() + stalls.pop()
            while time.monotonic() < end:
                pass
            instance._ready.appendleft(step)
        run_once(instance, **about)

    monkeypatch.setattr(_WorkflowInstanceImpl, "_run_once", stalled)


@pytest.mark.usefixtures("stalled_once")
async def test_a_stall_keeps_neither_the_next_task_nor_the_worker_from_its_end() -> None:
    answer = await answer_of(ReplayableRunner(), TWO_RESULTS, query_at=SCHEDULED)
    assert commands(answer) == TOGETHER


async def test_the_sdk_alone_still_accepts_what_cannot_be_replayed() -> None:
    """Once this fails, the SDK has learned it, and the rejection may go."""
    answer = await answer_of(SandboxedWorkflowRunner(), UPDATE)
    assert commands(answer) == ["PROTOCOL_MESSAGE", "PROTOCOL_MESSAGE", "START_TIMER"]
    assert not await replays(continued(UPDATE, answer))
