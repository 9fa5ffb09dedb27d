"""Shows, pauses, resumes, runs, signs and revokes the schedules of drills."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from temporalio.client import (
    Client,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.access.schedule_check import freeze_windows
from activities.schedule.made_schedule import drill_of
from client.connection import explained_errors
from client.errors import ClientError, RefusedError
from client.schedules.reconcile import reconcile_schedules
from client.schedules.view import ScheduleView
from contract.identifiers import new_execution_id
from contract.schedules.drill import RunNow, ScheduledDrill
from contract.schedules.kinds import DRILL_WORKFLOW, ScheduleKind
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.access.grants import (
    DAY_SECONDS,
    AccessRefusedError,
    CleanupSubject,
    Grant,
    StartSubject,
)
from recovery.execution.state import ExecutionType
from recovery.model_file import ModelFileError
from recovery.schedule.decision import frozen_by
from recovery.schedule.record import DrillRecord, DrillStatus
from security.signers import RequestSigner
from settings import get_settings
from storage.dynamodb import TableError
from storage.schedules import ScheduleTable
from workflows.schedules.scheduled_drill import ScheduledDrillWorkflow

_DECIDED_SECONDS = 20.0
_POLL_SECONDS = 0.3
# A plan's deadline is at most 7 days; its clean-up waits for the end of its jobs.
_START_DAYS, _CLEANUP_DAYS = 8, 10
_NEXT_TIMES = 3
_DRILLS_SHOWN = 20


class UnknownScheduleError(RefusedError):
    """A plan has no schedule of drills."""


class DrillSchedules:
    """The schedules of registered plans, in Temporal, with what became of their drills."""

    def __init__(self, connect: Callable[[], Awaitable[Client]], table: ScheduleTable) -> None:
        """Use them; `connect` connects to Temporal."""
        self._connect = connect
        self._table = table

    async def list(self) -> Sequence[ScheduleView]:
        """All schedules of drills, by PlanId; Temporal may list a new one after some seconds."""
        client = await self._connect()
        async with explained_errors():
            schedules = await client.list_schedules(rpc_timeout=RPC_TIMEOUT)
            found = [each async for each in schedules]
        views = [view for each in found if (view := _listed(each)) is not None]
        lasts = await asyncio.gather(*(self._last(view.plan_id) for view in views))
        for view, last in zip(views, lasts, strict=True):
            if isinstance(last, TableError):
                view.last_error = str(last)
            else:
                view.last = last
        return sorted(views, key=lambda view: view.plan_id)

    async def show(self, plan_id: str) -> ScheduleView:
        """The schedule of a plan with its last drills.

        Raises:
            RefusedError: the plan has none.
        """
        described, drill = await self._described(plan_id)
        view = ScheduleView(
            plan_id=plan_id,
            cron=drill.cron,
            time_zone=drill.time_zone,
            is_paused=described.schedule.state.paused,
            note=described.schedule.state.note or "",
            missed=described.info.num_actions_missed_catchup_window,
        )
        if not view.is_paused:
            view.next_times = [t.timestamp() for t in described.info.next_action_times]
            view.next_times = view.next_times[:_NEXT_TIMES]
            view.frozen_times = await _frozen(self._table, drill, view.next_times)
        if (grant := _grant_of(drill)) is not None:
            view.signed_by, view.signed_until = grant.actor, grant.expires_time
        view.drills = (await self._table.drills(plan_id))[:_DRILLS_SHOWN]
        view.last = view.drills[0] if view.drills else None
        return view

    async def pause(self, plan_id: str, *, actor: str, reason: str) -> ScheduleView:
        """Start no drill until somebody resumes the schedule; a registration does not."""
        handle = await self._handle(plan_id)
        async with explained_errors():
            note = _note(f"paused by {actor}", reason)
            await handle.pause(note=note, rpc_timeout=RPC_TIMEOUT)
        return await self.show(plan_id)

    async def resume(self, plan_id: str, *, actor: str, reason: str) -> ScheduleView:
        """Start drills again."""
        handle = await self._handle(plan_id)
        async with explained_errors():
            note = _note(f"resumed by {actor}", reason)
            await handle.unpause(note=note, rpc_timeout=RPC_TIMEOUT)
        return await self.show(plan_id)

    async def run_now(
        self, plan_id: str, *, actor: str, signer: RequestSigner | None = None
    ) -> DrillRecord:
        """Have a drill of the schedule at once, unless something skips it.

        Returns:
            What was decided, or that nothing is decided yet, because no worker runs.
        """
        _, drill = await self._described(plan_id)
        now, execution_id = time.time(), new_execution_id(plan_id)
        run = RunNow(execution_id=execution_id, actor=actor, time=now)
        client = await self._connect()
        async with explained_errors():
            if signer is not None:
                await _sign(run, drill, signer)
            handle = await client.start_workflow(
                ScheduledDrillWorkflow.run,
                drill.model_copy(update={"run_now": run, "signed": None}),
                id=f"{ScheduleKind.DRILL.schedule_id(plan_id)}/{execution_id}",
                task_queue=TASK_QUEUE,
                rpc_timeout=RPC_TIMEOUT,
                static_summary=f"Scheduled drill of {plan_id}, at once"[:190],
            )
        record = DrillRecord(
            plan_id=plan_id,
            scheduled_time=now,
            start_time=now,
            execution_id=execution_id,
            started_by=actor,
            status=DrillStatus.ANNOUNCED,
            reason="No worker has decided yet whether it starts",
        )
        until = time.monotonic() + _DECIDED_SECONDS
        while record.status is DrillStatus.ANNOUNCED and time.monotonic() < until:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                async with explained_errors():
                    query = handle.query(ScheduledDrillWorkflow.status, rpc_timeout=RPC_TIMEOUT)
                    seen = await query
            except ClientError:
                continue
            record = seen if seen.status is not DrillStatus.ANNOUNCED else record
        return record

    async def sign(self, plan_id: str, *, actor: str, signer: RequestSigner | None) -> ScheduleView:
        """Sign what the schedule of the registered plan may start again.

        Raises:
            RefusedError: nothing signs here.
        """
        await self._described(plan_id)
        registered = await self._table.registered_plan(plan_id)
        if signer is None or registered is None:
            why = "nothing signs here" if registered else f"{plan_id} is not registered"
            raise RefusedError(
                f"the schedule is not signed: {why}",
                command="Use a server that signs (DRS_WAVES_SIGNING_KEY) by DRS_WAVES_API_URL",
                request="Set DRS_WAVES_SIGNING_KEY or DRS_WAVES_SIGNING_KMS_KEY of the server",
            )
        await reconcile_schedules(
            await self._connect(), registered.plan, actor=actor, signer=signer
        )
        return await self.show(plan_id)

    async def revoke(self, plan_id: str, *, actor: str, reason: str) -> ScheduleView:
        """Revoke the signature of a schedule for good, and pause it.

        Raises:
            RefusedError: it is not signed.
        """
        _, drill = await self._described(plan_id)
        grant = _grant_of(drill)
        if grant is None:
            raise RefusedError(
                f"the schedule of {plan_id} is not signed, so there is nothing to revoke",
                command=f"`drs-waves schedule pause {plan_id}` stops it",
                request="Pause it",
            )
        await self._table.revoke(plan_id, grant.nonce, actor=actor, reason=reason)
        return await self.pause(plan_id, actor=actor, reason=f"revoked: {reason}".rstrip(": "))

    async def _handle(self, plan_id: str) -> ScheduleHandle:
        await self._described(plan_id)
        client = await self._connect()
        return client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan_id))

    async def _described(self, plan_id: str) -> tuple[ScheduleDescription, ScheduledDrill]:
        client = await self._connect()
        missing = UnknownScheduleError(
            f"plan {plan_id!r} has no schedule of drills",
            command="Give the plan a Schedule and register it; `drs-waves schedule list` lists all",
            request="Register the plan with a Schedule",
        )
        async with explained_errors():
            handle = client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan_id))
            try:
                described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    raise missing from None
                raise
            drill = await drill_of(client, described.schedule)
        if drill is None:
            raise missing
        return described, drill

    async def _last(self, plan_id: str) -> DrillRecord | TableError | None:
        try:
            drills = await self._table.drills(plan_id)
        except TableError as error:
            return error
        return drills[0] if drills else None


async def _frozen(
    table: ScheduleTable, drill: ScheduledDrill, times: Sequence[float]
) -> list[float]:
    """The times at which a freeze window of the plan, or of this process, lets none start."""
    registered = await table.registered_plan(drill.plan_id)
    windows = list(registered.plan.freeze) if registered else []
    try:
        windows += freeze_windows(get_settings())
    except ModelFileError as error:
        # A worker says it when it decides.
        structlog.get_logger().warning(str(error))
    return [t for t in times if frozen_by(windows, t + drill.announce_seconds) is not None]


def _listed(each: ScheduleListDescription) -> ScheduleView | None:
    """A schedule of Temporal's list; None if it is not one of drills."""
    schedule, info = each.schedule, each.info
    if schedule is None or not each.id.startswith(ScheduleKind.DRILL.prefix):
        return None
    action = schedule.action
    if not isinstance(action, ScheduleListActionStartWorkflow) or action.workflow != DRILL_WORKFLOW:
        return None
    view = ScheduleView(
        plan_id=each.id.removeprefix(ScheduleKind.DRILL.prefix),
        cron=next((c.comment for c in schedule.spec.calendars if c.comment), ""),
        time_zone=schedule.spec.time_zone_name or "UTC",
        is_paused=schedule.state.paused,
        note=schedule.state.note or "",
    )
    if info is not None and not view.is_paused:
        view.next_times = [t.timestamp() for t in info.next_action_times[:_NEXT_TIMES]]
    return view


def _grant_of(drill: ScheduledDrill) -> Grant | None:
    try:
        return drill.signed.grant() if drill.signed is not None else None
    except AccessRefusedError:
        return None


async def _sign(run: RunNow, drill: ScheduledDrill, signer: RequestSigner) -> None:
    """Sign the start and the clean-up of one drill."""
    start = StartSubject(
        execution_id=run.execution_id,
        plan_id=drill.plan_id,
        plan_hash=drill.plan_hash,
        execution_type=ExecutionType.DRILL,
        start_time=run.time,
    )
    run.signed_start = await signer.sign(
        start, actor=run.actor, valid_seconds=_START_DAYS * DAY_SECONDS
    )
    cleanup = CleanupSubject(
        execution_id=run.execution_id,
        plan_id=drill.plan_id,
        after_seconds=drill.cleanup_seconds,
    )
    seconds = _CLEANUP_DAYS * DAY_SECONDS + drill.cleanup_seconds
    run.signed_cleanup = await signer.sign(cleanup, actor=run.actor, valid_seconds=seconds)


def _note(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
