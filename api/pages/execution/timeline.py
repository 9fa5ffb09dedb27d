"""Planned and actual times of waves on one axis.

Times are wall-clock seconds after the execution's start. In a sandbox that runs faster, planned
times are scaled down.
"""

from dataclasses import dataclass

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS
from recovery.plan.graph import WaveGraph

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MAX_TICKS = 8
_MARGIN = 1.02
# The axis has room for this many seconds, so that it does not change with every second.
_REDRAW_SECONDS = 6.0


@dataclass(frozen=True)
class Span:
    """A start and an end; `end` is None while the wave runs."""

    start: float
    end: float | None


@dataclass(frozen=True)
class WaveTimes:
    """One wave on the timeline.

    Attributes:
        planned: by the graph and the expected durations.
        actual: from DRS's acceptance to the end of the last server; None before the acceptance.
        is_critical: on the critical path.
    """

    wave_id: str
    planned: Span
    actual: Span | None
    is_critical: bool


@dataclass(frozen=True)
class Timeline:
    """All waves, in the order of their planned starts.

    Attributes:
        length: the length of the axis in seconds.
        step: seconds between two ticks.
        planned_seconds: the planned duration of the execution.
    """

    rows: tuple[WaveTimes, ...]
    length: float
    step: float
    planned_seconds: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """The positions of the ticks in seconds."""
        return tuple(self.step * n for n in range(int(self.length / self.step) + 1))


def timeline(state: ExecutionState, *, now: float) -> Timeline:
    """Compute an execution's timeline.

    Args:
        state: the state of the execution.
        now: epoch seconds.
    """
    graph = graph_of(state)
    planned = graph.schedule(planned_seconds(state))
    critical = set(critical_path(state, graph, now=now))
    rows = tuple(
        WaveTimes(
            wave.wave_id,
            Span(*planned[wave.wave_id]),
            _actual(wave, since=state.start_time),
            wave.wave_id in critical,
        )
        for wave in state.waves
    )
    planned_end = max((row.planned.end or 0.0 for row in rows), default=0.0)
    elapsed = (state.end_time or now) - state.start_time
    ends = [row.actual.end for row in rows if row.actual and row.actual.end is not None]
    running = [elapsed + _REDRAW_SECONDS] if state.end_time is None else []
    length, step = _axis(max([planned_end, *ends, *running], default=1.0))
    ordered = sorted(rows, key=lambda row: row.planned.start)
    return Timeline(tuple(ordered), length, step, planned_end)


def planned_seconds(state: ExecutionState) -> dict[str, float]:
    """The expected duration of each wave in wall-clock seconds."""
    return {
        wave.wave_id: (wave.expected_seconds or DEFAULT_SERVER_SECONDS) / state.speed
        for wave in state.waves
    }


def graph_of(state: ExecutionState) -> WaveGraph:
    """The graph of an execution's waves."""
    return WaveGraph({wave.wave_id: wave.depends_on for wave in state.waves})


def critical_path(state: ExecutionState, graph: WaveGraph, *, now: float) -> tuple[str, ...]:
    """The chain of waves that determines the duration of the execution.

    An ended wave counts with its actual duration, a running wave with the longer of its expected
    duration and its time so far, and a settled wave that was never launched with 0.
    """
    planned = planned_seconds(state)
    durations = {
        wave.wave_id: _duration(wave, planned[wave.wave_id], now=now) for wave in state.waves
    }
    return graph.critical_path(durations).waves


def _duration(wave: WaveState, planned: float, *, now: float) -> float:
    if wave.completion_duration is not None:
        return wave.completion_duration
    if wave.status.is_settled:
        return 0.0
    if wave.status is WaveStatus.IN_PROGRESS and wave.start_time is not None:
        return max(planned, now - wave.start_time)
    return planned


def _actual(wave: WaveState, *, since: float) -> Span | None:
    if wave.start_time is None:
        return None
    end = None if wave.end_time is None else wave.end_time - since
    return Span(wave.start_time - since, end)


def _axis(longest: float) -> tuple[float, float]:
    """The length and step of the axis; a whole number of steps, so that it seldom changes."""
    step = next((s for s in _STEPS if longest * _MARGIN / s <= _MAX_TICKS), _STEPS[-1])
    steps = max(1, -int(-longest * _MARGIN // step))
    return float(steps * step), float(step)
