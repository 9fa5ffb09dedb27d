"""A decision is reported again after 10 and 30 minutes, then hourly, until it falls."""

import pytest

from recovery.execution.open_decision import DecisionKind
from recovery.execution.wave import OperatorDecision
from recovery.notify.events import AskedDecision, ItemKind
from recovery.notify.reminders import next_reminder

MINUTE = 60.0
HOUR = 60 * MINUTE


def asked(
    *, since: float = 0.0, deadline: float | None = None, acknowledged: float | None = None
) -> AskedDecision:
    by = None if acknowledged is None else OperatorDecision(actor="ann", time=acknowledged)
    return AskedDecision(
        key="FAILURE/web/1",
        kind=DecisionKind.FAILURE,
        since=since,
        deadline=deadline,
        acknowledged_by=by,
    )


def times(decision: AskedDecision, *, until: float, speed: float = 1.0) -> list[float]:
    """When it is reported again, if each message goes out at once."""
    found, sent = [], decision.since
    while (reminder := next_reminder(decision, sent, speed=speed)).time <= until:
        sent = reminder.time
        found.append(sent)
    return found


def test_it_repeats_after_10_and_30_minutes_then_hourly() -> None:
    expected = [10 * MINUTE, 30 * MINUTE, 90 * MINUTE, 150 * MINUTE]
    assert times(asked(), until=3 * HOUR) == expected
    assert times(asked(), until=3 * HOUR / 60, speed=60) == [each / 60 for each in expected]


def test_a_late_message_does_not_cause_several() -> None:
    assert next_reminder(asked(), 31 * MINUTE, speed=1).time == 90 * MINUTE


def test_an_acknowledgement_silences_it_for_half_an_hour() -> None:
    by_ann = asked(acknowledged=5 * MINUTE)
    assert times(by_ann, until=2 * HOUR) == [90 * MINUTE]


@pytest.mark.parametrize("acknowledged", [None, 3.4 * HOUR])
def test_the_warning_half_an_hour_before_the_deadline_always_comes(
    acknowledged: float | None,
) -> None:
    decision = asked(deadline=4 * HOUR, acknowledged=acknowledged)
    reminder = next_reminder(decision, 3.41 * HOUR, speed=1)
    assert reminder == (3.5 * HOUR, ItemKind.LAST_CALL)
    assert next_reminder(decision, 3.5 * HOUR, speed=1).kind is ItemKind.REMINDER


def test_what_is_first_reported_within_the_last_half_hour_has_no_further_warning() -> None:
    decision = asked(since=3.6 * HOUR, deadline=4 * HOUR)
    assert next_reminder(decision, 3.6 * HOUR, speed=1).kind is ItemKind.REMINDER
