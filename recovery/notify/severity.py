"""How urgent an item is, in the words of pagers."""

from enum import StrEnum

from recovery.execution.state import ExecutionType, PlanStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import Event, ItemKind, NotificationItem


class Severity(StrEnum):
    """As PagerDuty has them."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_OF_EVENT = {
    EventKind.NO_WORKER: Severity.CRITICAL,
    EventKind.DECISION_NEEDED: Severity.CRITICAL,
    EventKind.WAVE_FAILED: Severity.ERROR,
    EventKind.BREAK_GLASS: Severity.WARNING,
    EventKind.CLEANUP_LEFT: Severity.WARNING,
    EventKind.SETTINGS_LEFT: Severity.WARNING,
    EventKind.READINESS_LOST: Severity.WARNING,
    EventKind.DRILL_SKIPPED: Severity.WARNING,
    EventKind.DRILL_OVERDUE: Severity.WARNING,
}
# What a pager gets of recoveries; a FINISHED only with the outcome FAILED.
PAGER_EVENTS = (
    EventKind.DECISION_NEEDED,
    EventKind.NO_WORKER,
    EventKind.WAVE_FAILED,
    EventKind.FINISHED,
    EventKind.BREAK_GLASS,
)
_OF_OUTCOME = {PlanStatus.FAILED: Severity.CRITICAL, PlanStatus.PARTIAL: Severity.WARNING}


def severity_of(item: NotificationItem) -> Severity:
    """The severity of an item; nothing of a drill is more than a warning."""
    if item.kind in (ItemKind.RESOLVED, ItemKind.ACKNOWLEDGED, ItemKind.TEST):
        return Severity.INFO
    kind = item.event.kind if item.event is not None else EventKind.DECISION_NEEDED
    severity = _OF_EVENT.get(kind, Severity.INFO)
    if item.event is not None and kind is EventKind.FINISHED and item.event.outcome is not None:
        severity = _OF_OUTCOME.get(item.event.outcome, Severity.INFO)
    execution = item.execution
    is_drill = execution is not None and execution.execution_type is ExecutionType.DRILL
    return Severity.WARNING if is_drill and severity is not Severity.INFO else severity


def is_for_pagers(event: Event) -> bool:
    """Whether a pager gets such an event of a recovery."""
    is_good_end = event.kind is EventKind.FINISHED and event.outcome is not PlanStatus.FAILED
    return event.kind in PAGER_EVENTS and not is_good_end


def breaks_quiet_hours(item: NotificationItem) -> bool:
    """Whether quiet hours do not hold an item back: what a pager would get.

    That is of recoveries and of the installation, and the use of an offline key everywhere.
    """
    if item.kind in (ItemKind.RESOLVED, ItemKind.ACKNOWLEDGED, ItemKind.TEST):
        return False
    execution, event = item.execution, item.event
    if event is not None and event.kind is EventKind.BREAK_GLASS:
        return True
    is_drill = execution is not None and execution.execution_type is ExecutionType.DRILL
    return not is_drill and (event is None or is_for_pagers(event))
