"""Makes Temporal's Schedules of a plan as its registered version wants them."""

from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from activities.schedule.made_schedule import scheduled_drill
from client.connection import explained_errors
from contract.identifiers import PLAN_ID_KEY
from contract.schedules.drill import ScheduledDrill
from contract.schedules.kinds import DRILL_WORKFLOW, READINESS_WORKFLOW, ScheduleKind
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.access.grants import DAY_SECONDS, AccessRefusedError
from recovery.plan.model import RecoveryPlan
from recovery.schedule.grant import CATCH_UP_SECONDS
from recovery.time_text import read_duration
from security.signers import RequestSigner
from settings import get_settings

# A plan that nobody registers or signs again for so long is no longer drilled by itself.
GRANT_SECONDS = 400 * DAY_SECONDS


async def reconcile_schedules(
    client: Client, plan: RecoveryPlan, *, actor: str, signer: RequestSigner | None = None
) -> None:
    """Create, change or remove the Schedules of a plan, as its registered version has them.

    Doing it again changes nothing. A Schedule that somebody paused stays so. Without a signer, the
    signature of an unchanged schedule is kept.

    Args:
        client: Temporal's.
        plan: the newest registered version.
        actor: who registered it.
        signer: signs what the schedule may start; default: it is not signed.

    Raises:
        UnreachableError: Temporal did not answer, or the schedule could not be signed.
    """
    async with explained_errors():
        await _put(client, ScheduleKind.READINESS, plan.plan_id, _readiness(plan))
        drill = ScheduledDrill.of(plan, registered_by=actor, speed=get_settings().speed)
        if drill is None:
            await _remove(client, ScheduleKind.DRILL.schedule_id(plan.plan_id))
            return
        before = await scheduled_drill(client, plan.plan_id)
        if signer is not None:
            drill.signed = await signer.sign(
                drill.subject, actor=actor, valid_seconds=GRANT_SECONDS
            )
        elif before is not None and _is_signature_of(before, drill):
            drill.signed, drill.registered_by = before.signed, before.registered_by
        await _put(client, ScheduleKind.DRILL, plan.plan_id, _drill(drill))


async def remove_schedules(client: Client, plan_id: str) -> None:
    """Remove the Schedules of a plan that is no longer registered.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    async with explained_errors():
        for kind in ScheduleKind:
            await _remove(client, kind.schedule_id(plan_id))


def _is_signature_of(before: ScheduledDrill, wanted: ScheduledDrill) -> bool:
    try:
        return before.signed is not None and before.signed.grant().subject == wanted.subject
    except AccessRefusedError:
        return False


def _readiness(plan: RecoveryPlan) -> Schedule:
    # Plans with the same interval look at the same time, and share what is read.
    every = timedelta(seconds=read_duration(plan.readiness_every))
    return Schedule(
        action=_action(ScheduleKind.READINESS, READINESS_WORKFLOW, plan.plan_id, plan.plan_id),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)
        ),
    )


def _drill(drill: ScheduledDrill) -> Schedule:
    return Schedule(
        action=_action(ScheduleKind.DRILL, DRILL_WORKFLOW, drill.plan_id, drill),
        spec=ScheduleSpec(
            # Temporal keeps the comment, and turns the expression itself into something else.
            cron_expressions=[f"{drill.cron} # {drill.cron}"],
            time_zone_name=drill.time_zone,
        ),
        # Its workflow decides whether to start, and says why not; Temporal would say nothing.
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
            catchup_window=timedelta(seconds=CATCH_UP_SECONDS),
        ),
    )


def _action(
    kind: ScheduleKind, workflow: str, plan_id: str, argument: Any
) -> ScheduleActionStartWorkflow:
    return ScheduleActionStartWorkflow(
        workflow,
        argument,
        # Temporal appends the time.
        id=kind.schedule_id(plan_id),
        task_queue=TASK_QUEUE,
        typed_search_attributes=_search_attributes(plan_id),
    )


def _search_attributes(plan_id: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(PLAN_ID_KEY, plan_id)])


async def _put(client: Client, kind: ScheduleKind, plan_id: str, wanted: Schedule) -> None:
    schedule_id = kind.schedule_id(plan_id)
    try:
        await client.create_schedule(
            schedule_id,
            wanted,
            search_attributes=_search_attributes(plan_id),
            rpc_timeout=RPC_TIMEOUT,
        )
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(schedule_id)
        await _update(handle, wanted)


async def _update(handle: ScheduleHandle, wanted: Schedule) -> None:
    def as_wanted(given: ScheduleUpdateInput) -> ScheduleUpdate:
        # Somebody may have paused it.
        wanted.state = given.description.schedule.state
        return ScheduleUpdate(wanted)

    await handle.update(as_wanted, rpc_timeout=RPC_TIMEOUT)


async def _remove(client: Client, schedule_id: str) -> None:
    try:
        await client.get_schedule_handle(schedule_id).delete(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
