"""Looks at Temporal, workers, executions, the notifier and the tables. It needs none of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client, WorkflowExecutionDescription

from activities.launch.launcher_problem import LOST, pending_task_since
from client.connection import connect_to_temporal, explained_errors, require_namespace
from client.errors import ClientError, RefusedError
from client.executions import describe_workflow
from client.health import read_launch_problems
from client.readiness.reports import stale_plans
from client.schedules.missed import missed_drills
from client.workers import describe_task_queue
from contract.identifiers import EXECUTION_ID_KEY, NOTIFIER_WORKFLOW_ID
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE, TASK_QUEUES
from recovery.notify.watchdog.observation import Observation, ObservedWorkflow
from recovery.text_format import rounded_duration, shortened
from settings import Settings
from storage.dynamodb import TableError
from storage.history import HistoryTable
from storage.readiness import ReadinessTable
from workflows.notifier import NotifierWorkflow

_TEMPORAL_SECONDS = 45.0
_TABLE_SECONDS = 15.0
_STALE_EVERY_SECONDS = 300.0
_AT_ONCE = 10
# The newest ones; more at once are stuck for the same reason as these.
_MOST_WORKFLOWS = 300
_OF_EXECUTIONS = (
    "WorkflowType IN ('RecoveryPlanWorkflow', 'WaveWorkflow', 'DrillCleanupWorkflow', "
    "'HistoryRepairWorkflow', 'ScheduledDrillWorkflow') AND ExecutionStatus = 'Running'"
)
_LEASES = "WorkflowType = 'LeaseWorkflow' AND ExecutionStatus = 'Running'"
_FAILING_SECONDS = 60.0
_UNTIL_THEN = "Nothing is launched until it responds; `drs-waves history` shows what is recorded"
_STATUS_COMMAND = "`drs-waves status` shows what executions wait for"


class Observer:
    """Looks at everything that executions need."""

    def __init__(self, settings: Settings) -> None:
        self._history = HistoryTable(settings)
        self._plans = ReadinessTable(settings)
        self._stale: dict[str, float] | None = None
        self._stale_until = 0.0
        self._client: Client | None = None

    async def observe(self) -> Observation:
        """Look once. It takes at most a minute, whatever hangs."""
        seen = Observation(time=time.time())
        history, plans = self._history, self._plans
        await asyncio.gather(
            self._observe_temporal(seen),
            _observe_table(seen, history.name, history.executions(limit=1)),
            # Another table has another capacity and policy, so both are read.
            _observe_table(seen, plans.name, plans.versions("watchdog")),
            self._observe_readiness(),
        )
        seen.stale_plans = self._stale
        return seen

    async def _observe_readiness(self) -> None:
        """Which plans nobody looks at; read seldom, for it reads all plans."""
        if time.monotonic() < self._stale_until:
            return
        try:
            async with asyncio.timeout(_TABLE_SECONDS):
                self._stale = await stale_plans(self._plans)
        except (TableError, TimeoutError):
            # What keeps the table from being read is reported itself.
            self._stale = None
        else:
            self._stale_until = time.monotonic() + _STALE_EVERY_SECONDS

    async def _observe_temporal(self, seen: Observation) -> None:
        try:
            async with asyncio.timeout(_TEMPORAL_SECONDS):
                self._client = client = self._client or await connect_to_temporal()
                await require_namespace(client)
                await _observe_workers(client, seen)
                await _observe_notifier(client, seen)
                async with explained_errors():
                    seen.missed_drills = await missed_drills(client, now=seen.time)
        except RefusedError as error:
            seen.temporal = str(error)
        except ClientError as error:
            seen.temporal = f"{error.text}. {_UNTIL_THEN}"
        except TimeoutError:
            seconds = rounded_duration(_TEMPORAL_SECONDS)
            seen.temporal = f"Temporal did not answer all requests within {seconds}. {_UNTIL_THEN}"
        if seen.temporal is not None:
            self._client = None


async def _observe_table(
    seen: Observation, name: str, reading: Coroutine[Any, Any, Sequence[object]]
) -> None:
    try:
        async with asyncio.timeout(_TABLE_SECONDS):
            await reading
    except TableError as error:
        seen.tables[name] = str(error)
    except TimeoutError:
        seconds = rounded_duration(_TABLE_SECONDS)
        seen.tables[name] = f"DynamoDB did not answer a read of table {name} within {seconds}"


async def _observe_workers(client: Client, seen: Observation) -> None:
    async with explained_errors():
        leases = client.list_workflows(_LEASES, limit=_MOST_WORKFLOWS, rpc_timeout=RPC_TIMEOUT)
        seen.leases = {each.id: each.start_time.timestamp() async for each in leases}
    idle, seen.launchers = await read_launch_problems(client)
    async with explained_errors():
        running = [
            each
            async for each in client.list_workflows(
                _OF_EXECUTIONS, limit=_MOST_WORKFLOWS, rpc_timeout=RPC_TIMEOUT
            )
        ]
    if idle is not None:
        seen.worker = str(idle)
        return
    async for described in _described(client, [(each.id, each.run_id) for each in running]):
        seen.workflows.append(_observed(described))
    if running:
        queues = [each for each in TASK_QUEUES if each != TASK_QUEUE]
        kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        answers = await asyncio.gather(*(describe_task_queue(client, q, kind) for q in queues))
        pairs = zip(queues, answers, strict=True)
        seen.idle_queues = [queue for queue, answer in pairs if not answer.pollers]


async def _described(
    client: Client, workflows: Sequence[tuple[str, str]]
) -> AsyncIterator[WorkflowExecutionDescription]:
    """The workflows that still exist, a few at once."""
    for start in range(0, len(workflows), _AT_ONCE):
        some = workflows[start : start + _AT_ONCE]
        for each in await asyncio.gather(*(_description(client, *ids) for ids in some)):
            if each is not None:
                yield each


async def _description(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    try:
        return await describe_workflow(client, workflow_id, run_id)
    except RefusedError:
        return None


def _observed(described: WorkflowExecutionDescription) -> ObservedWorkflow:
    pending = described.raw_description.pending_activities
    worst = max(pending, key=lambda each: each.attempt, default=None)
    execution_id = described.typed_search_attributes.get(EXECUTION_ID_KEY)
    return ObservedWorkflow(
        name=execution_id or described.id,
        task_since=pending_task_since(described),
        task_attempts=described.raw_description.pending_workflow_task.attempt,
        activity=worst.activity_type.name if worst is not None else "",
        activity_attempts=worst.attempt if worst is not None else 0,
        activity_error=shortened(worst.last_failure.message) if worst is not None else "",
    )


async def _observe_notifier(client: Client, seen: Observation) -> None:
    """Read the notifier's state; one that never ran has nothing to send."""
    described = await _description(client, NOTIFIER_WORKFLOW_ID)
    if described is None or seen.worker is not None:
        return
    if described.status in LOST and described.status is not None:
        if seen.workflows:
            seen.notifier_problem = (
                f"The notifier is {described.status.name}, so nobody is reminded of decisions. The "
                f"next event of an execution starts it again. {_STATUS_COMMAND}"
            )
        return
    since = pending_task_since(described)
    attempts = described.raw_description.pending_workflow_task.attempt
    if since is not None and attempts > 1 and seen.time - since >= _FAILING_SECONDS:
        seen.notifier_problem = (
            f"The notifier has failed for {rounded_duration(seen.time - since)} ({attempts} "
            f"attempts), so nothing is sent. See the worker's log. {_STATUS_COMMAND}"
        )
        return
    handle = client.get_workflow_handle_for(NotifierWorkflow.run, NOTIFIER_WORKFLOW_ID)
    try:
        async with explained_errors():
            query = handle.query(NotifierWorkflow.status, rpc_timeout=RPC_TIMEOUT)
            seen.notifier = (await query).state
    except ClientError as error:
        seen.notifier_problem = (
            f"The notifier does not answer, although workers do, so nothing may be sent: "
            f"{error.text}. See the worker's log. {_STATUS_COMMAND}"
        )
