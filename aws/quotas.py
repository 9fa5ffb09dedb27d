"""DRS's quotas of an account and Region: from our settings, from AWS, or AWS's defaults."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from aws.errors import AwsError
from aws.sessions import AwsSessions, call, pages, threads_by_target
from recovery.launch.admission import Quotas
from recovery.plan.model import Target
from settings import Settings

# Source: AWS General Reference, "Elastic Disaster Recovery endpoints and quotas".
CODES = {"jobs": "L-D88FAC3A", "servers": "L-05AFA8C6", "servers_per_job": "L-B827C881"}
# A launch waits for this call, but does not need its result.
_RESPONSE_TIMEOUT_SECONDS = 2.0
_CACHED_SECONDS = 600.0
_RETRY_SECONDS = 60.0


class _Quota(BaseModel):
    code: str = Field(alias="QuotaCode")
    value: float = Field(alias="Value", ge=1)


def configured(settings: Settings, reported: Mapping[str, int] | None = None) -> Quotas:
    """The quotas that are set, else those that AWS reports, else AWS's defaults."""
    given = {"jobs": settings.jobs_quota, "servers": settings.servers_quota}
    known = {
        **(reported or {}),
        **{name: value for name, value in given.items() if value is not None},
    }
    return Quotas.model_validate(known)


class ServiceQuotas:
    """Quotas as Service Quotas reports them; those of DRS cached for ten minutes."""

    def __init__(self, sessions: AwsSessions, settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._threads_of = threads_by_target()
        self._cached: dict[Target, tuple[float, dict[str, int]]] = {}

    async def of(self, target: Target) -> Quotas:
        """The quotas of a target; without AWS's where it does not answer within 2 s."""
        where = target.model_copy(update={"account_id": None})
        until, reported = self._cached.get(where, (0.0, {}))
        if time.monotonic() >= until:
            try:
                async with asyncio.timeout(_RESPONSE_TIMEOUT_SECONDS):
                    reported = await self._ask(where)
                until = time.monotonic() + _CACHED_SECONDS
            except (AwsError, TimeoutError):
                # Usually a missing permission. What was reported before still holds.
                until = time.monotonic() + _RETRY_SECONDS
            self._cached[where] = until, reported
        return configured(self._settings, reported)

    async def listed(self, target: Target, service_code: str) -> dict[str, int]:
        """All quotas of a service in a target, by code.

        Raises:
            AwsError: Service Quotas did not list them.
        """
        threads, operation = self._threads_of(target), "ListServiceQuotas"
        make = self._sessions.client
        client = await call(
            threads, operation, make, service="service-quotas", target=target, retries=False
        )
        found = [
            quota
            async for page in pages(threads, operation, client, ServiceCode=service_code)
            for quota in page.get("Quotas", [])
        ]
        return _by_code(found)

    async def _ask(self, target: Target) -> dict[str, int]:
        values = await self.listed(target, "drs")
        return {name: values[code] for name, code in CODES.items() if code in values}


def _by_code(answers: list[dict[str, Any]]) -> dict[str, int]:
    """The values by code; values of an unknown form are ignored."""
    values = {}
    for answer in answers:
        try:
            quota = _Quota.model_validate(answer)
        except ValidationError:
            continue
        values[quota.code] = int(quota.value)
    return values
