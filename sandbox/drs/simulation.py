"""The clock that all DRS state is computed from, and how fast AWS's side of it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class TimestampForm(StrEnum):
    """How times are written: recorded answers show an offset, the API model shows `Z`."""

    OFFSET = "offset"
    Z = "z"


@dataclass
class Simulation:
    """What is shared by the DRS backends of all accounts and Regions.

    Attributes:
        clock: The present, in epoch seconds.
        speed: Durations of AWS's side (phases of a job) are divided by this.
        timestamp_form: How times are written in answers.
    """

    clock: Callable[[], float] = time.time
    speed: float = 1.0
    timestamp_form: TimestampForm = TimestampForm.OFFSET

    def now(self) -> float:
        """Return the present in epoch seconds."""
        return self.clock()

    def timestamp(self, epoch_seconds: float) -> str:
        """Write a time the way DRS answers do."""
        text = datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text + ("Z" if self.timestamp_form is TimestampForm.Z else "+00:00")


simulation = Simulation()
