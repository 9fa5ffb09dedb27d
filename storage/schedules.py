"""Scheduled drills in the table of plans: what became of each, and which signatures are revoked.

Items of a plan: `DRILL#<scheduled time>` and `REVOKED#<nonce>`.
"""

import time

from pydantic import ValidationError

from aws.errors import AwsError
from recovery.base_model import Model
from recovery.schedule.record import DrillRecord
from recovery.text_format import timestamp
from storage.dynamodb import plain_item, read_item
from storage.plans import PlanTable

_DRILL = "DRILL"
_REVOKED = "REVOKED"


class Revocation(Model):
    """A signature of a schedule that starts nothing any more."""

    plan_id: str
    nonce: str
    actor: str
    time: float
    reason: str = ""


class ScheduleTable(PlanTable):
    """The table of plans, for what schedules need. Its methods raise `PlanTableError`."""

    async def record_drill(self, record: DrillRecord) -> None:
        """Write what became of a drill, in place of what was written of it before."""
        key = {"Item": f"{_DRILL}#{record.scheduled_time:016.3f}#{record.execution_id}"}
        try:
            await self._put(plain_item(record) | key)
        except AwsError as error:
            raise await self._error("write", error) from error

    async def drills(self, plan_id: str) -> list[DrillRecord]:
        """What became of a plan's scheduled drills, the newest first."""
        found = []
        for item in (await self._with_key(plan_id, f"{_DRILL}#"))[::-1]:
            try:
                found.append(read_item(DrillRecord, item))
            except ValidationError:
                # Another version has written it.
                continue
        return found

    async def revoke(self, plan_id: str, nonce: str, *, actor: str, reason: str) -> None:
        """Revoke a signature of a plan's schedule, for good."""
        revocation = Revocation(
            plan_id=plan_id, nonce=nonce, actor=actor, time=round(time.time(), 3), reason=reason
        )
        try:
            await self._put(plain_item(revocation) | {"Item": f"{_REVOKED}#{nonce}"})
        except AwsError as error:
            raise await self._error("write", error) from error

    async def revoked(self, plan_id: str, nonce: str) -> str | None:
        """Who revoked a signature and why; None if it is valid."""
        items = await self._with_key(plan_id, f"{_REVOKED}#{nonce}")
        if not items:
            return None
        try:
            found = read_item(Revocation, items[0])
        except ValidationError:
            return "it was revoked"
        why = f": {found.reason}" if found.reason else ""
        return f"{found.actor} revoked it at {timestamp(found.time)}{why}"
