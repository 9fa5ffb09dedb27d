"""The timeline of a report as a picture: positions on one axis, from the declaration on."""

from dataclasses import dataclass

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
    """A wave with its bars."""

    wave: ReportedWave
    bars: tuple[Bar, ...]


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
    rto: float | None


def picture(report: ExecutionReport) -> Picture:
    """The timeline of an execution."""
    since = report.rto.since
    now = report.end_time if report.end_time is not None else report.generated_time
    ends = [wave.end_time for wave in report.waves if wave.end_time is not None]
    length, step = axis(max([now, *ends]) - since)

    def at(moment: float) -> float:
        return round(max(0.0, min(WIDTH, WIDTH * (moment - since) / length)), 1)

    def bar(kind: str, status: str, start: float, end: float, title: str) -> Bar:
        width = max(_LEAST, round(at(end) - at(start), 1))
        return Bar(kind, status, at(start), width, title)

    def row(wave: ReportedWave) -> Row:
        bars = []
        if wave.start_time is not None:
            if wave.ready_time is not None and wave.ready_time < wave.start_time:
                waits = "; ".join(wave.waits)
                bars.append(bar("waits", "", wave.ready_time, wave.start_time, waits))
            end = now if wave.end_time is None else wave.end_time
            bars.append(bar("runs", wave.status, wave.start_time, end, wave.status))
        for each in wave.steps:
            # One that was taken over may have run before this execution.
            if each.start_time is not None and (each.end_time or now) >= since:
                title = f"{each.step_id} {each.status}"
                bars.append(bar("step", each.status, each.start_time, each.end_time or now, title))
        return Row(wave, tuple(bars))

    speed = report.method.sandbox_speed or 1.0
    rto = report.rto.rto_seconds
    rto_end = None if rto is None else rto / speed
    return Picture(
        rows=tuple(map(row, report.waves)),
        ticks=tuple((at(since + step * n), step * n) for n in range(int(length / step) + 1)),
        start=at(report.start_time),
        rto=None if rto_end is None or rto_end > length else at(since + rto_end),
    )
