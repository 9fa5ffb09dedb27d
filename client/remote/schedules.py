"""The schedules of drills, through the API."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from client.remote.api_client import ApiClient
from client.remote.session import Session
from client.schedules.view import ScheduleView
from recovery.schedule.record import DrillRecord
from settings import Settings


@asynccontextmanager
async def api_schedules(settings: Settings, *, if_lost: str) -> AsyncIterator["ApiSchedules"]:
    """The schedules of the API that the settings name; `if_lost` is what to do without it."""
    async with Session.of(settings).api(if_lost=if_lost) as api:
        yield ApiSchedules(api)


class ApiSchedules:
    """`client.schedules.chosen.Schedules` says what each method is for."""

    def __init__(self, api: ApiClient) -> None:
        """Create it."""
        self._api = api

    async def list(self) -> Sequence[ScheduleView]:
        return [ScheduleView.model_validate(each) for each in await self._api.get("/schedules")]

    async def show(self, plan_id: str) -> ScheduleView:
        return ScheduleView.model_validate(await self._api.get(_path(plan_id)))

    async def pause(self, plan_id: str, reason: str) -> ScheduleView:
        return ScheduleView.model_validate(await self._change(plan_id, "pause", reason))

    async def resume(self, plan_id: str, reason: str) -> ScheduleView:
        return ScheduleView.model_validate(await self._change(plan_id, "resume", reason))

    async def revoke(self, plan_id: str, reason: str) -> ScheduleView:
        return ScheduleView.model_validate(await self._change(plan_id, "revoke", reason))

    async def sign(self, plan_id: str) -> ScheduleView:
        return ScheduleView.model_validate(await self._change(plan_id, "sign"))

    async def run_now(self, plan_id: str) -> DrillRecord:
        return DrillRecord.model_validate(await self._change(plan_id, "run-now"))

    async def _change(self, plan_id: str, what: str, reason: str | None = None) -> Any:
        body = None if reason is None else {"Reason": reason}
        answer, _ = await self._api.post(f"{_path(plan_id)}/{what}", body)
        return answer


def _path(plan_id: str) -> str:
    return f"/plans/{quote(plan_id, safe='')}/schedule"
