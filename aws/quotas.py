"""DRS's quotas of an account and Region: as they are set, as AWS tells them, or its defaults."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from aws.errors import AwsTrouble
from aws.sessions import AwsSessions, call, pages
from recovery.launch.admission import Quotas
from recovery.plan.model import Target
from settings import Settings

# Source: AWS General Reference, "Elastic Disaster Recovery endpoints and quotas".
CODES = {"jobs": "L-D88FAC3A", "servers": "L-05AFA8C6", "servers_a_job": "L-B827C881"}
# A launch waits for it, and can do without.
_PATIENCE_SECONDS = 2.0
_REMEMBERED_SECONDS = 600.0
_SILENT_SECONDS = 60.0


class _Quota(BaseModel):
    code: str = Field(alias="QuotaCode")
    value: float = Field(alias="Value", ge=1)


def configured(settings: Settings, told: Mapping[str, int] | None = None) -> Quotas:
    """The quotas as they are set, else as AWS told them, else AWS's defaults."""
    given = {"jobs": settings.jobs_quota, "servers": settings.servers_quota}
    known = {**(told or {}), **{name: value for name, value in given.items() if value is not None}}
    return Quotas.model_validate(known)


class ServiceQuotas:
    """What Service Quotas tells of DRS, remembered for ten minutes."""

    def __init__(self, sessions: AwsSessions, settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._told: dict[Target, tuple[float, dict[str, int]]] = {}

    async def of(self, target: Target) -> Quotas:
        """The quotas of a target; where AWS does not tell them within 2 s, without it."""
        where = target.model_copy(update={"account_id": None})
        until, told = self._told.get(where, (0.0, {}))
        if time.monotonic() >= until:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    told = await self._ask(where)
                until = time.monotonic() + _REMEMBERED_SECONDS
            except (AwsTrouble, TimeoutError):
                # Not allowed, as a rule. What was told before still holds.
                until = time.monotonic() + _SILENT_SECONDS
            self._told[where] = until, told
        return configured(self._settings, told)

    async def _ask(self, target: Target) -> dict[str, int]:
        operation = "ListServiceQuotas"
        client = await call(
            operation, self._sessions.client, service="service-quotas", target=target, retries=False
        )
        found = [
            quota
            async for page in pages(operation, client, ServiceCode="drs")
            for quota in page.get("Quotas", [])
        ]
        values = _by_code(found)
        return {name: values[code] for name, code in CODES.items() if code in values}


def _by_code(answers: list[dict[str, Any]]) -> dict[str, int]:
    """The values by code; one that is no quota as we know it is left aside."""
    values = {}
    for answer in answers:
        try:
            quota = _Quota.model_validate(answer)
        except ValidationError:
            continue
        values[quota.code] = int(quota.value)
    return values
