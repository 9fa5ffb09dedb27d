"""What became of each drill that a schedule was to start."""

from enum import StrEnum

from recovery.base_model import Model
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.state import PlanStatus


class DrillStatus(StrEnum):
    """How far a scheduled drill is."""

    ANNOUNCED = "ANNOUNCED"
    SKIPPED = "SKIPPED"
    RUNNING = "RUNNING"
    CLEANING_UP = "CLEANING_UP"
    """It ended; its instances are terminated after `CleanupAfter`."""
    ENDED = "ENDED"


class SkipCode(StrEnum):
    """Why a scheduled drill did not start."""

    NOT_REGISTERED = "NOT_REGISTERED"
    """The plan, or this schedule of it, is no longer registered."""
    OTHER_PLAN = "OTHER_PLAN"
    """The registered plan is not the one that the schedule was made for."""
    REFUSED = "REFUSED"
    """It is not signed, or its signature was revoked."""
    ALREADY_STARTED = "ALREADY_STARTED"
    FREEZE = "FREEZE"
    RECOVERY_RUNS = "RECOVERY_RUNS"
    EXECUTION_RUNS = "EXECUTION_RUNS"
    CLEANUP_OPEN = "CLEANUP_OPEN"
    NOT_READY = "NOT_READY"
    """The plan is not READY, or that is not known."""
    MISSED = "MISSED"
    """No worker took it up in time."""
    NOT_LOOKED_AT = "NOT_LOOKED_AT"
    """What decides could not be read."""


class Skip(Model):
    """Why a scheduled drill does not start, as people read it."""

    code: SkipCode
    reason: str


class DrillRecord(Model):
    """What became of one drill. Times are epoch seconds.

    Attributes:
        scheduled_time: when its schedule, or a person, started it.
        start_time: when it is to start, or started.
        execution_id: its execution, also if it never started.
        started_by: who started it at once; None: its schedule.
        reason: what became of it, in a sentence.
        outcome: how its execution ended.
        cleanup: how its clean-up ended.
    """

    plan_id: str
    scheduled_time: float
    start_time: float
    execution_id: str
    started_by: str | None = None
    status: DrillStatus
    skip: SkipCode | None = None
    reason: str = ""
    outcome: PlanStatus | None = None
    cleanup: CleanupStatus | None = None

    @property
    def text(self) -> str:
        """What became of it, in a line."""
        return f"{self.status}: {self.reason}" if self.reason else str(self.status)
