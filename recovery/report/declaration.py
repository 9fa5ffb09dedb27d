"""When the disaster, or the exercise, was declared: from then the RTO is measured."""

from collections.abc import Sequence
from enum import StrEnum

from recovery.base_model import Model
from recovery.text_format import rounded_duration, utc_timestamp

# The clocks of machines differ.
_SKEW_SECONDS = 60.0
_MOST_SECONDS = 30 * 86_400.0


class Declaration(Model):
    """A declaration that was recorded after the start.

    Attributes:
        time: when it was declared (epoch seconds).
        actor: who recorded this.
        recorded_time: when.
    """

    time: float
    actor: str
    recorded_time: float
    reason: str = ""


class MeasuredFrom(StrEnum):
    """What the measured times count from."""

    GIVEN = "GIVEN"
    """A time that was given for this report only."""
    RECORDED = "RECORDED"
    """A declaration that was recorded after the start."""
    DECLARED_AT_START = "DECLARED_AT_START"
    START = "START"
    """Nobody declared anything: the start of the execution."""

    @property
    def text(self) -> str:
        """What it is, as people read it."""
        return _TEXTS[self]


_TEXTS = {
    MeasuredFrom.GIVEN: "the declaration, as given for this report only",
    MeasuredFrom.RECORDED: "the declaration, as recorded after the start",
    MeasuredFrom.DECLARED_AT_START: (
        "the declaration, or the start of what it belongs to or continues, as given at the start"
    ),
    MeasuredFrom.START: "the start of the execution, because no declaration is recorded",
}


def declaration_problem(declared: float, *, start: float) -> str | None:
    """Why a time cannot be the declaration of an execution; None if it can.

    A later one than the start would make the measured time shorter than the recovery took.

    Args:
        declared: the time (epoch seconds).
        start: when the execution started, or starts.
    """
    if declared > start + _SKEW_SECONDS:
        return (
            f"the declaration, {utc_timestamp(declared)}, is after the start of the execution, "
            f"{utc_timestamp(start)}; give an earlier time"
        )
    if start - declared > _MOST_SECONDS:
        before = rounded_duration(start - declared)
        return f"the declaration, {utc_timestamp(declared)}, is {before} before the start"
    return None


def measured_from(
    start: float,
    at_start: float | None,
    recorded: Sequence[Declaration],
    given: float | None,
) -> tuple[float, MeasuredFrom]:
    """The time from which an execution is measured (epoch seconds), and what it is.

    Args:
        start: when the execution started.
        at_start: the declaration that was given then.
        recorded: those that were recorded later; the last one counts.
        given: one for this report only.
    """
    if given is not None:
        return given, MeasuredFrom.GIVEN
    if recorded:
        last = max(recorded, key=lambda each: each.recorded_time)
        return last.time, MeasuredFrom.RECORDED
    if at_start is not None:
        return at_start, MeasuredFrom.DECLARED_AT_START
    return start, MeasuredFrom.START
