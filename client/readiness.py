"""The readiness check of a plan."""

from datetime import timedelta
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError

from client.connection import explained_errors
from client.errors import UnreachableError
from client.workers import require_worker
from contract.readiness import Readiness
from contract.task_queues import TASK_QUEUE
from recovery.plan.model import RecoveryPlan
from workflows.readiness import ReadinessWorkflow

_CHECK_TIMEOUT = timedelta(seconds=150)


async def check_readiness(client: Client, plan: RecoveryPlan) -> Readiness:
    """Check a plan's servers and targets on the worker; launches nothing.

    Raises:
        UnreachableError: no worker responded.
    """
    await require_worker(client)
    async with explained_errors():
        try:
            return await client.execute_workflow(
                ReadinessWorkflow.run,
                plan,
                id=f"drs-readiness/{plan.plan_id}/{uuid4().hex[:8]}",
                task_queue=TASK_QUEUE,
                static_summary=f"Readiness of {plan.plan_name}"[:190],
                execution_timeout=_CHECK_TIMEOUT,
            )
        except WorkflowFailureError as error:
            raise UnreachableError(f"The check did not end: {error.cause}") from error
