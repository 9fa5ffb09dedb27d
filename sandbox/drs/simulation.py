"""The clock that all DRS state is computed from, and the speed of AWS operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class TimestampForm(StrEnum):
    """The timestamp format. Recorded responses have an offset, the API model has `Z`."""

    OFFSET = "offset"
    Z = "z"


@dataclass
class Simulation:
    """Settings that the DRS backends of all accounts and Regions share.

    Attributes:
        now: Returns the current time in epoch seconds.
        speed: Divides the durations of AWS operations, such as the phases of a job.
        timestamp_form: The timestamp format in responses.
    """

    now: Callable[[], float] = time.time
    speed: float = 1.0
    timestamp_form: TimestampForm = TimestampForm.OFFSET

    def timestamp(self, epoch_seconds: float) -> str:
        """Format a time as in DRS responses."""
        text = datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text + ("Z" if self.timestamp_form is TimestampForm.Z else "+00:00")


simulation = Simulation()
