"""What a wave's workflow is started with and signalled."""

from recovery.base_model import Model
from recovery.execution.server import OperatingSystem, ServerResult
from recovery.execution.state import ExecutionType
from recovery.forecast.estimates import SOONEST_SERVER_SECONDS
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.plan.model import Wave


class StartWave(Model):
    """Input of a wave's workflow: its wave and nothing of the others.

    Attributes:
        plan_workflow_id: whom to report to.
        since: when the execution began (epoch seconds); no job of it is older.
        earlier: what is known of the servers from earlier attempts or an earlier execution; the
            truth is asked of DRS before anything is launched.
        launch_prefixes: how the launch IDs of those begin; empty when there are none.
        held: the plan is paused: launch nothing until `go_on`.
        launch_before: when the plan's deadline passes (epoch seconds).
        priority: the plan's, 1 the first.
        remaining: seconds that the plan is expected to take from this wave on, along its longest
            chain.
        expected: seconds that servers are expected to take, where that is known.
        soonest: seconds before which none of them is expected to be up.
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
    held: bool = False
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    expected: dict[str, float] = {}
    soonest: float = SOONEST_SERVER_SECONDS
    operating_systems: dict[str, OperatingSystem] = {}


class StopWaiting(Model):
    """Signal to a wave: its plan no longer waits for it."""

    reason: str
