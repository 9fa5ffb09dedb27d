"""Scheduled drills that Temporal was to start, and did not."""

import asyncio

from temporalio.client import Client, ScheduleListDescription

from contract.schedules.kinds import ScheduleKind
from contract.temporal import RPC_TIMEOUT
from recovery.schedule.cron import Cron
from recovery.schedule.grant import CATCH_UP_SECONDS

# Long enough to be seen, and short enough that a weekly drill is not reported for a week.
_REPORTED_SECONDS = 6 * 3600.0
_MINUTE = 60.0


async def missed_drills(client: Client, *, now: float) -> dict[str, float]:
    """When drills were to start in the last hours that Temporal can no longer start, by PlanId.

    Raises:
        RPCError: Temporal did not answer.
    """
    schedules = await client.list_schedules(rpc_timeout=RPC_TIMEOUT)
    suspected = {
        each.id: moment
        async for each in schedules
        if (moment := _not_started(each, now)) is not None
    }
    known = await asyncio.gather(*(_has_missed(client, *each) for each in suspected.items()))
    prefix = ScheduleKind.DRILL.prefix
    pairs = zip(suspected.items(), known, strict=True)
    return {each.removeprefix(prefix): moment for (each, moment), has_missed in pairs if has_missed}


def _not_started(each: ScheduleListDescription, now: float) -> float | None:
    """The last time at which a schedule started nothing although it should have."""
    schedule, info = each.schedule, each.info
    is_ours = each.id.startswith(ScheduleKind.DRILL.prefix)
    if not is_ours or schedule is None or info is None or schedule.state.paused:
        return None
    cron = next((c.comment for c in schedule.spec.calendars if c.comment), None)
    if cron is None:
        return None
    try:
        times = Cron.parse(cron, schedule.spec.time_zone_name or "UTC")
    except ValueError:
        return None
    latest = now - CATCH_UP_SECONDS - _MINUTE
    last = times.last_time(latest, latest - _REPORTED_SECONDS)
    if last is None or any(a.scheduled_at.timestamp() >= last for a in info.recent_actions):
        return None
    return last


async def _has_missed(client: Client, schedule_id: str, moment: float) -> bool:
    """Whether a schedule was as it is before a time, and Temporal says that it missed one."""
    described = await client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    info = described.info
    since = info.last_updated_at or info.created_at
    # While it was paused, it missed nothing.
    return since.timestamp() < moment and info.num_actions_missed_catchup_window > 0
