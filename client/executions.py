"""Finds executions in Temporal and reads their state."""

import re
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from client.connection import explained_errors
from client.errors import RefusedError
from contract.execution import ExecutionRun, unpacked_state
from contract.identifiers import (
    EXECUTION_ID_KEY,
    EXECUTION_TYPE_KEY,
    plan_id_of,
    plan_workflow_id,
)
from contract.rpc_limits import RPC_TIMEOUT
from recovery.execution.state import ExecutionState, ExecutionType
from workflows.plan.workflow import RecoveryPlanWorkflow

REQUEST_MEMO = "Request"
_EXECUTION_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True)
class RunningExecution:
    """A plan's running execution, as read from Temporal without a worker.

    Attributes:
        run_id: Temporal's run ID, which identifies this execution among those of the plan.
    """

    plan_id: str
    execution_id: str
    execution_type: ExecutionType | None
    run_id: str | None


async def find_running(client: Client, plan_id: str) -> RunningExecution | None:
    """The running execution of a plan, or None; it needs no worker.

    Raises:
        RPCError: Temporal did not respond.
    """
    handle = client.get_workflow_handle(plan_workflow_id(plan_id))
    try:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return None
    known = described.typed_search_attributes
    kind = known.get(EXECUTION_TYPE_KEY)
    return RunningExecution(
        plan_id,
        known.get(EXECUTION_ID_KEY, ""),
        ExecutionType(kind) if kind in list(ExecutionType) else None,
        described.run_id,
    )


async def require_running(client: Client, plan_id: str) -> RunningExecution:
    """The running execution of a plan.

    Raises:
        RefusedError: no execution is running.
    """
    found = await find_running(client, plan_id)
    if found is None:
        raise RefusedError(
            f"no execution of plan {plan_id!r} is running; `drs-waves plans` lists them"
        )
    return found


async def execution_state(client: Client, plan_id: str) -> ExecutionState:
    """The whole state of a plan's running execution, or of its last one.

    Raises:
        RefusedError: Temporal has no execution of this plan.
        UnreachableError: Temporal or its workers did not respond.
    """
    async with explained_errors(f"Temporal has no execution of plan {plan_id!r}"):
        handle = client.get_workflow_handle_for(RecoveryPlanWorkflow.run, plan_workflow_id(plan_id))
        packed = await handle.query(RecoveryPlanWorkflow.packed_status, rpc_timeout=RPC_TIMEOUT)
        return unpacked_state(packed)


async def list_runs(client: Client, execution_id: str | None = None) -> list[ExecutionRun]:
    """The executions that Temporal still has, the newest first; after a reset, the last run.

    Raises:
        RefusedError: the execution ID is malformed.
        UnreachableError: Temporal did not answer.
    """
    query = f"WorkflowType = 'RecoveryPlanWorkflow' AND {EXECUTION_ID_KEY.name} IS NOT NULL"
    if execution_id is not None:
        if not _EXECUTION_ID.fullmatch(execution_id):
            raise RefusedError(f"{execution_id!r} is not an execution ID")
        query += f" AND {EXECUTION_ID_KEY.name} = '{execution_id}'"
    async with explained_errors():
        listed = [each async for each in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)]
    listed.sort(key=lambda each: each.start_time, reverse=True)
    found: dict[str, ExecutionRun] = {}
    for each in listed:
        known = each.typed_search_attributes.get(EXECUTION_ID_KEY, "")
        run = ExecutionRun(execution_id=known, workflow_id=each.id, run_id=each.run_id)
        found.setdefault(known, run)
    return list(found.values())


async def request_of(client: Client, execution_id: str) -> str | None:
    """The request that an execution was started for, as passed to `start_execution`.

    Returns:
        "" if none was passed; None if Temporal does not have the execution.

    Raises:
        RefusedError: the execution ID is malformed.
        UnreachableError: Temporal did not answer.
    """
    # By its workflow first, because a new execution is not listed yet.
    workflow_id = plan_workflow_id(plan_id_of(execution_id))
    try:
        described = await describe_workflow(client, workflow_id)
    except RefusedError:
        return None
    if described.typed_search_attributes.get(EXECUTION_ID_KEY) != execution_id:
        runs = await list_runs(client, execution_id)
        if not runs:
            return None
        described = await describe_workflow(client, workflow_id, runs[0].run_id)
    return str((await described.memo()).get(REQUEST_MEMO, ""))


async def describe_workflow(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription:
    """Describe a workflow, which needs no worker.

    Raises:
        RefusedError: Temporal does not have it.
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors(f"Temporal has no workflow {workflow_id}"):
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        return await handle.describe(rpc_timeout=RPC_TIMEOUT)
