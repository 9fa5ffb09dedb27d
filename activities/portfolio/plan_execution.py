"""Looks at the executions of a plan in Temporal, running or closed."""

import asyncio
from dataclasses import dataclass

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError, RPCStatusCode

from contract.execution import unpacked_state
from contract.identifiers import (
    EXECUTION_ID_KEY,
    EXECUTION_TYPE_KEY,
    PLAN_ID_KEY,
    STATUS_KEY,
    plan_workflow_id,
)
from contract.temporal import REPLAY_TIMEOUT, RPC_TIMEOUT
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, continue_command
from recovery.portfolio.state import PlanReport

_CLOSING_POLLS, _CLOSING_PAUSE_SECONDS = 120, 0.5
_ENDS = (PlanStatus.COMPLETED, PlanStatus.PARTIAL, PlanStatus.FAILED, PlanStatus.CANCELLED)


@dataclass(frozen=True)
class FoundExecution:
    """An execution of a plan, as Temporal knows it without a worker.

    Attributes:
        execution_type: None if it is unknown.
        status: by its search attribute.
        closed: how its workflow was closed; None while it runs.
        length: of its history, which grows with every change.
    """

    execution_id: str
    execution_type: ExecutionType | None
    run_id: str
    status: PlanStatus | None
    closed: str | None
    close_time: float | None
    start_time: float
    length: int

    @property
    def is_running(self) -> bool:
        """Whether its workflow runs."""
        return self.closed is None

    @property
    def is_closing(self) -> bool:
        """Whether it has ended, and its workflow still writes the history."""
        return self.is_running and self.status in _ENDS


async def latest_execution(client: Client, plan_id: str) -> FoundExecution | None:
    """The running or the last execution of a plan; None if Temporal has none.

    Raises:
        RPCError: Temporal did not answer.
    """
    handle = client.get_workflow_handle(plan_workflow_id(plan_id))
    try:
        return _found(await handle.describe(rpc_timeout=RPC_TIMEOUT))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def settled_execution(client: Client, plan_id: str) -> FoundExecution | None:
    """The same, once an execution that has ended has closed, which takes it half a minute.

    Raises:
        RPCError: Temporal did not answer.
    """
    for _ in range(_CLOSING_POLLS):
        found = await latest_execution(client, plan_id)
        if found is None or not found.is_closing:
            return found
        await asyncio.sleep(_CLOSING_PAUSE_SECONDS)
    return await latest_execution(client, plan_id)


async def find_execution(client: Client, execution_id: str) -> FoundExecution | None:
    """The last run of an execution, by Temporal's list of workflows, which may lag behind.

    Raises:
        RPCError: Temporal did not answer.
    """
    query = f"WorkflowType = 'RecoveryPlanWorkflow' AND {EXECUTION_ID_KEY.name} = '{execution_id}'"
    newest: WorkflowExecution | None = None
    async for each in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT):
        if newest is None or each.start_time > newest.start_time:
            newest = each
    return None if newest is None else _found(newest)


async def cancel_cleanups(client: Client, plan_id: str) -> None:
    """Cancel the clean-ups of a plan's drills, whose jobs have servers that a recovery needs.

    Raises:
        RPCError: Temporal did not answer.
    """
    query = (
        f"WorkflowType = 'DrillCleanupWorkflow' AND {PLAN_ID_KEY.name} = '{plan_id}' "
        "AND ExecutionStatus = 'Running'"
    )
    async for found in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT):
        await client.get_workflow_handle(found.id, run_id=found.run_id).cancel(
            reason="A real recovery starts", rpc_timeout=RPC_TIMEOUT
        )


def _found(described: WorkflowExecution) -> FoundExecution:
    known = described.typed_search_attributes
    kind, status = known.get(EXECUTION_TYPE_KEY), known.get(STATUS_KEY)
    state = described.status
    is_running = state in (None, WorkflowExecutionStatus.RUNNING)
    return FoundExecution(
        execution_id=known.get(EXECUTION_ID_KEY, ""),
        execution_type=ExecutionType(kind) if kind in list(ExecutionType) else None,
        run_id=described.run_id,
        status=PlanStatus(status) if status in list(PlanStatus) else None,
        closed=None if is_running or state is None else state.name,
        close_time=described.close_time.timestamp() if described.close_time else None,
        start_time=described.start_time.timestamp(),
        length=described.history_length,
    )


async def read_state(client: Client, plan_id: str, run_id: str) -> ExecutionState | str:
    """The state of a run of a plan's workflow, or why it cannot be read now."""
    handle = client.get_workflow_handle(plan_workflow_id(plan_id), run_id=run_id)
    try:
        packed: bytes = await handle.query(
            "packed_status", result_type=bytes, rpc_timeout=REPLAY_TIMEOUT
        )
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        return f"its state cannot be read: {error}"
    return unpacked_state(packed)


def ended_report(
    report: PlanReport, found: FoundExecution | None, execution_type: ExecutionType
) -> PlanReport:
    """The report of an execution whose workflow is closed, though its state may have no end.

    Args:
        report: what is known of it.
        found: its workflow; None if Temporal no longer has it.
        execution_type: of the portfolio, for what to do next.
    """
    if report.end_time is not None:
        return report
    again = f"`{continue_command(report.execution_id, execution_type)}` continues it"
    if found is None:
        text, closed, end = f"Temporal no longer has its workflow; {again}", None, None
    else:
        text = f"its workflow was {found.closed} in Temporal; {again}"
        closed, end = found.status, found.close_time
    status = closed if closed in _ENDS else PlanStatus.FAILED
    end_time = end or report.start_time or 1.0
    update = {
        "status": status,
        "status_reason": text if closed not in _ENDS else report.status_reason or str(closed),
        "end_time": end_time,
        "decisions": [],
        "decisions_due": None,
        "ready_time": None,
    }
    return report.model_copy(update=update)
