"""The last recorded readiness of a plan, for its scheduled drills."""

import time

from recovery.plan.model import RecoveryPlan
from recovery.schedule.decision import SeenReadiness
from settings import Settings
from storage.readiness import ReadinessTable


async def last_readiness(settings: Settings, plan: RecoveryPlan) -> SeenReadiness | None:
    """The last recorded readiness of a plan, of its hash; None if it was never looked at.

    Raises:
        TableError: it cannot be read.
    """
    current = await ReadinessTable(settings).current(plan.plan_id)
    if current is None:
        return None
    seen = current.at(time.time(), plan.plan_hash)
    return SeenReadiness(status=seen.status, reason=seen.reason)
