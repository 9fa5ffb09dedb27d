"""Executions on Temporal itself, with the history and the plans in DynamoDB."""

import asyncio
from contextlib import suppress

from temporalio.client import Client

from client.cleanup import followed_cleanup, schedule_cleanup, start_cleanup
from client.connection import configured_place, connect_to_temporal, is_temporal_configured
from client.decisions.inbox import Inbox
from client.decisions.inbox_reader import InboxReader
from client.errors import NoWorkerError, RefusedError
from client.executions import (
    LastKnownState,
    RunningExecution,
    closed_status,
    execution_state,
    find_running,
    last_known_state,
    plan_and_execution,
    require_running,
    running_plan_ids,
)
from client.health import LaunchHealth, launch_problems
from client.local_user import whoami
from client.overview import ExecutionRow, Overview, overview, running_executions
from client.portfolios.order import Portfolios
from client.portfolios.temporal import TemporalPortfolios
from client.readiness.check import check_readiness
from client.readiness.reports import look_now, readiness_report, readiness_rows
from client.recoveries.coverage import read_coverage
from client.recoveries.membership import read_membership
from client.recoveries.protocol import StartedExecution, StartOrder
from client.recoveries.reports import RecordedReports
from client.recoveries.snapshots import OnProgress, read_snapshots
from client.recoveries.step_revert import revert_step, with_reverts
from client.schedules.registration import apply_registration, apply_removal
from client.start import replace_drill, require_targets, running_drill, start_execution
from client.steering import cancel, send
from client.takeover import (
    PreviousExecution,
    previous_execution,
    recorded_execution,
    refuse_while_running,
)
from client.workers import idle_reason
from contract.cleanup import StartCleanup
from contract.identifiers import is_execution_id
from contract.readiness import PlanSnapshots, Readiness
from contract.steps import StartRevert
from recovery.coverage.gaps import Coverage
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.operator.confirmation import IntendedStart
from recovery.operator.messages import OperatorMessage, nearest
from recovery.plan.members import RecordedServers, TaggedMembership
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import PlanOrigin
from recovery.readiness.report import ReadinessReport, ReadinessRow
from recovery.steps.replaced import RevertView
from security.signers import RequestSigner
from settings import get_settings
from storage.durations import learned_durations_in_time
from storage.history import HistoryError, HistoryTable
from storage.plans import NewerVersionError, PlanTable, PlanVersion, RegisteredPlan
from storage.readiness import ReadinessTable

_KNOWN = 200
_HISTORY_SECONDS = 2.0


class TemporalRecoveries:
    """`Recoveries` says what each method is for; Temporal is connected to when first needed."""

    def __init__(self, client: Client | None = None, signer: RequestSigner | None = None) -> None:
        """Create it.

        Args:
            client: Temporal's; default: the configured one.
            signer: signs starts, messages and clean-ups; default: they are not signed.
        """
        self._client = client
        self._signer = signer
        self._table = HistoryTable(get_settings())
        # It remembers the states that it has read.
        self._inbox = InboxReader(self._connected, self._table, LaunchHealth())

    @property
    def place(self) -> str:
        return configured_place()

    @property
    def portfolios(self) -> Portfolios:
        return TemporalPortfolios(self._connected, self._signer)

    @property
    def is_configured(self) -> bool:
        return is_temporal_configured()

    @property
    def reports(self) -> RecordedReports:
        return RecordedReports.of(get_settings())

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect_to_temporal()
        return self._client

    async def find_running(self, plan_id: str) -> RunningExecution | None:
        return await find_running(await self._connected(), plan_id)

    async def require_running(self, given: str) -> RunningExecution:
        return await require_running(await self._connected(), given)

    async def plan_and_execution(self, given: str) -> tuple[str, str | None]:
        return await plan_and_execution(await self._connected(), given)

    async def recorded_id(self, given: str) -> str:
        table = self._table
        if is_execution_id(given) and await table.entries(given):
            return given
        if of_plan := await table.executions(plan_id=given, limit=1):
            return of_plan[0].execution_id
        recorded = await table.executions(limit=_KNOWN)
        known = [e.execution_id if is_execution_id(given) else e.plan_id for e in recorded]
        hint = f"; {nearest(given, list(dict.fromkeys(known)))}" if known else ""
        raise RefusedError(
            f"the history table {table.name} has no execution {given!r}{hint}",
            command="`drs-waves executions` lists them",
        )

    async def known_plan_ids(self) -> list[str]:
        found = set(await running_plan_ids(await self._connected()))
        with suppress(HistoryError, TimeoutError):
            async with asyncio.timeout(_HISTORY_SECONDS):
                recorded = await self._table.executions(limit=_KNOWN)
                found |= {each.plan_id for each in recorded}
        return sorted(found)

    async def state(self, plan_id: str, execution_id: str | None = None) -> ExecutionState:
        state = await execution_state(await self._connected(), plan_id, execution_id)
        return await with_reverts(self._table, state)

    async def last_known(
        self, plan_id: str, reason: str, execution_id: str | None = None
    ) -> LastKnownState | None:
        return await last_known_state(await self._connected(), plan_id, reason, execution_id)

    async def recorded(self, execution_id: str) -> ExecutionState:
        return (await recorded_execution(execution_id))[0]

    async def deliveries(self, execution_id: str) -> list[DeliveryRecord]:
        return await self._table.deliveries(execution_id)

    async def closed_status(self, plan_id: str, execution_id: str | None) -> str | None:
        return await closed_status(await self._connected(), plan_id, execution_id)

    async def running_executions(self) -> list[ExecutionRow]:
        return await running_executions(self._connected)

    async def decisions(self) -> Inbox:
        return (await self._inbox.read()).inbox

    async def recorded_executions(self, plan_id: str | None, limit: int) -> list[ExecutionState]:
        return await self._table.executions(plan_id=plan_id, limit=limit)

    async def executions(
        self, *, plan_id: str | None = None, state: PlanStatus | None = None, limit: int
    ) -> Overview:
        return await overview(
            self._table,
            self._connected,
            health=LaunchHealth(),
            plan_id=plan_id,
            state=state,
            limit=limit,
        )

    async def registered(self) -> list[PlanVersion]:
        return await PlanTable(get_settings()).latest()

    async def registered_plan(self, plan_id: str) -> RegisteredPlan | None:
        return await PlanTable(get_settings()).plan(plan_id)

    async def register(
        self, plan: RecoveryPlan, *, after: int | None = None, origin: PlanOrigin | None = None
    ) -> tuple[PlanVersion, bool]:
        table, author = PlanTable(get_settings()), whoami()
        try:
            registered = await table.register(plan, author=author, after=after, origin=origin)
        except NewerVersionError as error:
            raise RefusedError(f"{plan.plan_id} was not registered: {error}") from error
        await apply_registration(self._connected, plan, actor=author, signer=self._signer)
        return registered

    async def remove_plan(self, plan_id: str, *, after: int) -> PlanVersion:
        table = PlanTable(get_settings())
        if (known := await table.plan(plan_id)) is None:
            raise RefusedError(f"there is no registered plan {plan_id!r}")
        await apply_removal(self._connected, known.plan)
        try:
            return await table.remove(plan_id, by=whoami(), after=after)
        except NewerVersionError as error:
            raise RefusedError(f"{plan_id} was not removed: {error}") from error

    async def idle_reason(self) -> NoWorkerError | None:
        return await idle_reason(await self._connected())

    async def launch_problems(self) -> list[str]:
        return await launch_problems(await self._connected())

    async def require_startable(self, intended: IntendedStart) -> None:
        client = await self._connected()
        await require_targets(client, intended)
        await running_drill(client, intended.plan_id, replaces_drill=intended.replaces_drill)

    async def check_readiness(self, plan: RecoveryPlan) -> Readiness:
        return await check_readiness(await self._connected(), plan)

    async def coverage(self) -> Coverage:
        return await read_coverage(await self._connected())

    async def readiness_rows(self) -> list[ReadinessRow]:
        return await readiness_rows(ReadinessTable(get_settings()))

    async def readiness_report(self, plan_id: str, *, is_fresh: bool) -> ReadinessReport:
        table = ReadinessTable(get_settings())
        if is_fresh:
            return await look_now(await self._connected(), table, plan_id)
        return await readiness_report(table, plan_id)

    async def snapshots(
        self,
        plan: RecoveryPlan,
        around: float | None,
        *,
        on_progress: OnProgress | None = None,
    ) -> PlanSnapshots:
        return await read_snapshots(await self._connected(), plan, around, on_progress=on_progress)

    async def membership(
        self, plan: RecoveryPlan, *, accepted: str | None = None
    ) -> TaggedMembership:
        client, plans = await self._connected(), PlanTable(get_settings())
        return await read_membership(client, plans, plan, accepted=accepted)

    async def recorded_servers(self, plan_id: str) -> RecordedServers | None:
        return await PlanTable(get_settings()).recorded_servers(plan_id)

    async def previous(
        self,
        execution_id: str,
        corrected: RecoveryPlan | None,
        execution_type: ExecutionType,
        *,
        replace_drill: bool = False,
    ) -> PreviousExecution:
        return await previous_execution(
            execution_id, corrected, execution_type, replace_drill=replace_drill
        )

    async def start(self, order: StartOrder) -> StartedExecution:
        client, plan_id = await self._connected(), order.plan.plan_id
        idle = await idle_reason(client)
        if order.intended.replaces_drill:
            await replace_drill(client, plan_id)
        execution_id = await start_execution(
            client,
            order.plan,
            execution_type=order.intended.execution_type,
            confirmation=order.confirmation,
            relaunch=order.intended.relaunch,
            declared=order.declared or (order.previous.declared if order.previous else None),
            takeover=order.previous.takeover if order.previous else None,
            learned=await learned_durations_in_time(self._table, order.plan),
            accepted=order.accepted,
            signer=self._signer,
        )
        started = StartedExecution(
            execution_id=execution_id,
            plan_id=plan_id,
            temporal=self.place,
            is_new=True,
            is_queued=idle is not None,
        )
        if order.cleanup_after is not None:
            error = await schedule_cleanup(
                client,
                execution_id,
                actor=whoami(),
                after_seconds=order.cleanup_after / get_settings().speed,
                signer=self._signer,
            )
            started.is_cleanup_scheduled = error is None
            if error is not None:
                started.warnings.append(f"its clean-up could not be scheduled: {error}")
        if idle is not None:
            started.warnings.append(f"it has not started yet. {idle}")
        return started

    async def send(
        self, running: RunningExecution, message: OperatorMessage, *, actor: str | None = None
    ) -> str | None:
        client = await self._connected()
        return await send(client, running, message, actor=actor or whoami(), signer=self._signer)

    async def cancel(
        self,
        running: RunningExecution,
        *,
        reason: str,
        confirmation: str | None,
        actor: str | None = None,
    ) -> str | None:
        """See `Recoveries`; Temporal needs no confirmation."""
        client = await self._connected()
        return await cancel(client, running, actor=actor or whoami(), reason=reason)

    async def start_cleanup(self, state: ExecutionState, confirmation: str | None) -> None:
        client, plan_id = await self._connected(), state.plan_id
        remedy = f"cancel it first (drs-waves cancel {plan_id}), or wait for its end"
        await refuse_while_running(client, state, remedy)
        start = StartCleanup(
            execution_id=state.execution_id,
            plan_id=plan_id,
            actor=whoami(),
            confirmation=confirmation,
        )
        await start_cleanup(client, start, signer=self._signer)

    async def look_at_step(self, state: ExecutionState, step: str) -> RevertView:
        """See `Recoveries`."""
        start = StartRevert(
            execution_id=state.execution_id, plan_id=state.plan_id, step=step, actor=whoami()
        )
        return (await revert_step(await self._connected(), start)).view

    async def put_back(
        self,
        state: ExecutionState,
        step: str,
        view: RevertView,
        *,
        confirmation: str,
        is_forced: bool,
    ) -> str:
        """See `Recoveries`."""
        start = StartRevert(
            execution_id=state.execution_id,
            plan_id=state.plan_id,
            step=step,
            actor=whoami(),
            view=view,
            confirmation=confirmation,
            is_forced=is_forced,
        )
        return (await revert_step(await self._connected(), start, signer=self._signer)).text

    async def cleanup_state(self, execution_id: str) -> CleanupState:
        return await followed_cleanup(await self._connected(), execution_id)
