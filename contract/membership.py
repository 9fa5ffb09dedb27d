"""The look at DRS for the servers of waves that name tags."""

from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan


class MembershipRequest(Model):
    """Reads the servers of a plan's waves that name tags, and records them.

    Attributes:
        accepted: the hash of the plan with fewer servers than recorded, which were confirmed.
    """

    plan: RecoveryPlan
    accepted: str | None = None
