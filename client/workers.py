"""Checks whether a worker is running, and reads through one."""

from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client, WorkflowFailureError
from temporalio.types import MethodAsyncSingleParam

from client.connection import explained_errors
from client.errors import UnreachableError
from contract.rpc_limits import RPC_TIMEOUT
from contract.task_queues import TASK_QUEUE
from runtime.deployment import set_current

P = TypeVar("P")
R = TypeVar("R")


async def has_worker(client: Client) -> bool:
    """Whether a worker has polled for workflow tasks within the last minutes."""
    return bool((await _task_queue(client)).pollers)


async def require_worker(client: Client) -> None:
    """Raise UnreachableError if no worker would run a new execution."""
    if idle := await idle_reason(client):
        raise UnreachableError(idle)


async def read_on_worker(
    client: Client,
    workflow: MethodAsyncSingleParam[Any, P, R],
    request: P,
    *,
    workflow_id: str,
    what: str,
    timeout_seconds: float,
) -> R:
    """Read something that only workers can, by a workflow.

    Args:
        client: Temporal's.
        workflow: the run method of the workflow.
        request: its input.
        workflow_id: the beginning of its ID.
        what: what is read.
        timeout_seconds: how long it may take.

    Raises:
        UnreachableError: no worker responded.
    """
    await require_worker(client)
    async with explained_errors():
        try:
            return await client.execute_workflow(
                workflow,
                request,
                id=f"{workflow_id}/{uuid4().hex[:8]}",
                task_queue=TASK_QUEUE,
                static_summary=what[:190],
                execution_timeout=timedelta(seconds=timeout_seconds),
            )
        except WorkflowFailureError as error:
            raise UnreachableError(f"{what} was not read: {error.cause}") from error


async def idle_reason(client: Client) -> str | None:
    """Why a new execution would not start now, and what to do; None if it would."""
    queue = await _task_queue(client)
    if not queue.pollers:
        return (
            f"No worker serves the task queue {TASK_QUEUE!r} in namespace {client.namespace!r}. "
            "Start one with `drs-waves worker`"
        )
    versions = [each.deployment_options for each in queue.pollers]
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    if any(each.worker_versioning_mode != versioned for each in versions):
        return None
    if queue.versioning_info.current_deployment_version.build_id:
        return None
    command = set_current(versions[0].deployment_name, versions[0].build_id, client.namespace)
    return f"Workers run, but none of their versions is current, so nothing starts. Run: {command}"


async def _task_queue(client: Client) -> DescribeTaskQueueResponse:
    async with explained_errors():
        return await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=TASK_QUEUE),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            ),
            timeout=RPC_TIMEOUT,
        )
