"""The readiness check of a plan."""

from temporalio.client import Client

from client.workers import read_on_worker
from contract.readiness import Readiness
from recovery.plan.model import RecoveryPlan
from workflows.reads import ReadinessWorkflow

_CHECK_SECONDS = 150.0


async def check_readiness(client: Client, plan: RecoveryPlan) -> Readiness:
    """Check a plan's servers and targets on the worker; launches nothing.

    Raises:
        UnreachableError: no worker responded.
    """
    return await read_on_worker(
        client,
        ReadinessWorkflow.run,
        plan,
        workflow_id=f"drs-readiness/{plan.plan_id}",
        what=f"Readiness of {plan.plan_name}",
        timeout_seconds=_CHECK_SECONDS,
    )
