"""The timeline of a report as a picture: positions on one axis, from the declaration on.

Durations are those of DRS: in a sandbox, the sandbox's multiplied by its speed.
"""

from dataclasses import dataclass

from recovery.forecast.timeline import axis
from recovery.report.model import ExecutionReport, ReportedWave
from recovery.report.portfolio import PortfolioReport, ReportedMember

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
    speed = report.method.sandbox_speed or 1.0
    length, step = axis((max([now, *ends]) - since) * speed)

    def at(moment: float) -> float:
        return _position((moment - since) * speed, length)

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

    return Picture(
        rows=tuple(map(row, report.waves)),
        ticks=_ticks(length, step),
        start=at(report.start_time),
        rto=_rto(report.rto.rto_seconds, length),
    )


@dataclass(frozen=True)
class PlanRow:
    """A plan of a portfolio with its bar.

    Attributes:
        rto: where its RTO ends; None if it is not within the picture.
    """

    name: str
    status: str
    bars: tuple[Bar, ...]
    rto: float | None


@dataclass(frozen=True)
class PortfolioPicture:
    """The timeline of a portfolio; `ticks` as in `Picture`."""

    rows: tuple[PlanRow, ...]
    ticks: tuple[tuple[float, float], ...]


def portfolio_picture(report: PortfolioReport) -> PortfolioPicture:
    """The timeline of a portfolio."""
    speed, since = report.sandbox_speed or 1.0, report.since
    now = report.end_time if report.end_time is not None else report.generated_time
    reports = [each.report for each in report.plans if each.report is not None]
    ends = [each.end_time for each in reports if each.end_time is not None]
    length, step = axis((max([now, *ends]) - since) * speed)

    def row(member: ReportedMember) -> PlanRow:
        found, bars = member.report, []
        if found is not None:
            left = _position((found.start_time - since) * speed, length)
            right = _position(((found.end_time or now) - since) * speed, length)
            width = max(_LEAST, round(right - left, 1))
            bars.append(Bar("runs", member.status, left, width, str(member.status)))
        rto = None if found is None else _rto(found.rto.rto_seconds, length)
        return PlanRow(member.plan_name, str(member.status), tuple(bars), rto)

    return PortfolioPicture(tuple(map(row, report.plans)), _ticks(length, step))


def _position(seconds: float, length: float) -> float:
    return round(max(0.0, min(WIDTH, WIDTH * seconds / length)), 1)


def _ticks(length: float, step: float) -> tuple[tuple[float, float], ...]:
    return tuple((_position(step * n, length), step * n) for n in range(int(length / step) + 1))


def _rto(seconds: float | None, length: float) -> float | None:
    return None if seconds is None or seconds > length else _position(seconds, length)
