"""The activities around a scheduled look: which plan it is about, and what became of it."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.schedule.made_schedule import scheduled_drill
from activities.watch.running_recoveries import RunningRecoveries
from aws.targets import TargetClients
from contract.readiness import ReadinessRecord, RegisteredLook
from recovery.readiness.planned_target import looked_at
from recovery.readiness.result import PlanReadiness, next_result
from recovery.readiness.subjects.schedule import schedule_findings
from settings import Settings
from storage.dynamodb import TableError
from storage.readiness import ReadinessTable

# Looks that end at the same time each follow the one before.
_TRIES = 5


class ReadinessResultActivities:
    """Reads what to look at, and records results; they call nothing in a target."""

    def __init__(self, clients: TargetClients, settings: Settings) -> None:
        self._table = ReadinessTable(settings)
        self._recoveries = RunningRecoveries(clients)

    @activity.defn
    async def find_registered_plan(self, plan_id: str) -> RegisteredLook:
        """The registered plan of a look, and the recoveries that it must not disturb.

        Raises:
            ApplicationError: retryable; DynamoDB, Temporal or STS did not answer.
        """
        try:
            registered = await self._table.registered_plan(plan_id)
        except TableError as error:
            raise ApplicationError(str(error)) from error
        if registered is None:
            return RegisteredLook()
        targets = list(looked_at(registered.plan))
        client, plan = activity.client(), registered.plan
        recoveries = await self._recoveries.in_accounts(client, targets)
        try:
            drill = await scheduled_drill(client, plan_id) if plan.schedule else None
        except RPCError as error:
            raise ApplicationError(f"its schedule cannot be read: {error.message}") from error
        findings = list(schedule_findings(plan, drill.subject if drill else None))
        return RegisteredLook(plan=plan, recoveries=recoveries, findings=findings)

    @activity.defn
    async def record_readiness(self, record: ReadinessRecord) -> PlanReadiness:
        """Record the result of a look, once, and return it with what was known before it.

        A look that began before the one that is recorded does not replace it.

        Raises:
            ApplicationError: retryable; DynamoDB did not accept it.
        """
        found = record.readiness
        try:
            for _ in range(_TRIES):
                before = await self._table.current(record.plan_id)
                if before is not None and before.looked_time >= found.looked_time:
                    return before
                result = next_result(
                    before,
                    plan_id=record.plan_id,
                    plan_hash=found.plan_hash,
                    looked_time=found.looked_time,
                    period_seconds=record.period_seconds,
                    status=found.status,
                    findings=found.findings,
                    worst_lag=found.worst_lag,
                )
                if await self._table.record(result, found.findings, left_out=found.left_out):
                    return result
                await asyncio.sleep(0)
        except TableError as error:
            raise ApplicationError(str(error)) from error
        raise ApplicationError(f"other looks at {record.plan_id} are recorded at the same time")
