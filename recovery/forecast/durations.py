"""How long servers take to launch, and steps to run, learned from recorded executions."""

from collections.abc import Iterable, Mapping
from statistics import median

from recovery.base_model import Model
from recovery.execution.server import OperatingSystem
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import CONVERSION_SHARE, DEFAULT_SERVER_SECONDS, step_key
from recovery.launch_settings.model import RecoveryMode
from recovery.steps.state import StepStatus

# More would include durations from before the server was changed.
LAUNCHES_REMEMBERED = 5
# Source for Windows: AWS's documentation of DRS, 20 minutes on average.
_SYSTEM_SECONDS = {
    OperatingSystem.LINUX: DEFAULT_SERVER_SECONDS,
    OperatingSystem.WINDOWS: 1200.0,
}


class LearnedDurations(Model):
    """How long servers take, in seconds from acceptance to LAUNCHED.

    Attributes:
        servers: by source server, for those that have launched before.
        systems: by operating system, of all servers that have launched before.
        operating_systems: the operating systems of source servers, as far as they are known.
        fast: by source server, of launches that are known to be in the recovery mode FAST.
        optimal: the same of the mode OPTIMAL.
        steps: by plan, then by `WAVE/STEP`, for those that have succeeded before.
    """

    servers: dict[str, float] = {}
    systems: dict[OperatingSystem, float] = {}
    operating_systems: dict[str, OperatingSystem] = {}
    fast: dict[str, float] = {}
    optimal: dict[str, float] = {}
    steps: dict[str, dict[str, float]] = {}

    def durations_of(self, plan_id: str) -> dict[str, float]:
        """The durations of servers, and of the steps of a plan."""
        return self.durations | self.steps.get(plan_id, {})

    @property
    def durations(self) -> dict[str, float]:
        """By source server: its own duration, otherwise that of its operating system."""
        by_system = _SYSTEM_SECONDS | self.systems
        return {i: by_system[system] for i, system in self.operating_systems.items()} | self.servers

    def with_operating_systems(
        self, operating_systems: Mapping[str, OperatingSystem]
    ) -> "LearnedDurations":
        """The same, with the operating systems of more servers."""
        return self.model_copy(
            update={"operating_systems": {**self.operating_systems, **operating_systems}}
        )


def learn_durations(
    executions: Iterable[ExecutionState],
    modes: Mapping[str, Mapping[str, RecoveryMode]] | None = None,
) -> LearnedDurations:
    """Learn from executions how long servers take.

    Args:
        executions: with their waves, newest first. Drills and recoveries count alike; servers that
            were taken over, or launched before a retry, are ignored.
        modes: by execution and server, the mode of its launch, where it is known.

    Returns:
        The median of each server's latest launches, and of those of all servers of a system; and
        of each step's latest runs.
    """
    launch_seconds: dict[str, list[float]] = {}
    operating_systems: dict[str, OperatingSystem] = {}
    step_seconds: dict[tuple[str, str], list[float]] = {}
    mode_seconds: dict[RecoveryMode, dict[str, list[float]]] = {each: {} for each in RecoveryMode}
    for execution in executions:
        for wave in execution.waves:
            operating_systems = {**wave.operating_systems, **operating_systems}
            for server_id, took in wave.launch_seconds.items():
                # A sandbox's clock runs faster.
                seconds = took * execution.speed
                mode = (modes or {}).get(execution.execution_id, {}).get(server_id)
                if mode is not RecoveryMode.FAST:
                    launch_seconds.setdefault(server_id, []).append(seconds)
                if mode is not None:
                    mode_seconds[mode].setdefault(server_id, []).append(seconds)
            for key, seconds in _steps(wave):
                own = step_seconds.setdefault((execution.plan_id, key), [])
                own.append(seconds * execution.speed)
    # Where drills were FAST, a recovery is not: it also converts the disks.
    with_conversion = {
        i: [each / (1 - CONVERSION_SHARE) for each in times]
        for i, times in mode_seconds[RecoveryMode.FAST].items()
    }
    launch_seconds = with_conversion | launch_seconds
    latest = {i: times[:LAUNCHES_REMEMBERED] for i, times in launch_seconds.items()}
    seconds_of_system: dict[OperatingSystem, list[float]] = {}
    for server_id, times in latest.items():
        if server_id in operating_systems:
            seconds_of_system.setdefault(operating_systems[server_id], []).extend(times)
    steps: dict[str, dict[str, float]] = {}
    for (plan_id, key), times in step_seconds.items():
        steps.setdefault(plan_id, {})[key] = median(times[:LAUNCHES_REMEMBERED])
    return LearnedDurations(
        steps=steps,
        servers={server_id: median(times) for server_id, times in latest.items()},
        systems={system: median(times) for system, times in seconds_of_system.items()},
        operating_systems=operating_systems,
        fast=_medians(mode_seconds[RecoveryMode.FAST]),
        optimal=_medians(mode_seconds[RecoveryMode.OPTIMAL]),
    )


def _medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(each[:LAUNCHES_REMEMBERED]) for name, each in times.items()}


def _steps(wave: WaveState) -> list[tuple[str, float]]:
    return [
        (step_key(wave.wave_id, step.step_id), step.end_time - step.start_time)
        for step in wave.steps
        if step.status is StepStatus.SUCCEEDED
        and not step.is_overridden
        and step.start_time is not None
        and step.end_time is not None
    ]
