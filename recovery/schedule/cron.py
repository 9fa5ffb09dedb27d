"""Cron expressions, as Temporal's Schedules read them: five fields, all of which must match.

Source: Temporal's documentation of Schedules. Temporal takes more (six fields, `@daily`); a plan
has one spelling.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(\*|[0-9]{1,2}|[A-Z]{3})(?:-([0-9]{1,2}|[A-Z]{3}))?(?:/([0-9]{1,2}))?")
# Name, least, most, words.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    # 7 is Sunday too.
    ("day of the week", 0, 7, _DAYS),
)
# A day that comes once in four years, such as February 29.
_LONGEST_DAYS = 4 * 366 + 1


@dataclass(frozen=True)
class Cron:
    """When something happens, in a time zone.

    Attributes:
        days: of the month.
        weekdays: 0 is Sunday.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, time_zone: str = "UTC") -> "Cron":
        """Read an expression.

        Raises:
            ValueError: it is none; the text says why.
        """
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(
                f"it has {len(parts)} fields instead of five: minute, hour, day of the month, "
                "month, day of the week"
            )
        values = [_values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
        if "*" not in (parts[2][0], parts[4][0]):
            # Temporal's Schedules need both to match; cron itself takes either.
            raise ValueError(
                "it names days of the month and days of the week, which cron and Temporal read "
                "differently; leave one of them *"
            )
        minutes, hours, days, months, weekdays = values
        weekdays = frozenset(day % 7 for day in weekdays)
        cron = cls(minutes, hours, days, months, weekdays, ZoneInfo(time_zone))
        if next(cron.times(datetime(2024, 1, 1, tzinfo=UTC).timestamp()), None) is None:
            raise ValueError("no date matches it")
        return cron

    def matches(self, moment: float) -> bool:
        """Whether a time (epoch seconds) is one of its times, to the minute."""
        local = datetime.fromtimestamp(moment, self.zone)
        return self._is_day(local) and local.hour in self.hours and local.minute in self.minutes

    def times(self, after: float) -> Iterator[float]:
        """Its times after a time, in epoch seconds; a time that clocks skip is left out."""
        start = datetime.fromtimestamp(after, self.zone)
        day = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for number in range(_LONGEST_DAYS):
            date = day + timedelta(days=number)
            if self._is_day(date):
                yield from (each for each in self._times_of(date) if each > after)

    def _times_of(self, date: datetime) -> list[float]:
        found = []
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = date.replace(hour=hour, minute=minute, tzinfo=self.zone)
                moment = local.timestamp()
                # Of an hour that clocks skip, this is another one.
                if datetime.fromtimestamp(moment, self.zone).hour == hour:
                    found.append(moment)
        return sorted(found)

    def last_time(self, before: float, since: float) -> float | None:
        """Its last time up to `before` and after `since` (epoch seconds), if any."""
        last = None
        for moment in self.times(since):
            if moment > before:
                break
            last = moment
        return last

    def _is_day(self, local: datetime) -> bool:
        return (
            local.month in self.months
            and local.day in self.days
            and local.isoweekday() % 7 in self.weekdays
        )


def _values(part: str, name: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    values: set[int] = set()
    for each in part.upper().split(","):
        match = _PART.fullmatch(each)
        if match is None:
            raise ValueError(f"its {name} {part!r} is not a number, a list, a range or *")
        first, last, step = match.groups()
        begin = least if first == "*" else _number(first, name, least, most, words)
        end = begin
        if last is not None:
            end = _number(last, name, least, most, words)
        elif first == "*" or step is not None:
            end = most
        if (first == "*" and last is not None) or end < begin or step == "0":
            raise ValueError(f"its {name} {part!r} is not a number, a list, a range or *")
        values |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, name: str, least: int, most: int, words: tuple[str, ...]) -> int:
    if text in words:
        return words.index(text) + least
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"its {name} {text!r} is not from {least} to {most}")
    return int(text)
