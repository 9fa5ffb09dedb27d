"""Cron expressions as plans have them; Temporal's own times are compared end to end."""

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from recovery.schedule.cron import Cron

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    """A local time, in epoch seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_times_are_local_and_follow_the_clocks() -> None:
    cron = Cron.parse("30 2 * * *", BERLIN)
    # On March 29 2026, clocks go from 2:00 to 3:00.
    times = list(islice(cron.times(at("2026-03-27T12:00")), 3))
    assert times == [at("2026-03-28T02:30"), at("2026-03-30T02:30"), at("2026-03-31T02:30")]
    assert all(map(cron.matches, times))
    assert not cron.matches(at("2026-03-28T02:31"))


def test_ranges_lists_steps_and_names_are_read() -> None:
    cron = Cron.parse("*/30 1-2,22 * jan-FEB MON-FRI/2", BERLIN)
    times = list(islice(cron.times(at("2026-01-01T00:00")), 7))
    assert times[0] == at("2026-01-02T01:00")
    assert [datetime.fromtimestamp(t, ZoneInfo(BERLIN)).strftime("%a %H:%M") for t in times] == [
        "Fri 01:00", "Fri 01:30", "Fri 02:00", "Fri 02:30", "Fri 22:00", "Fri 22:30", "Mon 01:00",
    ]  # fmt: skip
    assert Cron.parse("0 0 * * 7").weekdays == {0}


def test_the_last_time_is_found_within_its_bounds() -> None:
    cron = Cron.parse("0 3 * * SAT", BERLIN)
    saturday = at("2026-11-28T03:00")
    assert cron.last_time(saturday + 1, saturday - 60) == saturday
    assert cron.last_time(saturday - 1, saturday - 3600) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 3 * *", "has 4 fields instead of five"),
        ("@daily", "has 1 fields"),
        ("60 3 * * *", "minute '60' is not from 0 to 59"),
        ("0 3 0 * *", "day of the month '0' is not from 1 to 31"),
        ("0 3 * XYZ *", "month 'XYZ'"),
        ("0 3-1 * * *", "hour '3-1'"),
        ("0 */0 * * *", "hour '\\*/0'"),
        ("0 3 1 * MON", "leave one of them \\*"),
        ("0 0 30 2 *", "no date matches"),
    ],
)
def test_an_expression_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Cron.parse(text)
