"""Looks up the servers of a plan that names tags, through a worker."""

from temporalio.client import Client

from client.errors import NoWorkerError, UnreachableError
from client.workers import read_on_worker
from contract.readiness import MembershipRequest
from recovery.plan.members import FoundServers, TaggedMembership
from recovery.plan.model import RecoveryPlan
from storage.plans import PlanTable, PlanTableError
from workflows.reads import MembershipWorkflow

_SECONDS = 90.0


async def read_membership(
    client: Client, plans: PlanTable, plan: RecoveryPlan, *, accepted: str | None = None
) -> TaggedMembership:
    """What DRS has for the tags of a plan, and what was recorded before.

    Args:
        client: Temporal's.
        plans: the plan table, read here if the worker does not answer.
        plan: the plan.
        accepted: the hash of the plan with fewer servers, which were confirmed; they are recorded.

    Raises:
        NoWorkerError: no worker runs.
        UnreachableError: Temporal did not answer.
    """
    try:
        return await read_on_worker(
            client,
            MembershipWorkflow.run,
            MembershipRequest(plan=plan, accepted=accepted),
            workflow_id=f"drs-membership/{plan.plan_id}",
            what=f"Servers by tags of {plan.plan_name}",
            timeout_seconds=_SECONDS,
        )
    except NoWorkerError:
        raise
    except UnreachableError as error:
        # A recovery has the recorded servers.
        found = FoundServers(time=0.0, errors=[error.text])
        try:
            recorded = await plans.recorded_servers(plan.plan_id)
        except PlanTableError as unread:
            return TaggedMembership(found=found, recorded_error=str(unread))
        return TaggedMembership(found=found, recorded=recorded)
