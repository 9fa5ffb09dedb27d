"""The kinds of Schedules that registered plans have."""

from enum import StrEnum

from temporalio.common import SearchAttributeKey

# What `ReadinessEvery` starts; its input is the PlanId.
READINESS_WORKFLOW = "WatchReadinessWorkflow"
DRILL_WORKFLOW = "ScheduledDrillWorkflow"
# Temporal gives it to what a Schedule starts.
SCHEDULED_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


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
