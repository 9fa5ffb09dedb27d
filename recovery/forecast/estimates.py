"""How long a wave is expected to take, from its servers' durations."""

from collections.abc import Collection, Iterable, Mapping

from recovery.plan.model import RecoveryPlan, Wave

# Source: a recorded drill of two small Linux servers, job accepted to last LAUNCH_END.
DEFAULT_SERVER_SECONDS = 540.0
# A server without a known duration is not expected earlier.
EARLIEST_SERVER_SECONDS = 120.0


Durations = Mapping[str, float]


def wave_seconds(wave: Wave, durations: Durations, *, up: Collection[str] = ()) -> float:
    """Seconds that a wave is expected to take: those of its slowest server.

    Args:
        wave: the wave.
        durations: seconds by source server; others have the default.
        up: servers that are up already.
    """
    return slowest_seconds((i for i in wave.server_ids if i not in up), durations)


def expected_durations(plan: RecoveryPlan, durations: Durations) -> dict[str, float]:
    """Seconds that each wave of a plan is expected to take, by WaveId."""
    return {wave.wave_id: wave_seconds(wave, durations) for wave in plan.waves}


def expected_seconds(wave: Wave, durations: Durations, *, up: Collection[str] = ()) -> float | None:
    """The same, or None if no duration of its servers that are not up is known."""
    to_launch = [i for i in wave.server_ids if i not in up]
    is_known = not to_launch or any(i in durations for i in to_launch)
    return wave_seconds(wave, durations, up=up) if is_known else None


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
