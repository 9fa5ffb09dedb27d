"""Temporal's Schedule of a plan's drills, as it is there."""

from collections.abc import Sequence
from typing import Any

from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow
from temporalio.service import RPCError, RPCStatusCode

from contract.schedules.drill import ScheduledDrill
from contract.schedules.kinds import DRILL_WORKFLOW, ScheduleKind
from contract.temporal import RPC_TIMEOUT


async def scheduled_drill(client: Client, plan_id: str) -> ScheduledDrill | None:
    """What the Schedule of a plan's drills may start; None if there is none, or it is not ours.

    Raises:
        RPCError: Temporal did not answer.
    """
    handle = client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan_id))
    try:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await drill_of(client, described.schedule)


async def drill_of(client: Client, schedule: Schedule) -> ScheduledDrill | None:
    """What a Schedule starts; None if it is not a scheduled drill."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != DRILL_WORKFLOW:
        return None
    payloads: Sequence[Any] = action.args
    try:
        (drill,) = await client.data_converter.decode(payloads, [ScheduledDrill])
    except (RuntimeError, TypeError, ValueError):
        return None
    assert isinstance(drill, ScheduledDrill)
    return drill
