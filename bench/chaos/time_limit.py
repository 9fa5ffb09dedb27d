"""How long a drill may take, by the time-outs of its plan."""

from functools import cache

from recovery.plan.model import RecoveryPlan, Wave

# For outages, kills, retries and a machine that others use too.
_SLACK_SECONDS = 600.0
# A stuck launch, and each of these is retried.
_LAUNCH_SECONDS = 4_000.0


def time_limit(plan: RecoveryPlan, *, speed: float) -> float:
    """In seconds: the longest path through its waves, where each step runs out of its time."""

    @cache
    def until(wave_id: str) -> float:
        wave = plan.wave(wave_id)
        return _seconds(wave) + max(map(until, wave.depends_on), default=0.0)

    return _SLACK_SECONDS + max(until(wave.wave_id) for wave in plan.waves) / speed


def _seconds(wave: Wave) -> float:
    launch = _LAUNCH_SECONDS * (1 + wave.retries) if wave.servers else 0.0
    steps = sum(
        (1 + step.retries) * step.timeout_seconds + step.decision_seconds
        for _, step in wave.all_steps
    )
    return launch + steps
