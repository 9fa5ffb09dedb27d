"""What a plan says about its drills: when they start by themselves, and when nothing may."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from recovery.base_model import Model, StrictModel
from recovery.schedule.cron import Cron
from recovery.time_text import read_duration, read_time

_LEAST_SECONDS = 60.0


def _checked_duration(text: str) -> str:
    if read_duration(text) < _LEAST_SECONDS:
        raise ValueError("it is less than a minute")
    return text


def _checked_cron(text: str) -> str:
    Cron.parse(text)
    return text


def _checked_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError("there is no such time zone") from error
    return text


def _checked_time(text: str) -> str:
    read_time(text, now=0.0)
    return text


# The descriptions say what to write; problems of a plan file show them.
Duration = Annotated[
    str,
    AfterValidator(_checked_duration),
    Field(
        pattern=r"^[0-9]{1,7}[smhd]$",
        description="a duration such as 90m, 2h or 1d, from 1m to 30d",
    ),
]
CronText = Annotated[
    str,
    AfterValidator(_checked_cron),
    Field(
        max_length=200,
        description="five fields, minute, hour, day of the month, month and day of the week, such "
        'as "0 3 * * SAT"; not both kinds of days',
    ),
]
TimeZoneName = Annotated[
    str,
    AfterValidator(_checked_zone),
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$", description="a time zone such as Europe/Rome"
    ),
]
Moment = Annotated[
    str,
    AfterValidator(_checked_time),
    Field(
        pattern=r"^[0-9]{4}-[0-9T:.Z+ -]{6,40}$",
        description="a time with its zone, in quotes, such as 2026-12-18T18:00+01:00",
    ),
]
FreezeReason = Annotated[
    str,
    Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,256}$", description="a line of text"),
]


class SkipIf(StrEnum):
    """What skips a scheduled drill, besides what always does."""

    NOT_READY = "NOT_READY"


class DrillIsolation(StrEnum):
    """Whether the drills of a plan must be isolated."""

    NOT_NEEDED = "NOT_NEEDED"


class FreezeWindow(Model):
    """A time in which no scheduled drill starts."""

    from_time: Moment = Field(alias="From")
    to_time: Moment = Field(alias="To")
    reason: FreezeReason | None = None

    @property
    def begin(self) -> float:
        """In epoch seconds."""
        return read_time(self.from_time, now=0.0)

    @property
    def end(self) -> float:
        """In epoch seconds; the window does not have this time any more."""
        return read_time(self.to_time, now=0.0)

    def holds(self, moment: float) -> bool:
        """Whether a time (epoch seconds) is in it."""
        return self.begin <= moment < self.end


class FreezeFile(StrictModel):
    """The freeze windows of an installation."""

    freeze: list[FreezeWindow]


class DrillSchedule(Model):
    """When a plan's drills start by themselves, and what becomes of them."""

    cron: CronText
    time_zone: TimeZoneName = "UTC"
    skip_if: SkipIf | None = None
    cleanup_after: Duration
    announce: Duration | None = None

    @property
    def times(self) -> Cron:
        """When they start."""
        return Cron.parse(self.cron, self.time_zone)

    @property
    def cleanup_seconds(self) -> float:
        """From a drill's end until its instances are terminated."""
        return read_duration(self.cleanup_after)

    @property
    def announce_seconds(self) -> float:
        """From the announcement, at the time of `Cron`, until the drill starts."""
        return read_duration(self.announce) if self.announce else 0.0

    def next_times(self, now: float, number: int = 3) -> list[float]:
        """Its next times, in epoch seconds."""
        times = self.times.times(now)
        return [moment for _, moment in zip(range(number), times, strict=False)]


def in_zone(moment: float, time_zone: str) -> str:
    """A time in a zone, as `2026-12-05 03:00 CET`, and in UTC if that is another."""
    local = datetime.fromtimestamp(moment, ZoneInfo(time_zone))
    text = local.strftime("%a %Y-%m-%d %H:%M %Z")
    if not local.utcoffset():
        return text
    return f"{text} ({datetime.fromtimestamp(moment, UTC):%H:%M} UTC)"
