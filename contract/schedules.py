"""Temporal's Schedules of registered plans, and the inputs of the workflows that they start."""

from enum import StrEnum

from pydantic import Field

from recovery.access.grants import ScheduleSubject, SignedRequest
from recovery.base_model import StrictModel
from recovery.plan.model import RecoveryPlan
from recovery.schedule.model import SkipIf

# What `ReadinessEvery` starts; its input is the PlanId.
READINESS_WORKFLOW = "WatchReadinessWorkflow"
DRILL_WORKFLOW = "ScheduledDrillWorkflow"
CATCH_UP_SECONDS = 3600.0
"""So late a scheduled drill still starts; later, it is missed."""


class ScheduleKind(StrEnum):
    """What a Schedule of a plan starts."""

    READINESS = "readiness"
    DRILL = "drill"

    def schedule_id(self, plan_id: str) -> str:
        """The ID of a plan's Schedule."""
        return f"drs-{self}/{plan_id}"

    @property
    def prefix(self) -> str:
        """What the IDs of these Schedules begin with."""
        return self.schedule_id("")


class RunNow(StrictModel):
    """A drill of a schedule that somebody starts at once.

    Attributes:
        actor: who.
        time: when (epoch seconds).
        signed_start: what was signed of its start.
        signed_cleanup: what was signed of its clean-up.
    """

    execution_id: str
    actor: str
    time: float
    signed_start: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    signed_cleanup: SignedRequest | None = Field(
        default=None, exclude_if=lambda value: value is None
    )


class ScheduledDrill(StrictModel):
    """Input of the workflow of a scheduled drill: what the schedule may start.

    Attributes:
        plan_hash: of the registered plan.
        cleanup_seconds: from the drill's end until its clean-up.
        announce_seconds: from its announcement until it starts.
        registered_by: who registered the schedule, or signed it.
        signed: the grant of the schedule; left out where nothing was signed.
        run_now: a drill that somebody starts at once; None when the Schedule starts it.
    """

    plan_id: str
    plan_hash: str
    cron: str
    time_zone: str = "UTC"
    skip_if: SkipIf | None = None
    cleanup_seconds: float
    announce_seconds: float = 0.0
    registered_by: str = "unknown"
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    run_now: RunNow | None = None

    @classmethod
    def of(cls, plan: RecoveryPlan, *, registered_by: str, speed: float) -> "ScheduledDrill | None":
        """What the schedule of a plan may start; None if the plan has none.

        Args:
            plan: the registered plan.
            registered_by: who registered it.
            speed: divides its durations, as a sandbox divides DRS's.
        """
        schedule = plan.schedule
        if schedule is None:
            return None
        return cls(
            plan_id=plan.plan_id,
            plan_hash=plan.plan_hash,
            cron=schedule.cron,
            time_zone=schedule.time_zone,
            skip_if=schedule.skip_if,
            cleanup_seconds=schedule.cleanup_seconds / speed,
            announce_seconds=schedule.announce_seconds / speed,
            registered_by=registered_by,
        )

    @property
    def subject(self) -> ScheduleSubject:
        """What a signature of it covers."""
        return ScheduleSubject(
            plan_id=self.plan_id,
            plan_hash=self.plan_hash,
            cron=self.cron,
            time_zone=self.time_zone,
            cleanup_seconds=self.cleanup_seconds,
        )
