"""Launch settings through the API."""

from uuid import uuid4

from client.launch_settings.chosen import OnRead
from client.remote.recoveries import ApiRecoveries, as_file
from recovery.launch_settings.report import ApplyState, ServerSettings
from recovery.plan.model import RecoveryPlan

# DRS answers one server a call, of which it may slow some down.
_SECONDS_PER_SERVER = 1.0


class ApiLaunchSettings:
    """`LaunchSettingsAccess` says what each method is for."""

    def __init__(self, recoveries: ApiRecoveries) -> None:
        """Create it."""
        self._recoveries = recoveries
        self._api = recoveries.api

    async def read(self, plan: RecoveryPlan, on_read: OnRead) -> list[ServerSettings]:
        """See `LaunchSettingsAccess`; the API reports no progress."""
        found, _ = await self._api.post(
            "/plans/launch-settings",
            as_file(plan),
            seconds=_SECONDS_PER_SERVER * plan.server_count,
        )
        on_read(plan.server_count)
        return [ServerSettings.model_validate(each) for each in found["Servers"]]

    async def start(self, plan: RecoveryPlan, confirmation: str | None) -> None:
        """See `LaunchSettingsAccess`; the plan is registered first, unless a version is it."""
        version = await self._recoveries.version_of(plan)
        await self._api.post(
            f"/plans/{plan.plan_id}/launch-settings",
            {"Version": version, "Confirmation": confirmation},
            key=uuid4().hex,
        )

    async def applied(self, plan_id: str) -> ApplyState:
        """See `LaunchSettingsAccess`."""
        found = await self._api.get(f"/plans/{plan_id}/launch-settings/applied")
        return ApplyState.model_validate(found)
