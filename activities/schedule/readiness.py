"""The last recorded readiness of a plan, for its scheduled drills."""

from recovery.plan.model import RecoveryPlan
from recovery.schedule.decision import SeenReadiness
from settings import Settings


async def last_readiness(settings: Settings, plan: RecoveryPlan) -> SeenReadiness | None:
    """The last recorded readiness of a plan, of its hash; None if it was never looked at."""
    return None
