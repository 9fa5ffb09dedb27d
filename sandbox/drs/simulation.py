"""The clock that all DRS state is computed from, and the duration of AWS operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class TimestampForm(StrEnum):
    """The timestamp format. Recorded responses have an offset, the API model has `Z`."""

    OFFSET = "offset"
    Z = "z"


class Durations(StrEnum):
    """How long launches take.

    SPREAD: random durations between those of the two recorded jobs.
    RECORDED: those of the first recorded job, to the millisecond.
    """

    SPREAD = "spread"
    RECORDED = "recorded"


@dataclass(frozen=True)
class LaunchEvents:
    """How launch results come to EventBridge, which promises nothing.

    Attributes:
        late_seconds: Each is late by up to so many wall-clock seconds, so they come in any order.
        copies: How often each comes.
        lost_rate: The probability that one is lost.
    """

    late_seconds: float = 0.0
    copies: int = 1
    lost_rate: float = 0.0


@dataclass
class Simulation:
    """Settings that the DRS backends of all accounts and Regions share.

    Attributes:
        now: Returns the current time in epoch seconds.
        speed: Divides the durations of AWS operations, such as the phases of a job.
        timestamp_form: The timestamp format in responses.
        clock_offset: Seconds by which DRS's timestamps are ahead of `now`. The ledger's are not.
        durations: How long launches take.
        seed: The seed of random durations.
        addresses: Those of all recovery instances.
        launch_events: By account, how launch results come to EventBridge; None: those of others.
    """

    now: Callable[[], float] = time.time
    speed: float = 1.0
    timestamp_form: TimestampForm = TimestampForm.OFFSET
    clock_offset: float = 0.0
    durations: Durations = Durations.SPREAD
    seed: int = 0
    addresses: set[str] = field(default_factory=set)
    launch_events: dict[str | None, LaunchEvents] = field(default_factory=dict)

    def timestamp(self, epoch_seconds: float) -> str:
        """Format a time as in DRS responses, by DRS's clock."""
        text = datetime.fromtimestamp(epoch_seconds + self.clock_offset, UTC).strftime(
            "%Y-%m-%dT%H:%M:%S.%f"
        )
        return text + ("Z" if self.timestamp_form is TimestampForm.Z else "+00:00")


def iso_duration(seconds: float) -> str:
    """Format a duration as DRS does: `P0D`, `PT4H`, `P2DT1H32M12.136909S`."""
    minutes, rest = divmod(round(max(seconds, 0.0), 6), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    date = f"{days}D" if days else ""
    parts = ((f"{hours}", "H"), (f"{minutes}", "M"), (f"{rest:.6f}".rstrip("0").rstrip("."), "S"))
    time_of_day = "".join(f"{number}{unit}" for number, unit in parts if number != "0")
    if time_of_day:
        return f"P{date}T{time_of_day}"
    return f"P{date or '0D'}"


simulation = Simulation()
