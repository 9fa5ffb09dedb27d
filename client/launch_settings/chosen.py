"""Launch settings through the API that DRS_WAVES_API_URL names; without it, through Temporal."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from client.connection import connect_to_temporal
from client.launch_settings.settings import apply_state, read_settings, start_apply
from client.local_user import whoami
from client.recoveries.chosen import require_api_client, without_the_api
from recovery.launch_settings.report import ApplyState, ServerSettings
from recovery.plan.model import RecoveryPlan
from security.signers import RequestSigner
from settings import get_settings

# Called with how many servers are read.
OnRead = Callable[[int], None]


class LaunchSettingsAccess(Protocol):
    """What the commands of launch settings ask for, whichever way it is done.

    All methods raise RefusedError where something is refused, and UnreachableError where Temporal,
    the workers or the API do not answer.
    """

    async def read(self, plan: RecoveryPlan, on_read: OnRead) -> list[ServerSettings]:
        """What DRS and EC2 have for a plan's servers, as a worker sees it."""

    async def start(self, plan: RecoveryPlan, confirmation: str | None) -> None:
        """Start applying a plan's launch settings."""

    async def applied(self, plan_id: str) -> ApplyState:
        """How far they are applied."""


class TemporalLaunchSettings:
    """Launch settings through Temporal itself."""

    def __init__(self, signer: RequestSigner | None) -> None:
        """Create it; `signer` signs with an offline key."""
        self._signer = signer

    async def read(self, plan: RecoveryPlan, on_read: OnRead) -> list[ServerSettings]:
        """See `LaunchSettingsAccess`."""
        found: list[ServerSettings] = []
        async for some in read_settings(await connect_to_temporal(), plan):
            found += some
            on_read(len(found))
        return found

    async def start(self, plan: RecoveryPlan, confirmation: str | None) -> None:
        """See `LaunchSettingsAccess`."""
        client = await connect_to_temporal()
        await start_apply(
            client, plan, actor=whoami(), confirmation=confirmation, signer=self._signer
        )

    async def applied(self, plan_id: str) -> ApplyState:
        """See `LaunchSettingsAccess`."""
        return await apply_state(await connect_to_temporal(), plan_id)


@asynccontextmanager
async def launch_settings(
    signer: RequestSigner | None = None, *, can_sign: bool = False
) -> AsyncIterator[LaunchSettingsAccess]:
    """Launch settings, whichever way is configured; with an offline key, Temporal itself.

    Raises:
        RefusedError: the packages that the API needs are not installed.
    """
    if signer is not None or get_settings().api_url is None:
        yield TemporalLaunchSettings(signer)
        return
    require_api_client()
    # Imported here, because its packages may not be installed.
    from client.remote.launch_settings import ApiLaunchSettings  # noqa: PLC0415
    from client.remote.recoveries import api_recoveries  # noqa: PLC0415

    async with api_recoveries(get_settings(), if_lost=without_the_api(can_sign=can_sign)) as found:
        yield ApiLaunchSettings(found)
