"""Running executions, their open decisions and their launches that wait, as metrics."""

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge

from client.decisions.inbox_reader import InboxState
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaitingFor

# What the launcher of an account and Region makes a wave wait for.
_LAUNCHER = (
    WaitingFor.LAUNCH,
    WaitingFor.QUOTA,
    WaitingFor.RECOVERY,
    WaitingFor.OTHER_JOB,
    WaitingFor.ISOLATION,
)


def add_executions(registry: CollectorRegistry, state: InboxState) -> None:
    """Add what runs and waits; a kind of which there is nothing is 0."""
    executions = Counter(each.row.execution_type for each in state.executions)
    running = Gauge(
        "drs_waves_executions_running", "Executions that run.", ("type",), registry=registry
    )
    for execution_type in ExecutionType:
        running.labels(execution_type).set(executions[execution_type])
    open_decisions = Gauge(
        "drs_waves_decisions_open",
        "What waves and executions wait for people to decide.",
        ("kind", "type"),
        registry=registry,
    )
    decisions = Counter((each.kind, each.execution_type) for each in state.inbox.decisions)
    for kind in DecisionKind:
        for execution_type in ExecutionType:
            open_decisions.labels(kind, execution_type).set(decisions[kind, execution_type])
    waves = [wave for each in state.executions if each.state for wave in each.state.waves]
    waiting = Gauge(
        "drs_waves_waves_waiting", "Waves that wait, by what for.", ("reason",), registry=registry
    )
    waits = Counter(wave.waiting_for for wave in waves)
    for waiting_for in WaitingFor:
        waiting.labels(waiting_for).set(waits[waiting_for])
    Gauge(
        "drs_waves_launcher_queue_servers",
        "Servers whose launches the launchers have, and DRS has not accepted.",
        registry=registry,
    ).set(sum(len(wave.servers) for wave in waves if wave.waiting_for in _LAUNCHER))
    Gauge(
        "drs_waves_executions_unread",
        "Running executions whose state is the last known one, not that of now.",
        registry=registry,
    ).set(len(state.inbox.unread))
