"""When a decision is reported again, until somebody decides."""

from typing import NamedTuple

from recovery.notify.events import AskedDecision, ItemKind

_MINUTE = 60.0
# After the first message; then hourly.
_AFTER_SECONDS = (10 * _MINUTE, 30 * _MINUTE)
_EVERY_SECONDS = 60 * _MINUTE
_SILENCED_SECONDS = 30 * _MINUTE
_LAST_CALL_SECONDS = 30 * _MINUTE


class Reminder(NamedTuple):
    """When to report a decision again (epoch seconds), and as what."""

    time: float
    kind: ItemKind


def next_reminder(decision: AskedDecision, last_sent: float, *, speed: float) -> Reminder:
    """The next time to report a decision that was reported at `last_sent` (epoch seconds).

    An acknowledgement silences it for 30 minutes, but never what comes 30 minutes before the
    deadline.

    Args:
        decision: the decision.
        last_sent: when it was last reported.
        speed: of the execution's clock; 1 except in a sandbox.
    """
    after = last_sent
    if decision.acknowledged_by is not None:
        after = max(after, decision.acknowledged_by.time + _SILENCED_SECONDS / speed)
    reminder = Reminder(next_slot(decision.since, after, speed), ItemKind.REMINDER)
    if decision.deadline is None:
        return reminder
    last_call = decision.deadline - _LAST_CALL_SECONDS / speed
    # What was first reported later than that has its deadline in the first message.
    is_due = last_sent < last_call and decision.since < last_call
    return (
        Reminder(last_call, ItemKind.LAST_CALL)
        if is_due and (last_call <= reminder.time)
        else reminder
    )


def next_slot(since: float, after: float, speed: float) -> float:
    """The first time of the schedule that is later than `after` (epoch seconds).

    Args:
        since: when what is reported began.
        after: when it was last reported.
        speed: divides the pauses; 1 except in a sandbox.
    """
    for seconds in _AFTER_SECONDS:
        if (slot := since + seconds / speed) > after:
            return slot
    first, every = since + _AFTER_SECONDS[-1] / speed, _EVERY_SECONDS / speed
    return first + (int((after - first) / every) + 1) * every
