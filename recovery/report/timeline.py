"""The timeline of a report as a picture: positions on one axis, from the declaration on.

The axis is in seconds at the speed of DRS, as the RTO is, also in a sandbox.
"""

from dataclasses import dataclass

from recovery.execution.progress import SYMBOLS
from recovery.forecast.timeline import axis
from recovery.report.model import ExecutionReport, ReportedWave

WIDTH = 600.0
# What took no time is seen too.
_LEAST = 2.0


@dataclass(frozen=True)
class Bar:
    """A bar of a row.

    Attributes:
        kind: `waits`, `runs` or `step`.
        status: of the wave or step.
        title: what it is.
    """

    kind: str
    status: str
    left: float
    width: float
    title: str


@dataclass(frozen=True)
class Row:
    """A wave or a plan with its bars.

    Attributes:
        status: with its symbol.
        anchor: of the section about it in the same file; "" if there is none.
    """

    name: str
    status: str
    bars: tuple[Bar, ...]
    anchor: str = ""


@dataclass(frozen=True)
class Picture:
    """The timeline.

    Attributes:
        ticks: the axis, with the seconds since its begin.
        start: of the execution.
        rto: where the RTO ends; None if it is not within the picture.
    """

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, float], ...]
    start: float
    rto: float | None = None


class Scale:
    """The axis of a picture."""

    def __init__(self, *, since: float, end: float, speed: float | None) -> None:
        """Create it.

        Args:
            since: where it begins (epoch seconds).
            end: the last moment in the picture.
            speed: how much faster than DRS a sandbox is; None on real AWS.
        """
        self._since, self._speed = since, speed or 1.0
        self._length, self._step = axis((end - since) * self._speed)

    @property
    def ticks(self) -> tuple[tuple[float, float], ...]:
        """Positions, with the seconds since the begin."""
        seconds = [self._step * n for n in range(int(self._length / self._step) + 1)]
        return tuple((self._position(each), each) for each in seconds)

    def at(self, moment: float) -> float:
        """The position of a moment (epoch seconds)."""
        return self._position((moment - self._since) * self._speed)

    def after(self, seconds: float | None) -> float | None:
        """The position so many seconds, at the speed of DRS, after the begin; None if outside."""
        return None if seconds is None or seconds > self._length else self._position(seconds)

    def bar(self, kind: str, status: str, start: float, end: float, title: str) -> Bar:
        """A bar between two moments."""
        width = max(_LEAST, round(self.at(end) - self.at(start), 1))
        return Bar(kind, status, self.at(start), width, title)

    def _position(self, seconds: float) -> float:
        return round(max(0.0, min(WIDTH, WIDTH * seconds / self._length)), 1)


def picture(report: ExecutionReport) -> Picture:
    """The timeline of an execution."""
    since = report.rto.since
    now = report.end_time if report.end_time is not None else report.generated_time
    ends = [wave.end_time for wave in report.waves if wave.end_time is not None]
    scale = Scale(since=since, end=max([now, *ends]), speed=report.method.sandbox_speed)

    def row(wave: ReportedWave) -> Row:
        bars = []
        if wave.start_time is not None:
            if wave.ready_time is not None and wave.ready_time < wave.start_time:
                waits = "; ".join(wave.waits)
                bars.append(scale.bar("waits", "", wave.ready_time, wave.start_time, waits))
            end = now if wave.end_time is None else wave.end_time
            bars.append(scale.bar("runs", wave.status, wave.start_time, end, wave.status))
        for each in wave.steps:
            # One that was taken over may have run before this execution.
            end = each.end_time or now
            if each.start_time is not None and end >= since:
                title = f"{each.step_id} {each.status}"
                bars.append(scale.bar("step", each.status, each.start_time, end, title))
        return Row(wave.wave_name, f"{SYMBOLS[wave.status]} {wave.status}", tuple(bars))

    return Picture(
        rows=tuple(map(row, report.waves)),
        ticks=scale.ticks,
        start=scale.at(report.start_time),
        rto=scale.after(report.rto.rto_seconds),
    )
