"""How long waves are expected to take, and how long an execution still needs."""

from dataclasses import dataclass

from recovery.execution import ExecutionState, WaveState, WaveStatus
from recovery.plan import RecoveryPlan

# Source: a recorded drill of two small Linux servers, job accepted to last LAUNCH_END.
EXPECTED_WAVE_SECONDS = 540.0


def expected_durations(plan: RecoveryPlan) -> dict[str, float]:
    """Seconds that each wave of a plan is expected to take, by WaveId."""
    return {wave.wave_id: EXPECTED_WAVE_SECONDS for wave in plan.waves}


@dataclass(frozen=True)
class Remaining:
    """What an execution still needs.

    Attributes:
        seconds: until its last wave is expected to be up.
        overdue: a wave already takes longer than expected, so `seconds` is too short.
    """

    seconds: float
    overdue: bool


def remaining(plan: RecoveryPlan, state: ExecutionState, *, now: float) -> Remaining:
    """Estimate what is left of an execution, along the longest chain of open waves.

    Args:
        plan: the plan that runs.
        state: how it stands.
        now: epoch seconds.
    """
    expected = expected_durations(plan)
    left: dict[str, float] = dict.fromkeys(expected, 0.0)
    overdue = False
    for wave in state.waves:
        if wave.status.is_settled or wave.wave_id not in expected:
            continue
        whole = expected[wave.wave_id] / state.speed
        spent = _elapsed(wave, now=now)
        left[wave.wave_id] = max(0.0, whole - spent)
        overdue = overdue or spent > whole
    return Remaining(max(plan.graph.remaining(left).values(), default=0.0), overdue)


def _elapsed(wave: WaveState, *, now: float) -> float:
    if wave.status is not WaveStatus.IN_PROGRESS or wave.start_time is None:
        return 0.0
    return max(0.0, now - wave.start_time)
