"""What DRS says of the servers of an execution, and how long its waves are expected to take."""

from collections.abc import Mapping

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.execution import StartExecution
    from recovery.execution.server import OperatingSystem
    from recovery.execution.state import ExecutionState, ExecutionType
    from recovery.execution.wave import WaveState, next_revision
    from recovery.forecast.estimates import expected_seconds, wave_seconds
    from recovery.forecast.fast_mode import optimal_seconds
    from recovery.plan.model import Wave


class Expectations:
    """The expected durations of servers and waves.

    Attributes:
        durations: seconds that servers are expected to take, by source server.
        remaining: by WaveId, the plan's duration from the wave's start, along its longest chain.
    """

    def __init__(self, start: StartExecution, state: ExecutionState) -> None:
        self._start = start
        self._state = state
        self._is_drill = state.execution_type is ExecutionType.DRILL
        self.update({}, {})

    def update(
        self, operating_systems: Mapping[str, OperatingSystem], names: Mapping[str, str]
    ) -> None:
        """Name the servers, and estimate how long waves take with these operating systems."""
        start = self._start
        self.durations = (
            start.learned.with_operating_systems(operating_systems).durations_of(start.plan.plan_id)
            | start.expected
        )
        for planned, wave in zip(start.plan.waves, self._state.waves, strict=True):
            systems = {
                i: operating_systems[i] for i in planned.server_ids if i in operating_systems
            }
            named = {i: names[i] for i in planned.server_ids if i in names}
            if (systems, named) != (wave.operating_systems, wave.server_names) and wave.revision:
                # An operator's message came before, so the history already has the wave.
                wave.revision = next_revision(wave.revision, workflow.time())
            wave.operating_systems, wave.server_names = systems, named
            known = optimal_seconds(start.plan, planned, start.learned) if self._is_drill else {}
            # A sandbox's clock runs faster.
            wave.optimal_seconds = {i: s and s / self._state.speed for i, s in known.items()}
        self.update_remaining()

    def update_wave(self, planned: Wave, wave: WaveState) -> None:
        """Estimate how long a wave takes from now on; what is up takes no time."""
        up = wave.launched_ids
        wave.expected_seconds = expected_seconds(
            planned, self.durations, up=up, is_drill=self._is_drill
        )

    def update_remaining(self) -> None:
        """Estimate how long the plan takes from now on."""
        waves = list(zip(self._start.plan.waves, self._state.waves, strict=True))
        for planned, wave in waves:
            self.update_wave(planned, wave)
        self.remaining = self._start.plan.graph.remaining(
            {
                w.wave_id: wave_seconds(
                    w, self.durations, up=s.launched_ids, is_drill=self._is_drill
                )
                for w, s in waves
            }
        )
