"""Starts the workflow of a plan: the one call that does, for a client and for a portfolio."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contract.execution import StartExecution
from contract.identifiers import REQUEST_MEMO, plan_workflow_id, search_attributes
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.execution.state import PlanStatus

# A workflow task of a plan of 1,000 waves takes seconds.
_TASK_TIMEOUT = timedelta(seconds=60)


async def start_plan_workflow(
    client: Client, start: StartExecution, *, request: str | None = None
) -> None:
    """Start the workflow of a plan.

    Args:
        client: Temporal's.
        start: its input.
        request: the request, stored with it to recognize the same request again.

    Raises:
        WorkflowAlreadyStartedError: an execution of the plan is running.
        RPCError: Temporal refused, or did not answer.
    """
    plan = start.plan
    await client.start_workflow(
        "RecoveryPlanWorkflow",
        start,
        id=plan_workflow_id(plan.plan_id),
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        task_timeout=_TASK_TIMEOUT,
        rpc_timeout=RPC_TIMEOUT,
        static_summary=f"{start.execution_type} of {plan.plan_name}"[:190],
        static_details=_static_details(start),
        memo={REQUEST_MEMO: request} if request else None,
        search_attributes=search_attributes(
            plan.plan_id, start.execution_id, start.execution_type, PlanStatus.IN_PROGRESS
        ),
    )


def _static_details(start: StartExecution) -> str:
    plan = start.plan
    by = f" by portfolio {start.portfolio}" if start.portfolio else ""
    return (
        f"{start.execution_type} `{start.execution_id}` started by {start.started_by}{by}\n\n"
        f"{len(plan.waves)} waves, {plan.server_count} servers; plan hash `{plan.plan_hash[:12]}`"
    )
