"""The invariants of a drill: its recorded history must agree with the ledger.

Each check takes a drill record and yields one sentence for each violation. The checks implement
the rules again and do not use the code under test.
"""

from collections.abc import Iterator

from bench.chaos.drill_record import DrillRecord, PlanLedger
from bench.chaos.launch_checks import check_launched_once, check_order
from bench.chaos.record_checks import check_servers, check_times, check_waves
from bench.chaos.step_checks import check_steps
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus


def check(drill: DrillRecord) -> list[str]:
    """Return the violations of a drill that has ended, before its clean-up."""
    return [
        *check_launched_once(drill),
        *check_order(drill),
        *check_waves(drill),
        *check_servers(drill),
        *check_times(drill),
        *check_outcome(drill),
        *check_messages(drill),
        *check_steps(drill),
    ]


def check_outcome(drill: DrillRecord) -> Iterator[str]:
    """The execution has ended, its status follows from its waves, and Temporal agrees."""
    state = drill.state
    if state.end_time is None:
        yield f"the execution has no recorded end ({state.status})"
    allowed = _outcomes(state)
    if state.status not in allowed:
        statuses = ", ".join(f"{w.wave_id} {w.status}" for w in state.waves)
        yield f"the execution is {state.status}, not {' or '.join(allowed)} ({statuses})"
    closes = {PlanStatus.FAILED: "FAILED", PlanStatus.CANCELLED: "CANCELED"}
    if drill.closed != closes.get(state.status, "COMPLETED"):
        yield f"the execution is {state.status}, but its workflow closed as {drill.closed}"


def _outcomes(state: ExecutionState) -> list[PlanStatus]:
    """The statuses that are possible with these waves."""
    if any(m.name == "cancel" and m.accepted for m in state.messages):
        return [PlanStatus.CANCELLED]
    broken = {w.wave_id for w in state.waves if w.status.has_failed and not w.decisions.accepted_by}
    skipped = [w for w in state.waves if w.status is WaveStatus.SKIPPED]
    if broken or any(broken.intersection(w.caused_by) for w in skipped):
        return [PlanStatus.FAILED]
    short = (WaveStatus.PARTIAL, WaveStatus.CANCELLED, WaveStatus.SKIPPED)
    partial = any(w.status in short or w.decisions.accepted_by for w in state.waves)
    as_recorded = PlanStatus.PARTIAL if partial else PlanStatus.COMPLETED
    # A late wave may end after the plan.
    late = any(w.late for w in state.waves)
    return [as_recorded, PlanStatus.FAILED] if late else [as_recorded]


def check_messages(drill: DrillRecord) -> Iterator[str]:
    """Every accepted message is in the history; a rejected update leaves no record."""
    for message in drill.sent:
        kept = [m.accepted for m in drill.state.messages if m.reason == message.reason]
        if message.accepted and True not in kept:
            yield f"{message.name} ({message.reason}) was accepted, but the history does not say so"
        if message.accepted is False and True in kept:
            yield f"{message.name} ({message.reason}) was rejected, but the history has it accepted"


def check_cleaned_up(plan_ledger: PlanLedger) -> list[str]:
    """After the clean-up, no instance of the drill exists."""
    return [
        f"{instance_id} of {server_id} exists after the clean-up"
        for server_id, instances in plan_ledger.instances_up.items()
        for instance_id in instances
    ]
