"""Checks whether a worker is running, and reads through one."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.types import MethodAsyncSingleParam

from client.connection import explained_errors, temporal_place
from client.errors import NoWorkerError, UnreachableError
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from runtime.deployment import set_current

P = TypeVar("P")
R = TypeVar("R")

_PING_SECONDS = 2.0
# A worker answers a query within this time, unless it has to load a large execution first.
_PROMPT_SECONDS = 1.0


async def has_worker(client: Client) -> bool:
    """Whether a worker runs a workflow within two seconds.

    Temporal lists a killed worker as a poller for over a minute, so a worker is asked.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors():
        ping = await client.start_workflow(
            "PingWorkflow",
            id=f"drs-ping/{uuid4().hex[:8]}",
            task_queue=TASK_QUEUE,
            static_summary="Is a worker running?",
            execution_timeout=timedelta(seconds=_PING_SECONDS),
            rpc_timeout=timedelta(seconds=_PING_SECONDS),
        )
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await ping.result()
        except (TimeoutError, WorkflowFailureError):
            return False
    return True


async def require_worker(client: Client) -> None:
    """Raise NoWorkerError if no worker would run a new execution."""
    if idle := await idle_reason(client):
        raise idle


async def answered_by_worker(client: Client, reading: Coroutine[Any, Any, R]) -> R:
    """Await an answer that only a worker can give, such as a query's.

    Raises:
        NoWorkerError: no worker answers.
    """
    answer = asyncio.ensure_future(reading)
    try:
        await asyncio.wait([answer], timeout=_PROMPT_SECONDS)
        if not _is_settled(answer):
            idle = await idle_reason(client)
            if idle is not None and not _is_settled(answer):
                raise idle
        return await answer
    finally:
        answer.cancel()


def _is_settled(answer: asyncio.Future[Any]) -> bool:
    """Whether there is an answer, or an error that has nothing to do with workers."""
    if not answer.done():
        return False
    error = answer.exception()
    return not isinstance(error, RPCError) or error.status is RPCStatusCode.NOT_FOUND


async def read_on_worker(
    client: Client,
    workflow: MethodAsyncSingleParam[Any, P, R],
    request: P,
    *,
    workflow_id: str,
    what: str,
    timeout_seconds: float,
    follow: Callable[[WorkflowHandle[Any, R]], Coroutine[Any, Any, None]] | None = None,
) -> R:
    """Read something that only workers can, by a workflow.

    Args:
        client: Temporal's.
        workflow: the run method of the workflow.
        request: its input.
        workflow_id: the beginning of its ID.
        what: what is read.
        timeout_seconds: how long it may take.
        follow: runs meanwhile, with the workflow.

    Raises:
        UnreachableError: no worker responded.
    """
    await require_worker(client)
    async with explained_errors():
        try:
            handle = await client.start_workflow(
                workflow,
                request,
                id=f"{workflow_id}/{uuid4().hex[:8]}",
                task_queue=TASK_QUEUE,
                static_summary=what[:190],
                execution_timeout=timedelta(seconds=timeout_seconds),
            )
            following = asyncio.create_task(follow(handle)) if follow else None
            try:
                return await handle.result()
            finally:
                if following is not None:
                    following.cancel()
        except WorkflowFailureError as error:
            raise UnreachableError(f"{what} was not read: {error.cause}") from error


async def idle_reason(client: Client) -> NoWorkerError | None:
    """Why a new execution would not start now, and what to do; None if it would."""
    if await has_worker(client):
        return None
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    queue = await describe_task_queue(client, TASK_QUEUE, kind)
    versions = [each.deployment_options for each in queue.pollers]
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    is_versioned = bool(versions) and all(
        each.worker_versioning_mode == versioned for each in versions
    )
    if not is_versioned or queue.versioning_info.current_deployment_version.build_id:
        return NoWorkerError(
            f"No worker answers on task queue {TASK_QUEUE!r} ({temporal_place(client)})",
            command="Start one with `drs-waves worker`",
            request="Start a worker there",
        )
    command = set_current(versions[0].deployment_name, versions[0].build_id, client.namespace)
    return NoWorkerError(
        "Workers run, but none of their versions is current, so nothing starts",
        command=f"Run: {command}",
        request="Make one of them the current version of its deployment in Temporal",
    )


async def describe_task_queue(
    client: Client, name: str, kind: TaskQueueType.ValueType
) -> DescribeTaskQueueResponse:
    """Describe a task queue and its pollers. A killed one is listed for over a minute.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors():
        return await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=name),
                task_queue_type=kind,
            ),
            timeout=RPC_TIMEOUT,
        )
