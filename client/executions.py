"""Finds executions in Temporal and reads their state; their last known one from the history."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from client.connection import explained_errors
from client.errors import RefusedError
from client.workers import answered_by_worker
from contract.execution import ExecutionRun, unpacked_state
from contract.identifiers import (
    EXECUTION_ID_KEY,
    EXECUTION_TYPE_KEY,
    PLAN_ID_KEY,
    REQUEST_MEMO,
    is_execution_id,
    plan_id_of,
    plan_workflow_id,
)
from contract.temporal import RPC_TIMEOUT
from recovery.execution.state import ExecutionState, ExecutionType, continue_command
from recovery.operator.messages import nearest
from recovery.text_format import rounded_duration, timestamp
from settings import get_settings
from storage.history import HistoryError, HistoryTable
from workflows.plan.workflow import RecoveryPlanWorkflow

_HISTORY_SECONDS = 5.0
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


async def closed_status(client: Client, plan_id: str, execution_id: str | None) -> str | None:
    """How the workflow of an execution was closed; None while it runs. It needs no worker.

    An execution whose state has no end then was closed from outside, and nothing of it proceeds.

    Raises:
        RefusedError: Temporal refused.
        UnreachableError: Temporal did not answer.
    """
    handle = client.get_workflow_handle(plan_workflow_id(plan_id))
    async with explained_errors():
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            # A malformed ID cannot be one of Temporal's.
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                return error.status.name
            raise
    if described.typed_search_attributes.get(EXECUTION_ID_KEY) != execution_id:
        # One execution of a plan runs at a time: another has started, so this one is closed.
        return "CLOSED"
    status = described.status
    return None if status in (None, WorkflowExecutionStatus.RUNNING) else status.name


async def require_running(client: Client, given: str) -> RunningExecution:
    """The running execution of a plan.

    Args:
        client: Temporal.
        given: the PlanId, or the ID of the execution.

    Raises:
        RefusedError: no execution is running, or another one of the plan is.
    """
    if found := await find_running(client, given):
        return found
    if is_execution_id(given):
        found = await find_running(client, plan_id_of(given))
        if found is not None and found.execution_id == given:
            return found
        other = f"; {found.execution_id} of the same plan is" if found else ""
        raise RefusedError(f"execution {given} is not running{other}")
    if ended := await _last_execution(client, given):
        execution_id, kind = ended
        raise RefusedError(
            f"the last execution of plan {given!r}, {execution_id}, has ended",
            command=f"`{continue_command(execution_id, kind)}` continues it",
        )
    running = await running_plan_ids(client)
    hint = f"; {nearest(given, running)}" if running else ""
    raise RefusedError(
        f"no execution of plan {given!r} is running{hint}",
        command="`drs-waves plans` lists the plans",
        request="GET /api/executions lists them",
    )


async def _last_execution(client: Client, plan_id: str) -> tuple[str, ExecutionType] | None:
    """The last execution of a plan that Temporal still has."""
    try:
        described = await describe_workflow(client, plan_workflow_id(plan_id))
    except RefusedError:
        return None
    known = described.typed_search_attributes
    kind, execution_id = known.get(EXECUTION_TYPE_KEY), known.get(EXECUTION_ID_KEY)
    return (execution_id, ExecutionType(kind)) if execution_id and kind else None


async def running_plan_ids(client: Client) -> list[str]:
    """The PlanIds of all running executions, as Temporal lists them."""
    query = "WorkflowType = 'RecoveryPlanWorkflow' AND ExecutionStatus = 'Running'"
    async with explained_errors():
        listed = client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)
        return sorted([each.typed_search_attributes.get(PLAN_ID_KEY, "") async for each in listed])


async def plan_and_execution(client: Client, given: str) -> tuple[str, str | None]:
    """The PlanId that an operator means, and the execution if its ID is given.

    Args:
        client: Temporal.
        given: a PlanId or an execution's ID. An existing plan has precedence.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    if not is_execution_id(given):
        return given, None
    try:
        await describe_workflow(client, plan_workflow_id(given))
    except RefusedError:
        return plan_id_of(given), given
    return given, None


class HistoryPosition(NamedTuple):
    """Which execution a plan's workflow ran last, and how far it has come."""

    execution_id: str
    run_id: str
    length: int
    is_closed: bool


async def history_position(client: Client, plan_id: str) -> HistoryPosition:
    """The latest run of a plan's workflow and how long its history is, as Temporal says.

    While both stay, so does the state, which needs no query then.

    Raises:
        RefusedError: Temporal has none.
        UnreachableError: Temporal did not answer.
    """
    found = await describe_workflow(client, plan_workflow_id(plan_id))
    execution_id = found.typed_search_attributes.get(EXECUTION_ID_KEY, "")
    is_closed = found.status not in (None, WorkflowExecutionStatus.RUNNING)
    return HistoryPosition(execution_id, found.run_id, found.history_length, is_closed)


async def execution_state(
    client: Client, plan_id: str, execution_id: str | None = None
) -> ExecutionState:
    """The whole state of a plan's running execution, or of its last one.

    Args:
        client: Temporal.
        plan_id: the plan.
        execution_id: exactly this execution of the plan.

    Raises:
        RefusedError: Temporal has no such execution.
        NoWorkerError: no worker answers.
        UnreachableError: Temporal or its workers did not respond.
    """
    state = await _queried_state(client, plan_id)
    if execution_id in (None, state.execution_id):
        return state
    runs = await list_runs(client, execution_id)
    if not runs:
        raise RefusedError(f"Temporal has no execution {execution_id}")
    return await _queried_state(client, plan_id, runs[0].run_id)


async def _queried_state(client: Client, plan_id: str, run_id: str | None = None) -> ExecutionState:
    async with explained_errors(f"Temporal has no execution of plan {plan_id!r}"):
        handle = client.get_workflow_handle_for(
            RecoveryPlanWorkflow.run, plan_workflow_id(plan_id), run_id=run_id
        )
        query = handle.query(RecoveryPlanWorkflow.packed_status, rpc_timeout=RPC_TIMEOUT)
        packed = await answered_by_worker(client, query)
        return unpacked_state(packed)


class LastKnownState(ExecutionState):
    """The last known state of an execution, which may have changed since.

    Attributes:
        recorded_time: of its last recorded change, or when it was last read (epoch seconds).
        outdated_reason: why nothing newer is known.
        is_closed: whether that is because Temporal no longer runs it.
    """

    recorded_time: float
    outdated_reason: str
    is_closed: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or Temporal no longer runs it."""
        return self.is_closed or super().is_over

    @classmethod
    def of(
        cls, recorded: ExecutionState, reason: str, *, is_closed: bool = False
    ) -> "LastKnownState":
        """A recorded state, and why nothing newer is known."""
        # Revisions are milliseconds.
        revision = max([recorded.revision, *(wave.revision for wave in recorded.waves)])
        recorded_time = max(recorded.start_time, revision / 1000)
        known = {
            "recorded_time": recorded_time,
            "outdated_reason": reason,
            "is_closed": is_closed,
        }
        return cls.model_validate(dict(recorded) | known)


async def last_known_state(
    client: Client, plan_id: str, reason: str, execution_id: str | None = None
) -> LastKnownState | None:
    """The recorded state of a plan's running or last execution; None if it cannot be read.

    Args:
        client: Temporal's.
        plan_id: the plan.
        reason: why nothing newer is known.
        execution_id: exactly this execution of the plan.
    """
    table = HistoryTable(get_settings())
    with suppress(HistoryError, RPCError, TimeoutError):
        async with asyncio.timeout(_HISTORY_SECONDS):
            if execution_id is None and (running := await find_running(client, plan_id)):
                execution_id = running.execution_id
            elif execution_id is None:
                newest = await table.executions(plan_id=plan_id, limit=1)
                execution_id = newest[0].execution_id if newest else None
            found = await table.execution(execution_id) if execution_id else None
        return LastKnownState.of(found[0], reason) if found else None
    return None


def last_known_text(seen_time: float, now: float) -> str:
    """Say how old a state is that is shown because nothing newer is known (epoch seconds)."""
    age = rounded_duration(max(0.0, now - seen_time))
    return f"LAST KNOWN STATE, of {timestamp(seen_time)} ({age} ago)"


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
