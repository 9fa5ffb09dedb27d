"""How long servers take to launch, learned from executions that were recorded."""

from collections.abc import Iterable, Mapping
from statistics import median

from recovery.base_model import Model
from recovery.execution.server import LaunchStatus, OperatingSystem
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS

# More would hold on to what a server took before it was changed.
LAUNCHES_REMEMBERED = 5
# Source for Windows: AWS's documentation of DRS, 20 minutes on average.
_SYSTEM_SECONDS = {
    OperatingSystem.LINUX: DEFAULT_SERVER_SECONDS,
    OperatingSystem.WINDOWS: 1200.0,
}


class LearnedDurations(Model):
    """What is known of how long servers take, in seconds from acceptance to LAUNCHED.

    Attributes:
        servers: by source server, for those that have launched before.
        systems: by operating system, of all servers that have launched before.
        system_of: the operating systems of source servers, as far as they are known.
    """

    servers: dict[str, float] = {}
    systems: dict[OperatingSystem, float] = {}
    system_of: dict[str, OperatingSystem] = {}

    @property
    def durations(self) -> dict[str, float]:
        """By source server: its own, or else that of its operating system."""
        by_system = _SYSTEM_SECONDS | self.systems
        return {i: by_system[system] for i, system in self.system_of.items()} | self.servers

    def knowing(self, system_of: Mapping[str, OperatingSystem]) -> "LearnedDurations":
        """The same, with the operating systems of more servers."""
        return self.model_copy(update={"system_of": {**self.system_of, **system_of}})


def learned(executions: Iterable[ExecutionState]) -> LearnedDurations:
    """What executions tell of how long servers take.

    Args:
        executions: with their waves, newest first. Drills and recoveries count alike; what was
            only taken over, or launched before a retry, says nothing and is left out.

    Returns:
        The median of each server's latest launches, and of those of all servers of a system.
    """
    seen: dict[str, list[float]] = {}
    system_of: dict[str, OperatingSystem] = {}
    for execution in executions:
        for wave in execution.waves:
            system_of = {**wave.operating_systems, **system_of}
            for server_id, seconds in _launches(wave):
                # A sandbox's clock runs faster.
                seen.setdefault(server_id, []).append(seconds * execution.speed)
    latest = {i: times[:LAUNCHES_REMEMBERED] for i, times in seen.items()}
    of_system: dict[OperatingSystem, list[float]] = {}
    for server_id, times in latest.items():
        if server_id in system_of:
            of_system.setdefault(system_of[server_id], []).extend(times)
    return LearnedDurations(
        servers={server_id: median(times) for server_id, times in latest.items()},
        systems={system: median(times) for system, times in of_system.items()},
        system_of=system_of,
    )


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
