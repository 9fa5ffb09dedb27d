"""How long servers take to launch, learned from executions that were recorded."""

from collections.abc import Iterable
from statistics import median

from recovery.execution import ExecutionState, LaunchStatus, WaveState

# More would hold on to what a server took before it was changed.
LAUNCHES_REMEMBERED = 5


def learned_seconds(executions: Iterable[ExecutionState]) -> dict[str, float]:
    """Seconds from the acceptance of a wave's launch to LAUNCHED, by source server.

    Args:
        executions: with their waves, newest first. Drills and recoveries count alike; what was
            only taken over, or launched before a retry, says nothing and is left out.

    Returns:
        The median of each server's latest launches.
    """
    seen: dict[str, list[float]] = {}
    for execution in executions:
        for wave in execution.waves:
            for server_id, seconds in _launches(wave):
                # A sandbox's clock runs faster.
                seen.setdefault(server_id, []).append(seconds * execution.speed)
    return {server_id: median(times[:LAUNCHES_REMEMBERED]) for server_id, times in seen.items()}


def _launches(wave: WaveState) -> list[tuple[str, float]]:
    if wave.start_time is None:
        return []
    return [
        (server.source_server_id, server.launch_time - wave.start_time)
        for server in wave.servers
        if server.launch_status is LaunchStatus.LAUNCHED
        and not server.taken_over
        and server.launch_time is not None
        and server.launch_time > wave.start_time
    ]
