"""The invariants of a drill: its recorded history must agree with the ledger.

Each check takes a drill record and yields one sentence for each violation. The checks implement
the rules again and do not use the code under test.
"""

from collections.abc import Iterator

from bench.chaos.judge.drill_record import DrillRecord, PlanLedger
from bench.chaos.judge.launch_checks import check_launched_once, check_order
from bench.chaos.judge.once_checks import check_once
from bench.chaos.judge.record_checks import check_servers, check_times, check_waves
from bench.chaos.judge.step_checks import check_steps
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.operator.messages import CANCEL_EXECUTION


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
        *check_once(drill),
    ]


def check_outcome(drill: DrillRecord) -> Iterator[str]:
    """Each execution has ended, its status follows from its waves, and Temporal agrees."""
    ended = [(each.state, each.closed) for each in drill.earlier if not each.was_terminated]
    for state, closed in [*ended, (drill.state, drill.closed)]:
        yield from _check_outcome(state, closed)


def _check_outcome(state: ExecutionState, closed: str) -> Iterator[str]:
    if state.end_time is None:
        yield f"the execution has no recorded end ({state.status})"
    allowed = _outcomes(state)
    if state.status not in allowed:
        statuses = ", ".join(f"{w.wave_id} {w.status}" for w in state.waves)
        yield f"the execution is {state.status}, not {' or '.join(allowed)} ({statuses})"
    closes = {PlanStatus.FAILED: "FAILED", PlanStatus.CANCELLED: "CANCELED"}
    if closed != closes.get(state.status, "COMPLETED"):
        yield f"the execution is {state.status}, but its workflow closed as {closed}"


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
    # Their last messages may not have been recorded.
    cut_off = {each.state.execution_id for each in drill.earlier if each.was_terminated}
    for message in drill.sent:
        if message.execution_id in cut_off or message.name == CANCEL_EXECUTION:
            continue
        kept = [m.accepted for m in drill.messages if m.reason == message.reason]
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
