"""The state of one execution: at once, as events, its messages, its waves' job logs."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth.access import AuthenticatedRoute, Caller, Service
from api.auth.audited_requests import note_wrong_token
from api.auth.rate_limits import JOB_LOGS
from api.auth.tokens import EXPIRED
from api.execution_export import ExportFormat, exported
from api.hub import POLL_SECONDS, ExecutionPoller
from api.parameters import ExecutionId, WaveFilter, WaveId
from api.possible_actions import ActionList, possible_actions
from api.problems import ApiProblem
from api.service import ExecutionService
from api.views import ExecutionView, known_state, view_of
from client.overview import StepList
from client.workers import read_on_worker
from contract.job_logs import JobLogs, JobLogsRequest
from recovery.base_model import Model
from recovery.execution.state import MessageRecord
from recovery.notify.notifier_state import DeliveryRecord
from workflows.reads import JobLogWorkflow

router = APIRouter(tags=["Executions"], route_class=AuthenticatedRoute)

_JOB_LOG_SECONDS = 100.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Event `state`, with an ExecutionState as its data, at once and on every "
        "change; event `unavailable`, with the error as text, when the state cannot be read, after "
        "event `last_known_state` with a LastKnownState; event `end` when "
        "there are no more events; event `token_expired`, and the end of the stream, when the "
        "token has expired. IDs increase within one stream only.",
        # FastAPI adds the schema of an event.
        "content": {"text/event-stream": {}},
    }
}


class MessageList(Model):
    """The messages of operators to an execution, oldest first."""

    messages: list[MessageRecord]


@router.get("", summary="Get an execution")
async def execution(service: Service, caller: Caller, execution_id: ExecutionId) -> ExecutionView:
    """Return its state, its remaining time, and links to Temporal's Web UI.

    While no worker or Temporal answers, `Error` says why and the state is the last known one.
    """
    async with service.hub.execution(execution_id).subscribed() as poller:
        snapshot = await poller.fresh()
    return await view_of(service, snapshot)


@router.get("/actions", summary="List the possible actions on an execution")
async def possible(
    service: Service, caller: Caller, execution_id: ExecutionId, wave: WaveFilter = None
) -> ActionList:
    """Return each action that is possible now, with what to send and what follows from it."""
    state = await service.hub.state(execution_id)
    return await asyncio.to_thread(possible_actions, state, wave)


@router.get("/steps", summary="List the steps of an execution")
async def steps(service: Service, caller: Caller, execution_id: ExecutionId) -> StepList:
    """Return all steps with status, evidence, attempt, times, who decided, outputs and link.

    `RecordedTime` says that only the last known state could be read.
    """
    async with service.hub.execution(execution_id).subscribed() as poller:
        return StepList.of(known_state(await poller.fresh()))


@router.get(
    "/servers.csv",
    summary="Export the servers of an execution",
    response_class=PlainTextResponse,
    responses={200: {"description": "A row a server", "content": {"text/csv": {}}}},
)
async def servers_csv(service: Service, caller: Caller, execution_id: ExecutionId) -> Response:
    """Return a row a server. `OutdatedReason` says why the state is only the last known one."""
    return await export(service, execution_id, ExportFormat.CSV)


async def export(service: ExecutionService, execution_id: str, kind: ExportFormat) -> Response:
    """The state of an execution as a file.

    Raises:
        UnknownExecutionError: neither Temporal nor the history has the execution.
        UnreachableError: neither Temporal nor the history answered.
    """
    async with service.hub.execution(execution_id).subscribed() as poller:
        state = known_state(await poller.fresh())
    name = {"Content-Disposition": f'attachment; filename="{state.execution_id}.{kind}"'}
    return Response(exported(state, kind), media_type=kind.media_type, headers=name)


@router.get("/messages", summary="List the messages to an execution")
async def messages(service: Service, caller: Caller, execution_id: ExecutionId) -> MessageList:
    """Return each message with its actor and its effect, or why it was rejected."""
    return MessageList(messages=(await service.hub.state(execution_id)).messages)


class NotificationList(Model):
    """The messages about an execution that channels got, the oldest first."""

    notifications: list[DeliveryRecord]


@router.get("/notifications", summary="List what was sent about an execution")
async def notifications(
    service: Service, caller: Caller, execution_id: ExecutionId
) -> NotificationList:
    """Return each message to a channel, and whether it was delivered."""
    found = await service.history.deliveries(execution_id)
    return NotificationList(notifications=found)


async def subscribed_poller(
    service: Service, caller: Caller, execution_id: ExecutionId
) -> AsyncIterator[ExecutionPoller]:
    """The poller of an existing execution; subscribed until the response is sent.

    Raises:
        UnknownExecutionError: neither Temporal nor the history has the execution.
        UnreachableError: neither Temporal nor the history answered.
    """
    async with service.hub.execution(execution_id).subscribed() as poller:
        await poller.fresh()
        yield poller


@router.get(
    "/events",
    summary="Watch an execution",
    response_class=EventSourceResponse,
    responses=_STREAM,
)
async def events(
    request: Request,
    caller: Caller,
    poller: Annotated[ExecutionPoller, Depends(subscribed_poller)],
) -> AsyncIterator[ServerSentEvent]:
    """Send events until the execution has ended and the history has its final state."""
    number, sent = 0, 0
    while not (0 < sent == number and poller.is_settled):
        snapshot = await poller.newer_within(POLL_SECONDS, number)
        if caller.has_expired:
            note_wrong_token(EXPIRED)
            # Not `end`, which a client may take for the end of the execution.
            yield ServerSentEvent(event="token_expired", data="connect again with a new token")
            return
        if snapshot is not None:
            number = snapshot.number
            if snapshot.error:
                last = known_state(snapshot).model_dump_json()
                yield ServerSentEvent(event="last_known_state", raw_data=last, id=str(number))
                # Not `error`: a browser's EventSource uses that name for lost connections.
                yield ServerSentEvent(event="unavailable", data=snapshot.error, id=str(number))
            else:
                sent = number
                state = snapshot.value.model_dump_json()
                yield ServerSentEvent(event="state", raw_data=state, id=str(number))
        if await request.is_disconnected():
            return
    yield ServerSentEvent(event="end", data="the execution has ended and is recorded")


@router.get("/waves/{wave_id}/jobs", summary="Get the job logs of a wave")
async def jobs(
    service: Service, caller: Caller, execution_id: ExecutionId, wave_id: WaveId
) -> JobLogs:
    """Return the DRS jobs of the wave's last attempt with their logs, which a worker reads."""
    state = await service.hub.state(execution_id)
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    if wave is None:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"{execution_id} has no wave {wave_id!r}")
    if not wave.job_ids:
        return JobLogs(jobs=[])
    await service.limits.count(JOB_LOGS, caller.subject)
    target = (await service.frozen_plan(execution_id)).wave(wave_id).target
    return await read_on_worker(
        await service.client(),
        JobLogWorkflow.run,
        JobLogsRequest(target=target, job_ids=list(wave.job_ids)),
        workflow_id=f"drs-job-log/{execution_id}/{wave_id}",
        what=f"Job log of {execution_id}/{wave_id}",
        timeout_seconds=_JOB_LOG_SECONDS,
    )
