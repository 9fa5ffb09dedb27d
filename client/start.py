"""Starts executions of plans."""

import asyncio
import time
from collections.abc import Collection, Sequence

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.portfolio.plan_start import start_plan_workflow
from client.cleanup import cancel_cleanups
from client.connection import explained_errors
from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import (
    RunningExecution,
    describe_workflow,
    execution_state,
    find_running,
)
from client.local_user import whoami
from client.workers import idle_reason
from contract.execution import StartExecution, Takeover
from contract.identifiers import new_execution_id, plan_workflow_id
from contract.temporal import RPC_TIMEOUT
from recovery.access.grants import DAY_SECONDS
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.operator.confirmation import IntendedStart
from recovery.plan.model import RecoveryPlan
from security.signers import RequestSigner
from workflows.plan.workflow import RECORD_TIMEOUT_SECONDS

# Running waves confirm a cancellation within a minute; then the history is completed.
_DRILL_END_SECONDS = 90.0 + RECORD_TIMEOUT_SECONDS
_DRILL_POLL_SECONDS = 0.5


async def start_execution(
    client: Client,
    plan: RecoveryPlan,
    *,
    execution_type: ExecutionType = ExecutionType.DRILL,
    confirmation: str | None = None,
    relaunch: Collection[str] = (),
    declared: float | None = None,
    takeover: Takeover | None = None,
    learned: LearnedDurations | None = None,
    started_by: str | None = None,
    execution_id: str | None = None,
    request: str | None = None,
    signer: RequestSigner | None = None,
    accepted: Sequence[str] = (),
) -> str:
    """Start an execution of a plan.

    Args:
        client: Temporal's.
        plan: the frozen plan.
        execution_type: a drill or a recovery.
        confirmation: the PlanId, typed; a recovery is refused without it.
        relaunch: servers that may lose a live recovery instance.
        declared: when the disaster or the exercise was declared (epoch seconds).
        takeover: an earlier execution whose servers are taken over.
        learned: the learned durations of servers.
        started_by: the starter; default: this user on this machine.
        execution_id: its ID, from `new_execution_id`; default: a new one.
        request: the request, stored with it to recognize the same request again.
        signer: signs the start; default: it is not signed.
        accepted: the findings that somebody accepted for a drill, named.

    Returns:
        The execution's ID.

    Raises:
        RefusedError: the plan is already running, or Temporal refused the start.
        UnreachableError: Temporal did not answer.
    """
    execution_id = execution_id or new_execution_id(plan.plan_id)
    start = StartExecution(
        execution_id=execution_id,
        plan=plan,
        execution_type=execution_type,
        started_by=started_by or whoami(),
        start_time=time.time(),
        declared_time=declared,
        confirmation=confirmation,
        relaunch=list(relaunch),
        takeover=takeover,
        learned=learned or LearnedDurations(),
        accepted_findings=list(accepted),
    )
    try:
        async with explained_errors():
            if signer is not None:
                valid = plan.deadline_seconds + DAY_SECONDS
                start.signed = await signer.sign(
                    start.subject, actor=start.started_by, valid_seconds=valid
                )
            await start_plan_workflow(client, start, request=request)
    except WorkflowAlreadyStartedError as error:
        raise await already_running(client, plan.plan_id) from error
    return execution_id


async def require_targets(client: Client, start: IntendedStart) -> None:
    """Refuse a start whose confirmation shows the targets while no worker can show them.

    Raises:
        NoWorkerError: no worker runs; nothing was started.
        UnreachableError: Temporal did not answer.
    """
    if start.shows_targets and (idle := await idle_reason(client)):
        refused = NoWorkerError(f"nothing was started: {idle}")
        refused.for_api = f"nothing was started: {idle.for_api}"
        raise refused


async def already_running(client: Client, plan_id: str) -> RefusedError:
    """The error for the start of a plan that is running."""
    try:
        running = await execution_state(client, plan_id)
    except (RefusedError, UnreachableError):
        running = None
    return already_running_error(plan_id, running)


def already_running_error(plan_id: str, running: ExecutionState | None) -> RefusedError:
    """The error for the start of a plan that is running; `running` is its state, if known."""
    watch = f"Watch it with `drs-waves watch {plan_id}`"
    one = "one execution of a plan runs at a time"
    if running is None:
        text = f"nothing was started: {plan_id} is already running; {one}"
        return RefusedError(text, command=watch)
    what = f"{plan_id} is already running ({running.execution_type} {running.execution_id})"
    if running.end_time is not None:
        return RefusedError(
            f"nothing was started: {what}: it ended {running.status} and its workflow closes "
            f"within {RECORD_TIMEOUT_SECONDS:g} s; start it again then",
            running=running.execution_id,
        )
    request = f"Its state is /api/executions/{running.execution_id}"
    if running.execution_type is ExecutionType.DRILL:
        watch += ". A real recovery replaces it with `--recovery --replace-drill`"
        request += '. A real recovery replaces it with "ReplaceDrill": true'
    return RefusedError(
        f"nothing was started: {what}; {one}",
        command=watch,
        request=request,
        running=running.execution_id,
    )


async def running_drill(
    client: Client, plan_id: str, *, replaces_drill: bool
) -> RunningExecution | None:
    """The running drill of a plan that a start replaces; None if nothing runs.

    Raises:
        RefusedError: an execution runs that the start does not replace. Temporal would refuse the
            start too, but only after the operator has confirmed it.
    """
    running = await find_running(client, plan_id)
    drill = running is not None and running.execution_type is ExecutionType.DRILL
    if running is not None and not (replaces_drill and drill):
        raise await already_running(client, plan_id)
    return running


async def replace_drill(client: Client, plan_id: str) -> bool:
    """Cancel the running drill of a plan and its pending clean-up, and await the end.

    Returns:
        Whether there was one.

    Raises:
        RefusedError: a real recovery is running, or the drill does not end.
        UnreachableError: Temporal did not answer.
    """
    workflow_id = plan_workflow_id(plan_id)
    run_id = await _running_run(client, workflow_id)
    running = None if run_id is None else await execution_state(client, plan_id)
    await cancel_cleanups(client, plan_id)
    if running is None:
        return False
    if running.execution_type is ExecutionType.RECOVERY and running.end_time is None:
        raise RefusedError(
            f"a real recovery of {plan_id} is running; a recovery replaces drills only",
            command=f"Watch it with `drs-waves watch {plan_id}`",
        )
    await cancel_drill(client, workflow_id, run_id, f"The drill of {plan_id}")
    return True


async def cancel_drill(client: Client, workflow_id: str, run_id: str | None, name: str) -> None:
    """Cancel a drill, of one plan or of a portfolio, for a real recovery; await its end.

    Raises:
        RefusedError: it does not end.
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors():
        await client.get_workflow_handle(workflow_id, run_id=run_id).cancel(
            reason="Replaced by a real recovery", rpc_timeout=RPC_TIMEOUT
        )
    deadline = asyncio.get_running_loop().time() + _DRILL_END_SECONDS
    while await _running_run(client, workflow_id, run_id) is not None:
        if asyncio.get_running_loop().time() > deadline:
            raise RefusedError(
                f"{name} was asked to stop but still runs after "
                f"{_DRILL_END_SECONDS:g} s. Is a worker running? Try again once it has ended"
            )
        await asyncio.sleep(_DRILL_POLL_SECONDS)


async def _running_run(client: Client, workflow_id: str, run_id: str | None = None) -> str | None:
    """The run ID of a workflow, or of this run; None if it is not running."""
    try:
        described = await describe_workflow(client, workflow_id, run_id)
    except RefusedError:
        return None
    return described.run_id if described.status is WorkflowExecutionStatus.RUNNING else None
