"""The workflows of a plan that are open, and what each of them waits for."""

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from contract.identifiers import PLAN_ID_KEY
from contract.temporal import RPC_TIMEOUT

_SHOWN_CHARACTERS = 300
# What says why a wave, a step or a plan waits, in the answer of the query `status`.
_STATE_KEYS = (
    "Status", "StatusReason", "WaitingFor", "StepId", "WaveId", "Reason", "DecideUntil",
    "LaunchesInDoubt", "Attempt",
)  # fmt: skip
_LAUNCHERS = "WorkflowType = 'LauncherWorkflow'"


async def open_workflow_ids(client: Client, plan_id: str) -> list[str]:
    """The IDs of the open workflows of a plan."""
    query = f"{PLAN_ID_KEY.name} = '{plan_id}' AND ExecutionStatus = 'Running'"
    return [each.id async for each in client.list_workflows(query)]


async def what_they_wait_for(client: Client, plan_id: str) -> list[str]:
    """One line or more for each open workflow of a plan, and for each launcher."""
    lines = []
    try:
        ids = await open_workflow_ids(client, plan_id)
        running = client.list_workflows(f"{_LAUNCHERS} AND ExecutionStatus = 'Running'")
        launchers = [each.id async for each in running]
        for workflow_id in [*ids, *launchers]:
            lines += await _lines_of(client, workflow_id)
    except RPCError as error:
        lines.append(f"Temporal does not say what is open: {error.message}")
    return lines


async def _lines_of(client: Client, workflow_id: str) -> list[str]:
    handle = client.get_workflow_handle(workflow_id)
    described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    lines = [f"open: {workflow_id}", *_pending(described)]
    try:
        state = await handle.query("status", rpc_timeout=RPC_TIMEOUT)
        lines.append(f"  state: {json.dumps(_why(state))}")
    except RPCError as error:
        lines.append(f"  it does not answer: {error.message}")
    except Exception as error:
        lines.append(f"  its state cannot be read: {type(error).__name__}")
    return lines


def _pending(described: WorkflowExecutionDescription) -> Iterable[str]:
    raw = described.raw_description
    for activity in raw.pending_activities:
        known = MessageToDict(activity)
        failed = str(known.get("lastFailure", {}).get("message", ""))[:_SHOWN_CHARACTERS]
        where = known.get("lastWorkerIdentity", "no worker")
        again = known.get("nextAttemptScheduleTime")
        yield (
            f"  activity {known['activityType']['name']}, {known.get('state')}, attempt "
            f"{known.get('attempt')}, {where}, next {again}: {failed}"
        )
    for child in raw.pending_children:
        yield f"  child {child.workflow_id}"
    if raw.HasField("pending_workflow_task"):
        task = raw.pending_workflow_task
        yield f"  workflow task, attempt {task.attempt}"


def _why(value: Any) -> Any:
    """The parts of a state that say why something waits, without what has ended well."""
    if isinstance(value, list):
        return [each for each in map(_why, value) if each]
    if not isinstance(value, dict):
        return value
    found = {key: value[key] for key in _STATE_KEYS if value.get(key)}
    nested = {key: _why(value[key]) for key in ("Waves", "Steps") if value.get(key)}
    return found | {key: each for key, each in nested.items() if each}
