"""What people see of the schedules of drills."""

from recovery.base_model import Model
from recovery.schedule.model import in_zone
from recovery.schedule.record import DrillRecord


class ScheduleView(Model):
    """The schedule of a plan's drills. Times are epoch seconds.

    Attributes:
        is_paused: nothing starts until somebody resumes it.
        note: who paused or resumed it last, and why.
        next_times: when the next drills start, or are announced; none while it is paused.
        frozen_times: those of them at which a freeze window lets nothing start; of one plan only.
        missed: how many drills Temporal could not start in time.
        signed_by: who signed what it may start; None: it is not signed.
        signed_until: when that signature expires.
        last: what became of the last drill.
        last_error: why that cannot be read.
        drills: of the last drills, the newest first; of one plan only.
    """

    plan_id: str
    cron: str
    time_zone: str
    is_paused: bool = False
    note: str = ""
    next_times: list[float] = []
    frozen_times: list[float] = []
    missed: int = 0
    signed_by: str | None = None
    signed_until: float | None = None
    last: DrillRecord | None = None
    last_error: str | None = None
    drills: list[DrillRecord] = []

    @property
    def next_text(self) -> str:
        """When the next drill starts, in the plan's zone and UTC, or that none does."""
        if self.is_paused:
            return "PAUSED"
        return self.time_text(self.next_times[0]) if self.next_times else "none"

    def time_text(self, moment: float) -> str:
        """One of the next times, in the plan's zone and UTC."""
        frozen = "; skipped: a freeze window" if moment in self.frozen_times else ""
        return in_zone(moment, self.time_zone) + frozen
