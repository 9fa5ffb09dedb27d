"""Starts the workflow of a plan: the one call that does, for a client and for a portfolio."""

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contract.execution import StartExecution
from contract.identifiers import (
    REQUEST_MEMO,
    TARGETS_MEMO,
    plan_workflow_id,
    search_attributes,
)
from contract.temporal import PLAN_PRIORITY, PLAN_TASK_TIMEOUT, RPC_TIMEOUT, TASK_QUEUE
from recovery.execution.state import PlanStatus


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
    plan_id = start.plan.plan_id
    await client.start_workflow(
        "RecoveryPlanWorkflow",
        start,
        id=plan_workflow_id(plan_id),
        task_queue=TASK_QUEUE,
        priority=PLAN_PRIORITY,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        task_timeout=PLAN_TASK_TIMEOUT,
        rpc_timeout=RPC_TIMEOUT,
        static_summary=start.summary,
        static_details=start.details,
        memo={TARGETS_MEMO: start.targets_memo} | ({REQUEST_MEMO: request} if request else {}),
        search_attributes=search_attributes(
            plan_id, start.execution_id, start.execution_type, PlanStatus.IN_PROGRESS
        ),
    )
