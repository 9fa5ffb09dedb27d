"""Times as people write them mean the same everywhere, or are refused."""

import pytest

from recovery.time_text import read_time

NOON = 1_764_158_400.0


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-11-26T12:00:00Z", NOON),
        ("2025-11-26T13:00+01:00", NOON),
        (" 2025-11-26 12:00:00+00:00 ", NOON),
        ("-2h", NOON - 7200),
        ("-90", NOON - 90),
    ],
)
def test_a_time_with_a_zone_or_a_duration_ago(text: str, time: float) -> None:
    assert read_time(text, now=NOON) == time


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2025-11-26T12:00:00", "no zone"),
        ("2025-11-26", "no zone"),
        ("yesterday", "not a time"),
        ("1764158400", "not a time"),
        ("-", "not a duration"),
        ("-40d", "more than 30 days"),
        ("", "not a time"),
    ],
)
def test_any_other_text_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_time(text, now=NOON)
