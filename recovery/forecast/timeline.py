"""Planned and actual times of waves on one axis.

Times are wall-clock seconds after the execution's start. In a sandbox that runs faster, planned
times are scaled down.
"""

from dataclasses import dataclass

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.remaining import critical_path, expected_seconds, graph_of
from recovery.steps.state import StepStatus

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
        steps: those that have begun, each with its ID and status.
    """

    wave_id: str
    planned: Span
    actual: Span | None
    steps: tuple[tuple[str, StepStatus, Span], ...] = ()


@dataclass(frozen=True)
class Timeline:
    """All waves, in the order of their planned starts.

    Attributes:
        length: the length of the axis in seconds.
        step: seconds between two ticks.
        planned_seconds: the planned duration of the execution.
        critical_path: the chain of waves that determines the duration.
    """

    rows: tuple[WaveTimes, ...]
    length: float
    step: float
    planned_seconds: float
    critical_path: tuple[str, ...]

    @property
    def ticks(self) -> tuple[float, ...]:
        """The positions of the ticks in seconds."""
        return tuple(self.step * n for n in range(int(self.length / self.step) + 1))


def timeline(state: ExecutionState, *, now: float) -> Timeline:
    """Compute an execution's timeline as of `now` (epoch seconds)."""
    expected = {wave.wave_id: expected_seconds(wave, state.speed) for wave in state.waves}
    planned = graph_of(state).schedule(expected)
    rows = [
        WaveTimes(
            wave.wave_id,
            Span(*planned[wave.wave_id]),
            _actual(wave, since=state.start_time),
            _steps(wave, since=state.start_time),
        )
        for wave in state.waves
    ]
    planned_end = max((row.planned.end or 0.0 for row in rows), default=0.0)
    elapsed = (state.end_time or now) - state.start_time
    ends = [row.actual.end for row in rows if row.actual and row.actual.end is not None]
    running = [elapsed + _REDRAW_SECONDS] if state.end_time is None else []
    length, step = axis(max([planned_end, *ends, *running], default=1.0))
    rows.sort(key=lambda row: row.planned.start)
    return Timeline(tuple(rows), length, step, planned_end, critical_path(state, now=now))


def _actual(wave: WaveState, *, since: float) -> Span | None:
    has_known_end = wave.end_time is not None or wave.running_since is not None
    if wave.start_time is None or not has_known_end:
        return None
    end = None if wave.end_time is None else wave.end_time - since
    return Span(wave.start_time - since, end)


def _steps(wave: WaveState, *, since: float) -> tuple[tuple[str, StepStatus, Span], ...]:
    """When its steps ran; of one that another execution began, only what is in this one."""
    found = []
    for step in wave.steps:
        end = None if step.end_time is None else step.end_time - since
        is_over = end is not None or step.status is not StepStatus.RUNNING
        if step.start_time is None or (is_over and (end is None or end < 0)):
            continue
        found.append((step.step_id, step.status, Span(max(0.0, step.start_time - since), end)))
    return tuple(found)


def axis(longest: float) -> tuple[float, float]:
    """The length and step of an axis for so many seconds; whole steps, so it seldom changes."""
    step = next((s for s in _STEPS if longest * _MARGIN / s <= _MAX_TICKS), _STEPS[-1])
    steps = max(1, -int(-longest * _MARGIN // step))
    return float(steps * step), float(step)
