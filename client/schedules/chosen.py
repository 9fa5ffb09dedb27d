"""The schedules of drills, through the API that DRS_WAVES_API_URL names, or of Temporal itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from client.connection import connect_to_temporal
from client.local_user import whoami
from client.recoveries.chosen import require_api_client, without_the_api
from client.schedules.drill_schedules import DrillSchedules
from client.schedules.view import ScheduleView
from recovery.schedule.record import DrillRecord
from settings import get_settings
from storage.schedules import ScheduleTable


class Schedules(Protocol):
    """What commands ask for; `DrillSchedules` says what each method is for."""

    async def list(self) -> Sequence[ScheduleView]: ...

    async def show(self, plan_id: str) -> ScheduleView: ...

    async def pause(self, plan_id: str, reason: str) -> ScheduleView: ...

    async def resume(self, plan_id: str, reason: str) -> ScheduleView: ...

    async def revoke(self, plan_id: str, reason: str) -> ScheduleView: ...

    async def sign(self, plan_id: str) -> ScheduleView: ...

    async def run_now(self, plan_id: str) -> DrillRecord: ...


class LocalSchedules:
    """Those of Temporal itself, for this user; nothing is signed."""

    def __init__(self, schedules: DrillSchedules) -> None:
        """Use them."""
        self._schedules = schedules

    async def list(self) -> Sequence[ScheduleView]:
        return await self._schedules.list()

    async def show(self, plan_id: str) -> ScheduleView:
        return await self._schedules.show(plan_id)

    async def pause(self, plan_id: str, reason: str) -> ScheduleView:
        return await self._schedules.pause(plan_id, actor=whoami(), reason=reason)

    async def resume(self, plan_id: str, reason: str) -> ScheduleView:
        return await self._schedules.resume(plan_id, actor=whoami(), reason=reason)

    async def revoke(self, plan_id: str, reason: str) -> ScheduleView:
        return await self._schedules.revoke(plan_id, actor=whoami(), reason=reason)

    async def sign(self, plan_id: str) -> ScheduleView:
        return await self._schedules.sign(plan_id, actor=whoami(), signer=None)

    async def run_now(self, plan_id: str) -> DrillRecord:
        return await self._schedules.run_now(plan_id, actor=whoami())


@asynccontextmanager
async def schedules() -> AsyncIterator[Schedules]:
    """The schedules of the API, or without DRS_WAVES_API_URL of Temporal.

    Raises:
        RefusedError: the packages that the API needs are not installed.
    """
    settings = get_settings()
    if settings.api_url is None:
        yield LocalSchedules(DrillSchedules(connect_to_temporal, ScheduleTable(settings)))
        return
    require_api_client()
    # Imported here, because a worker does not need its packages, and commands start sooner.
    from client.remote.schedules import api_schedules  # noqa: PLC0415

    async with api_schedules(settings, if_lost=without_the_api(can_sign=False)) as found:
        yield found
