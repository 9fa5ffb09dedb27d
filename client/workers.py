"""Checks whether a worker is running."""

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client

from client.connection import explained_errors
from client.errors import UnreachableError
from contract.rpc_limits import RPC_TIMEOUT
from contract.task_queues import TASK_QUEUE
from runtime.deployment import set_current


async def has_worker(client: Client) -> bool:
    """Whether a worker has polled for workflow tasks within the last minutes."""
    return bool((await _task_queue(client)).pollers)


async def require_worker(client: Client) -> None:
    """Raise UnreachableError if no worker would run a new execution."""
    if idle := await idle_reason(client):
        raise UnreachableError(idle)


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
