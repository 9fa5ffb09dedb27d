"""What commands and automations have in common: a request, and a timeline from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.drs.simulation import simulation

# From its acceptance to its delivery, and from its cancellation to its end. Assumptions.
BEGIN_SECONDS = 1.0
CANCEL_SECONDS = 1.0


@dataclass
class RunTimeline:
    """One run. Offsets are unscaled seconds after its acceptance.

    Attributes:
        begin: When it is InProgress.
        end: When it has its final status.
        final: Its final status.
        details: The details of its final status.
        cancelled: When its cancellation was accepted, or None.
    """

    begin: float
    end: float
    final: str
    details: str
    cancelled: float | None = None

    def end_offset(self) -> float:
        """Return when it ends, by itself or because it is cancelled."""
        return (
            self.end if self.cancelled is None else min(self.end, self.cancelled + CANCEL_SECONDS)
        )

    def is_over(self, offset: float) -> bool:
        """Return whether it has its final status."""
        return offset >= self.end_offset()

    def cancel(self, offset: float) -> bool:
        """Cancel it. Return False if it is over or cancelled already."""
        if self.is_over(offset) or self.cancelled is not None:
            return False
        self.cancelled = offset
        return True

    def status(self, offset: float) -> tuple[str, str]:
        """Return its status and the details of it."""
        if self.is_over(offset):
            return (self.final, self.details) if self.end_offset() == self.end else _CANCELLED
        if self.cancelled is not None:
            return "Cancelling", "Cancelling"
        return ("InProgress", "InProgress") if offset >= self.begin else ("Pending", "Pending")


_CANCELLED = ("Cancelled", "Cancelled")


@dataclass
class Run:
    """A command or an automation.

    Attributes:
        run_id: The ID of the command or of the execution.
        requested: Epoch seconds of its acceptance.
        request: The request as it came.
        speed: Divides its durations.
        listed_after: So many unscaled seconds after its acceptance, lists name it.
    """

    run_id: str
    requested: float
    request: dict[str, Any]
    speed: float = field(default_factory=lambda: simulation.speed, kw_only=True)
    listed_after: float = field(default=0.0, kw_only=True)

    def offset(self, now: float) -> float:
        """Convert epoch seconds to unscaled seconds after its acceptance."""
        return (now - self.requested) * self.speed

    def time(self, offset: float = 0.0) -> datetime:
        """Convert unscaled seconds after its acceptance to a time by AWS's clock."""
        at = self.requested + offset / self.speed
        return datetime.fromtimestamp(at + simulation.clock_offset, UTC)

    def is_listed(self, now: float) -> bool:
        """Return whether lists name it."""
        return self.offset(now) >= self.listed_after
