"""Has a workflow restore what a drill whose own workflow is lost has left in EC2."""

import time
from collections.abc import Iterable

from temporalio import activity
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from contract.identifiers import lease_workflow_id
from contract.launch_settings.lease import LeaseInput
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.launch_settings.lease import TemplateVersion, lease_of
from recovery.plan.model import Target

_DAY_SECONDS = 86_400.0


async def restore_if_lost(target: Target, versions: Iterable[TemplateVersion]) -> None:
    """Start the workflow of each lease that these versions show, unless it runs.

    EC2 says all that it needs.
    """
    leases = [lease for each in versions if (lease := lease_of(each)) is not None]
    for lease_id in {lease.drill.lease_id for lease in leases}:
        own = [lease for lease in leases if lease.drill.lease_id == lease_id]
        now = time.time()
        start = LeaseInput(
            target=target,
            lease_id=lease_id,
            leases=own,
            execution_ids=sorted({lease.drill.execution_id for lease in own}),
            since=now - _DAY_SECONDS,
            expires_time=now,
        )
        try:
            await activity.client().start_workflow(
                "LeaseWorkflow",
                start,
                id=lease_workflow_id(target.region, lease_id),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            # The next launch of the server tries it again.
            activity.logger.warning("The lease %s was not looked after: %s", lease_id, error)
