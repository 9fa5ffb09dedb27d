"""What notifications are about."""

from enum import StrEnum


class EventKind(StrEnum):
    """What a notification reports."""

    STARTED = "STARTED"
    BREAK_GLASS = "BREAK_GLASS"
    """Somebody started or steered with an offline key."""
    WAVE_UP = "WAVE_UP"
    WAVE_FAILED = "WAVE_FAILED"
    DECISION_NEEDED = "DECISION_NEEDED"
    LATE_ARRIVAL = "LATE_ARRIVAL"
    """A wave came up after it was TIMED_OUT."""
    FINISHED = "FINISHED"
    CLEANUP_LEFT = "CLEANUP_LEFT"
    """A clean-up left recovery instances."""
    SETTINGS_LEFT = "SETTINGS_LEFT"
    """Launch settings that a drill had changed are not as before it."""
    DRILL_ANNOUNCED = "DRILL_ANNOUNCED"
    """A scheduled drill starts soon."""
    DRILL_SKIPPED = "DRILL_SKIPPED"
    """A scheduled drill did not start."""
    DRILL_ENDED = "DRILL_ENDED"
    """A scheduled drill and its clean-up have ended."""
    DRILL_OVERDUE = "DRILL_OVERDUE"
    """A scheduled drill was missed; the watchdog reports it."""
    READINESS_LOST = "READINESS_LOST"
    """A registered plan is no longer READY."""
    READINESS_REGAINED = "READINESS_REGAINED"
    NO_WORKER = "NO_WORKER"
    """Something that executions need does not respond; the watchdog reports it."""
