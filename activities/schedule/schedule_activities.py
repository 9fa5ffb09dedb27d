"""The activities of scheduled drills: they look, and record; they launch nothing."""

import time

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.access.schedule_check import freeze_windows
from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from activities.watch.running_recoveries import RunningRecoveries
from aws.targets import TargetClients
from contract.execution import ExecutionRun
from contract.identifiers import EXECUTION_ID_KEY, PLAN_ID_KEY, STATUS_KEY, plan_workflow_id
from contract.schedules.drill import DrillLook
from contract.temporal import RPC_TIMEOUT
from recovery.access.grants import AccessRefusedError
from recovery.execution.state import PlanStatus
from recovery.forecast.durations import LearnedDurations
from recovery.model_file import ModelFileError
from recovery.plan.model import RecoveryPlan
from recovery.schedule.decision import DrillEvidence
from recovery.schedule.record import DrillRecord
from settings import Settings
from storage.durations import learned_durations_in_time
from storage.dynamodb import TableError
from storage.history import HistoryTable
from storage.readiness import ReadinessTable
from storage.schedules import ScheduleTable


class ScheduleActivities:
    """The activities of scheduled drills."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        history: HistoryTable,
        verifier: RequestVerifier,
    ) -> None:
        self._settings = settings
        self._recoveries = RunningRecoveries(clients)
        self._history = history
        self._table = ScheduleTable(settings)
        self._readiness = ReadinessTable(settings)
        self._verifier = verifier

    @activity.defn
    async def look_at_drill(self, look: DrillLook) -> DrillEvidence:
        """Read what decides whether a drill starts.

        Raises:
            ApplicationError: retryable; DynamoDB, Temporal or STS did not answer.
        """
        async with heartbeating():
            try:
                registered = await self._table.registered_plan(look.drill.plan_id)
                plan = registered.plan if registered else None
                seen = DrillEvidence(plan=plan, speed=self._settings.speed)
                seen.is_recorded = bool(await self._history.entries(look.execution_id))
            except TableError as error:
                raise ApplicationError(str(error)) from error
            seen.refusal = await self._refusal(look)
            try:
                seen.freeze = freeze_windows(self._settings)
            except ModelFileError as error:
                seen.problem = str(error)
            if seen.plan is not None:
                await self._look_around(seen, seen.plan)
        return seen

    @activity.defn
    async def record_drill(self, record: DrillRecord) -> None:
        """Record what became of a drill.

        Raises:
            ApplicationError: retryable; DynamoDB did not accept it.
        """
        try:
            await self._table.record_drill(record)
        except TableError as error:
            raise ApplicationError(str(error)) from error

    @activity.defn
    async def read_outcome(self, run: ExecutionRun) -> PlanStatus:
        """How an execution ended that did not end well; FAILED also if it was closed from outside.

        Raises:
            ApplicationError: retryable; Temporal did not answer.
        """
        handle = activity.client().get_workflow_handle(run.workflow_id, run_id=run.run_id)
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            raise ApplicationError(f"{run.execution_id} cannot be read: {error.message}") from error
        status = described.typed_search_attributes.get(STATUS_KEY)
        is_cancelled = status == PlanStatus.CANCELLED
        return PlanStatus.CANCELLED if is_cancelled else PlanStatus.FAILED

    @activity.defn
    async def learned_for_drill(self, plan: RecoveryPlan) -> LearnedDurations:
        """How long the servers of a plan took before; empty if that is not known in time."""
        return await learned_durations_in_time(self._history, plan)

    async def _refusal(self, look: DrillLook) -> str | None:
        if look.drill.run_now is not None:
            # Its start is signed by itself.
            return None
        try:
            await self._verifier.require_schedule(look.drill, look.scheduled_time)
        except AccessRefusedError as error:
            return str(error)
        return None

    async def _look_around(self, seen: DrillEvidence, plan: RecoveryPlan) -> None:
        client = activity.client()
        seen.recoveries = await self._recoveries.in_accounts(client, list(plan.targets))
        seen.running = await _running_execution(client, plan.plan_id)
        seen.open_cleanups = await _open_cleanups(client, plan.plan_id)
        try:
            known = await self._readiness.current(plan.plan_id)
        except TableError as error:
            raise ApplicationError(str(error)) from error
        seen.readiness = known and known.at(time.time(), plan.plan_hash)


async def _running_execution(client: Client, plan_id: str) -> str | None:
    try:
        handle = client.get_workflow_handle(plan_workflow_id(plan_id))
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise ApplicationError(f"{plan_id} cannot be looked up: {error.message}") from error
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return None
    return described.typed_search_attributes.get(EXECUTION_ID_KEY) or plan_id


async def _open_cleanups(client: Client, plan_id: str) -> list[str]:
    query = (
        f"WorkflowType = 'DrillCleanupWorkflow' AND {PLAN_ID_KEY.name} = '{plan_id}' "
        "AND ExecutionStatus = 'Running'"
    )
    try:
        found = client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)
        return [e.typed_search_attributes.get(EXECUTION_ID_KEY) or e.id async for e in found]
    except RPCError as error:
        raise ApplicationError(f"Clean-ups cannot be listed: {error.message}") from error
