"""How long a wave is expected to take, from the durations of its servers and steps."""

from collections.abc import Collection, Iterable, Mapping

from recovery.plan.model import RecoveryPlan, Wave
from recovery.steps.model import Check, Step, StepKind, StepPhase
from recovery.text_format import count, rounded_duration

# Source: a recorded drill of two small Linux servers, job accepted to last LAUNCH_END.
DEFAULT_SERVER_SECONDS = 540.0
# Source: the same drill, 197 s of whose 533 s were the conversion, which RecoveryMode FAST omits.
CONVERSION_SHARE = 197 / 533
# A server without a known duration is not expected earlier.
EARLIEST_SERVER_SECONDS = 120.0
# Of a step that never ran. A check takes as long as passing takes at least.
DEFAULT_STEP_SECONDS = 60.0
DEFAULT_MANUAL_SECONDS = 300.0

Durations = Mapping[str, float]
"""Seconds by source server, and by `WAVE/STEP`; others have the defaults."""


def step_key(wave_id: str, step_id: str) -> str:
    """What a step's duration is found by; no server's ID has a slash."""
    return f"{wave_id}/{step_id}"


def rto_launch_time(
    rto_minutes: int | None, *, since: float, remaining: float, speed: float = 1.0
) -> float | None:
    """When a wave must be launched for its plan to meet its RTO (epoch seconds); None: without one.

    Args:
        rto_minutes: the plan's RTO.
        since: when it counts from (epoch seconds).
        remaining: seconds that the plan is expected to take from the wave on.
        speed: of a sandbox.
    """
    return None if rto_minutes is None else since + (rto_minutes * 60 - remaining) / speed


def wave_seconds(
    wave: Wave, durations: Durations, *, up: Collection[str] = (), is_drill: bool = False
) -> float:
    """Seconds that a wave is expected to take: its steps, and its slowest server.

    Args:
        wave: the wave.
        durations: of servers and steps.
        up: servers that are up already.
        is_drill: whether the steps of a drill count, or else those of a recovery.
    """
    slowest = slowest_seconds((i for i in wave.server_ids if i not in up), durations)
    if wave.servers_by_tag and not wave.servers:
        # Its servers are not looked up yet.
        slowest = DEFAULT_SERVER_SECONDS
    return slowest + sum(steps_seconds(wave, phase, durations, is_drill) for phase in StepPhase)


def steps_seconds(
    wave: Wave, phase: StepPhase, durations: Durations, is_drill: bool = False
) -> float:
    """Seconds that the wave's steps of a phase are expected to take."""
    return sum(
        durations.get(step_key(wave.wave_id, step.step_id), _default_seconds(step))
        for own, step in wave.all_steps
        if own is phase and step.runs_in(is_drill=is_drill)
    )


def defaults_text(unknown: int) -> str:
    """What is assumed of so many steps whose durations are not known."""
    manual = rounded_duration(DEFAULT_MANUAL_SECONDS)
    each = rounded_duration(DEFAULT_STEP_SECONDS)
    return f"{count(unknown, 'step')} assumed to take {each}, manual ones {manual}"


def _default_seconds(step: Step) -> float:
    if step.kind is StepKind.MANUAL:
        return DEFAULT_MANUAL_SECONDS
    if step.kind.acts:
        return DEFAULT_STEP_SECONDS
    check = step.spec
    return check.healthy_threshold * check.interval_seconds if isinstance(check, Check) else 0.0


def expected_durations(plan: RecoveryPlan, durations: Durations) -> dict[str, float]:
    """Seconds that each wave of a plan is expected to take, by WaveId."""
    return {wave.wave_id: wave_seconds(wave, durations) for wave in plan.waves}


def expected_seconds(
    wave: Wave, durations: Durations, *, up: Collection[str] = (), is_drill: bool = False
) -> float | None:
    """Seconds from a wave's StartTime; None if no duration of its servers to launch is known."""
    to_launch = [i for i in wave.server_ids if i not in up]
    if to_launch and not any(i in durations for i in to_launch):
        return None
    before = steps_seconds(wave, StepPhase.PRE_LAUNCH, durations, is_drill)
    return wave_seconds(wave, durations, up=up, is_drill=is_drill) - before


def earliest_seconds(wave: Wave, learned: Durations) -> float:
    """Seconds before which none of a wave's servers is expected to be up.

    Args:
        wave: the wave.
        learned: seconds by source server, from its own earlier launches; an average of other
            servers is no lower bound.
    """
    known = (learned.get(server, EARLIEST_SERVER_SECONDS) for server in wave.server_ids)
    return min(known, default=EARLIEST_SERVER_SECONDS)


def slowest_seconds(server_ids: Iterable[str], durations: Durations) -> float:
    known = (durations.get(server, DEFAULT_SERVER_SECONDS) for server in server_ids)
    return max(known, default=0.0)
