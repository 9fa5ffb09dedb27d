"""The order in which people look at the waves of an execution."""

from enum import StrEnum

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus


class WaveGroup(StrEnum):
    """The groups of waves, in the order in which they are shown."""

    FAILED = "failed"
    """Ended with servers that are not up, optional ones included."""
    RUNNING = "running"
    NEXT = "next"
    """Nothing that it depends on is still to begin."""
    LATER = "later"
    LEFT_OUT = "left-out"
    UP = "up"

    @property
    def heading(self) -> str:
        """Its heading."""
        return _HEADINGS[self]

    @property
    def is_finished(self) -> bool:
        """Whether its waves change no more by themselves, and need nobody."""
        return self in (WaveGroup.LEFT_OUT, WaveGroup.UP)


_HEADINGS = {
    WaveGroup.FAILED: "Ended, not all up",
    WaveGroup.RUNNING: "Running",
    WaveGroup.NEXT: "Next",
    WaveGroup.LATER: "Later",
    WaveGroup.LEFT_OUT: "Skipped or cancelled",
    WaveGroup.UP: "Up",
}
_OF_STATUS = {
    WaveStatus.FAILED: WaveGroup.FAILED,
    WaveStatus.TIMED_OUT: WaveGroup.FAILED,
    WaveStatus.IN_PROGRESS: WaveGroup.RUNNING,
    WaveStatus.COMPLETED: WaveGroup.UP,
    WaveStatus.PARTIAL: WaveGroup.FAILED,
    WaveStatus.SKIPPED: WaveGroup.LEFT_OUT,
    WaveStatus.CANCELLED: WaveGroup.LEFT_OUT,
}


def wave_groups(state: ExecutionState) -> dict[str, WaveGroup]:
    """The group of each wave, by WaveId, in the order of the plan."""
    begun = {w.wave_id for w in state.waves if w.status.is_settled or w.is_running}
    return {wave.wave_id: _group(wave, begun) for wave in state.waves}


def _group(wave: WaveState, begun: set[str]) -> WaveGroup:
    if found := _OF_STATUS.get(wave.status):
        return found
    if wave.is_running:
        return WaveGroup.RUNNING
    return WaveGroup.NEXT if begun.issuperset(wave.depends_on) else WaveGroup.LATER
