"""What a wave's workflow is started with and signalled, and what it ends with."""

from recovery.base_model import Model
from recovery.execution.server import OperatingSystem, ServerResult
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import EARLIEST_SERVER_SECONDS
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.plan.model import Wave


class WaveInput(Model):
    """Input of a wave's workflow: its wave and nothing of the others.

    Attributes:
        plan_workflow_id: the workflow that it reports to.
        since: when the execution began (epoch seconds); no job of it is older.
        earlier: what is known of the servers from earlier attempts or an earlier execution; DRS is
            asked about them before anything is launched.
        launch_prefixes: how the launch IDs of those begin; empty if there are none.
        paused: the plan is paused: launch nothing until `resume`.
        launch_before: when the plan's deadline passes (epoch seconds).
        priority: the plan's, 1 the first.
        remaining_seconds: how long the plan is expected to take from this wave on, along its
            longest chain.
        expected: seconds that servers are expected to take, where that is known.
        earliest_seconds: seconds before which none of them is expected to be up.
        operating_systems: of the wave's servers, where DRS says so.
    """

    execution_id: str
    execution_type: ExecutionType
    plan_workflow_id: str
    wave: Wave
    attempt: int
    revision: int
    speed: float
    since: float
    launch_before: float
    relaunch: list[str] = []
    earlier: list[ServerResult] = []
    launch_prefixes: list[str] = []
    paused: bool = False
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    expected: dict[str, float] = {}
    earliest_seconds: float = EARLIEST_SERVER_SECONDS
    operating_systems: dict[str, OperatingSystem] = {}

    @property
    def is_drill(self) -> bool:
        """Whether it belongs to a drill."""
        return self.execution_type is ExecutionType.DRILL


class StopWave(Model):
    """Signal to a wave: launch nothing more, and stop waiting for what was launched."""

    reason: str


class WaveOutcome(Model):
    """What a wave's workflow ends with.

    Attributes:
        wave: its last state, without the servers, which its reports carried.
        recorded_revision: up to which revision the history has the wave.
    """

    wave: WaveState
    recorded_revision: int
