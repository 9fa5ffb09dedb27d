"""Executions in all states, for tests of what is shown."""

from collections.abc import Sequence

from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave

START = 1_795_449_841.0


def server_id(number: int) -> str:
    """Return a well-formed source server ID."""
    return f"s-{number:017x}"


def plan_of(waves: dict[str, Sequence[str]], *, servers: int = 2) -> RecoveryPlan:
    """Return a plan whose waves are named by the keys and wait for the waves in the values."""
    ids = {name: f"w{number}" for number, name in enumerate(waves)}
    return RecoveryPlan(
        plan_id="crm",
        plan_name="CRM",
        region="us-west-2",
        waves=[
            Wave(
                wave_id=ids[name],
                wave_name=name,
                region="us-west-2",
                servers=[
                    Server(source_server_id=server_id(number * servers + each))
                    for each in range(servers)
                ],
                dependencies=[Dependency(depends_on_wave_id=ids[each]) for each in after],
            )
            for number, (name, after) in enumerate(waves.items())
        ],
    )


CHAIN = plan_of({"Database": [], "App": ["Database"], "Web": ["App"]})
DIAMOND = plan_of(
    {"Database": [], "App1": ["Database"], "App2": ["Database"], "Web": ["App1", "App2"]}
)


def begin(
    plan: RecoveryPlan, execution_type: ExecutionType = ExecutionType.DRILL
) -> ExecutionState:
    """Return the state of an execution that has just begun."""
    return ExecutionState.begin(
        plan,
        execution_id="crm-0f3b52a1c7d9",
        execution_type=execution_type,
        started_by="ops@host",
        now=START,
    )


def wave(state: ExecutionState, name: str) -> WaveState:
    """Return the wave of this name."""
    return next(each for each in state.waves if each.wave_name == name)


def put(
    state: ExecutionState,
    name: str,
    status: WaveStatus,
    reason: str = "",
    *,
    launched: int = 0,
    start: float | None = None,
    end: float | None = None,
    verified: Verified | None = Verified.YES,
) -> WaveState:
    """Change a wave of the execution, and return it."""
    changed = wave(state, name)
    changed.status, changed.status_reason = status, reason
    changed.start_time, changed.end_time = start, end
    if start is not None and end is not None:
        changed.completion_duration = end - start
    changed.servers = [
        server.model_copy(update={"launch_status": LaunchStatus.LAUNCHED, "verified": verified})
        if number < launched
        else server
        for number, server in enumerate(changed.servers)
    ]
    return changed


def fail_server(changed: WaveState, place: int, reason: str) -> ServerResult:
    """Let a server of a wave fail, and return it."""
    failed = changed.servers[place].failed(reason, at=START)
    changed.servers = [*changed.servers[:place], failed, *changed.servers[place + 1 :]]
    return failed
