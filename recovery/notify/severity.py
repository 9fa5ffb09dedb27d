"""How urgent an item is, in the words of pagers."""

from enum import StrEnum

from recovery.execution.state import ExecutionType, PlanStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, NotificationItem


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
}
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
