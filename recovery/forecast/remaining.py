"""The remaining time of an execution."""

from recovery.base_model import Model
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS
from recovery.plan.graph import WaveGraph
from recovery.text_format import rounded_duration


def expected_seconds(wave: WaveState, speed: float) -> float:
    """Seconds by the wall clock that a wave of an execution is expected to take."""
    known = wave.expected_seconds
    return (DEFAULT_SERVER_SECONDS if known is None else known) / speed


class Remaining(Model):
    """The remaining time of an execution.

    Attributes:
        seconds: until its last wave is expected to be up.
        overdue: a wave already takes longer than expected, so `seconds` is too short.
        late_wave: the name of the wave that is latest, if one is.
        late_seconds: by how much.
    """

    seconds: float
    overdue: bool
    late_wave: str | None = None
    late_seconds: float = 0.0

    @property
    def text(self) -> str:
        """The estimate as text; with a late wave it is the least that is left."""
        if not self.overdue:
            return f"about {rounded_duration(self.seconds)} left"
        by = rounded_duration(max(1.0, self.late_seconds))
        late = f"{self.late_wave} is {by} later than expected"
        return f"at least {rounded_duration(self.seconds)} left, {late}" if self.seconds else late


def remaining(state: ExecutionState, *, now: float) -> Remaining:
    """Estimate the remaining time of an execution, along the longest chain of open waves.

    Args:
        state: the execution.
        now: epoch seconds.
    """
    left: dict[str, float] = {}
    late = {}
    for wave in state.waves:
        if wave.status.is_settled:
            left[wave.wave_id] = 0.0
            continue
        whole, spent = expected_seconds(wave, state.speed), _elapsed(wave, now=now)
        left[wave.wave_id] = max(0.0, whole - spent)
        # A person is not late.
        if spent > whole and not wave.has_step_for_operator:
            late[wave.wave_name] = spent - whole
    longest = _awaited(state).remaining(left)
    latest = max(late, key=late.__getitem__, default=None)
    return Remaining(
        seconds=max(longest.values(), default=0.0),
        overdue=latest is not None,
        late_wave=latest,
        late_seconds=late[latest] if latest is not None else 0.0,
    )


def critical_path(state: ExecutionState, *, now: float) -> tuple[str, ...]:
    """The chain of waves that determines the duration of an execution.

    An ended wave counts with its actual duration, a running wave with the longer of its expected
    duration and its time so far, and a settled wave that was never launched with 0.

    Args:
        state: the execution.
        now: epoch seconds.
    """
    durations = {wave.wave_id: _duration(wave, state.speed, now=now) for wave in state.waves}
    return graph_of(state).critical_path(durations).waves


def graph_of(state: ExecutionState) -> WaveGraph:
    """The graph of an execution's waves."""
    return WaveGraph({wave.wave_id: wave.depends_on for wave in state.waves})


def _duration(wave: WaveState, speed: float, *, now: float) -> float:
    if wave.total_duration is not None:
        return wave.total_duration
    if wave.status.is_settled:
        return 0.0
    return max(expected_seconds(wave, speed), _elapsed(wave, now=now))


def _awaited(state: ExecutionState) -> WaveGraph:
    """The graph of those dependencies that a wave still waits for."""
    passed = {wave.wave_id for wave in state.waves if wave.releases_dependents}
    return WaveGraph({w.wave_id: [d for d in w.depends_on if d not in passed] for w in state.waves})


def _elapsed(wave: WaveState, *, now: float) -> float:
    if wave.status is not WaveStatus.IN_PROGRESS or wave.start_time is None:
        return 0.0
    return max(0.0, now - wave.start_time)
