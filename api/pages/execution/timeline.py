"""When waves were planned to run and when they did, on one axis; arithmetic only.

Times are seconds of the wall clock after the execution's start: in a sandbox that runs faster,
what is planned is scaled down.
"""

from dataclasses import dataclass

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS
from recovery.plan.graph import WaveGraph

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_TICKS = 8
_ROOM = 1.02
# A timeline is not drawn anew for so long, while its clock runs on.
_REDRAWN_SECONDS = 6.0


@dataclass(frozen=True)
class Span:
    """From when until when; `end` is None while it goes on."""

    start: float
    end: float | None


@dataclass(frozen=True)
class Times:
    """One wave on the timeline.

    Attributes:
        planned: as the graph and the expected durations have it.
        actual: from DRS's acceptance to its last server's end; None before the first.
        is_critical: on the chain that decides how long the execution takes.
    """

    wave_id: str
    planned: Span
    actual: Span | None
    is_critical: bool


@dataclass(frozen=True)
class Timeline:
    """All waves, those planned first coming first.

    Attributes:
        length: seconds on the axis.
        step: seconds between two ticks.
        planned_seconds: how long the execution was planned to take.
    """

    rows: tuple[Times, ...]
    length: float
    step: float
    planned_seconds: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """Where the axis is marked."""
        return tuple(self.step * n for n in range(int(self.length / self.step) + 1))


def timeline(state: ExecutionState, *, now: float) -> Timeline:
    """Compute an execution's timeline.

    Args:
        state: how it stands.
        now: epoch seconds.
    """
    graph = graph_of(state)
    planned = graph.schedule(planned_seconds(state))
    critical = set(critical_path(state, graph, now=now))
    rows = tuple(
        Times(
            wave.wave_id,
            Span(*planned[wave.wave_id]),
            _actual(wave, since=state.start_time),
            wave.wave_id in critical,
        )
        for wave in state.waves
    )
    whole = max((row.planned.end or 0.0 for row in rows), default=0.0)
    elapsed = (state.end_time or now) - state.start_time
    ends = [row.actual.end for row in rows if row.actual and row.actual.end is not None]
    running = [elapsed + _REDRAWN_SECONDS] if state.end_time is None else []
    length, step = _axis(max([whole, *ends, *running], default=1.0))
    ordered = sorted(rows, key=lambda row: row.planned.start)
    return Timeline(tuple(ordered), length, step, whole)


def planned_seconds(state: ExecutionState) -> dict[str, float]:
    """Wall-clock seconds that each wave is expected to take."""
    return {
        wave.wave_id: (wave.expected_seconds or DEFAULT_SERVER_SECONDS) / state.speed
        for wave in state.waves
    }


def graph_of(state: ExecutionState) -> WaveGraph:
    """The graph of an execution's waves."""
    return WaveGraph({wave.wave_id: wave.depends_on for wave in state.waves})


def critical_path(state: ExecutionState, graph: WaveGraph, *, now: float) -> tuple[str, ...]:
    """The chain that decides how long the execution takes, by what has happened and is expected.

    What has ended counts as long as it took, what runs longer than expected as long as it has
    run, and what was never launched not at all.
    """
    planned = planned_seconds(state)
    durations = {
        wave.wave_id: _lasting(wave, planned[wave.wave_id], now=now) for wave in state.waves
    }
    return graph.critical_path(durations).waves


def _lasting(wave: WaveState, planned: float, *, now: float) -> float:
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
    """An axis that is not drawn anew each second: its length is a whole number of steps."""
    step = next((s for s in _STEPS if longest * _ROOM / s <= _MOST_TICKS), _STEPS[-1])
    steps = max(1, -int(-longest * _ROOM // step))
    return float(steps * step), float(step)
