"""How long a wave is expected to take, from what is known of its servers."""

from collections.abc import Iterable, Mapping

from recovery.plan.model import Wave

# Source: a recorded drill of two small Linux servers, job accepted to last LAUNCH_END.
DEFAULT_SERVER_SECONDS = 540.0
# No server of which nothing is known is up sooner.
EARLIEST_SERVER_SECONDS = 120.0


Durations = Mapping[str, float]


def wave_seconds(wave: Wave, durations: Durations) -> float:
    """Seconds that a wave is expected to take: its slowest server's.

    Args:
        wave: the wave.
        durations: seconds by source server; the default where one is not known.
    """
    return slowest_seconds(wave.server_ids, durations)


def expected_seconds(wave: Wave, durations: Durations) -> float | None:
    """The same, or None if nothing is known of any of its servers."""
    return wave_seconds(wave, durations) if any(i in durations for i in wave.server_ids) else None


def earliest_seconds(wave: Wave, learned: Durations) -> float:
    """Seconds before which none of a wave's servers is expected to be up.

    Args:
        wave: the wave.
        learned: what its own earlier launches tell of a server; what others of its operating
            system take says nothing of how soon it may be up.
    """
    known = (learned.get(server, EARLIEST_SERVER_SECONDS) for server in wave.server_ids)
    return min(known, default=EARLIEST_SERVER_SECONDS)


def slowest_seconds(server_ids: Iterable[str], durations: Durations) -> float:
    known = (durations.get(server, DEFAULT_SERVER_SECONDS) for server in server_ids)
    return max(known, default=0.0)
