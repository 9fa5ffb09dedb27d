"""All open decisions in one list, most urgent first."""

from api.decisions.decision_list import ListedDecision
from client.decisions.inbox import ReadExecution, decisions_of, inbox_of
from client.executions import LastKnownState
from client.overview import ExecutionRow
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision, WaitingFor, WaveStatus
from recovery.operator.pending_decisions import update_open_decisions
from tests.cli.executions import CHAIN, START, begin, put
from tests.cli.step_executions import INSTRUCTION, waiting_step
from tests.recovery.portfolio.test_scheduler import RECOVERY, end, scheduler


def asking(kind: ExecutionType, until: float | None, name: str = "crm") -> ExecutionState:
    """An execution that asks what to do about its failed first wave."""
    state = begin(CHAIN, kind)
    state.plan_id, state.execution_id = name, f"{name}-0f3b52a1c7d9"
    put(state, "Database", WaveStatus.FAILED, "no capacity").ask_until = until
    put(state, "App", WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    update_open_decisions(state, now=START)
    return state


def read(state: ExecutionState, reason: str = "") -> ReadExecution:
    return ReadExecution(ExecutionRow.model_validate(dict(state)), state, reason)


def test_a_decision_says_what_is_asked_until_when_what_follows_and_how_to_answer() -> None:
    (found,) = decisions_of(asking(ExecutionType.RECOVERY, START + 600))
    assert (found.execution_id, found.execution_type) == ("crm-0f3b52a1c7d9", "RECOVERY")
    assert (found.wave_id, found.kind) == ("w0", DecisionKind.FAILURE)
    assert found.asked == "Database FAILED: no capacity"
    assert (found.since, found.deadline, found.acknowledged_by) == (START, START + 600, None)
    assert found.if_unanswered.startswith("Without a decision, App and 1 more wave will not be")
    assert found.commands == [
        "drs-waves retry-wave crm w0",
        "drs-waves accept-wave crm w0",
        "drs-waves skip-wave crm w1",
    ]
    assert found.model_dump(mode="json")["ExecutionId"] == found.execution_id


def test_recoveries_come_first_then_the_nearest_deadline_then_what_nobody_takes_care_of() -> None:
    taken = asking(ExecutionType.RECOVERY, START + 900, "taken")
    by = OperatorDecision(actor="ann", time=START)
    taken.open_decisions[0].acknowledged_by = by
    states = [
        asking(ExecutionType.DRILL, START + 10, "drill"),
        asking(ExecutionType.DRILL, None, "drill-without-limit"),
        taken,
        asking(ExecutionType.RECOVERY, START + 900, "later"),
        asking(ExecutionType.RECOVERY, START + 600, "sooner"),
    ]
    found = inbox_of(map(read, states)).decisions
    names = [each.plan_id for each in found]
    assert names == ["sooner", "later", "taken", "drill", "drill-without-limit"]
    assert found[2].acknowledged_by == by


def test_the_pause_of_an_execution_is_decided_until_the_deadline_of_its_plan() -> None:
    state = begin(CHAIN)
    state.status = PlanStatus.PAUSED
    (found,) = decisions_of(state)
    assert found.asked == "The execution is PAUSED: nothing new is launched"
    assert (found.wave_id, found.since, found.deadline) == (None, None, state.deadline)
    assert found.commands == ["drs-waves resume crm"]


def test_an_execution_that_cannot_be_read_is_listed_with_its_last_known_decisions() -> None:
    known = LastKnownState.of(asking(ExecutionType.DRILL, START + 600), "no worker answers")
    lost = read(begin(CHAIN))
    lost = ReadExecution(lost.row, None, "no worker answers")
    inbox = inbox_of([read(known, "no worker answers"), lost])
    assert [each.recorded_time for each in inbox.decisions] == [known.recorded_time]
    listed = [(each.recorded_time, each.decisions, each.reason) for each in inbox.unread]
    assert listed == [(known.recorded_time, 1, "no worker answers"), (None, None, lost.reason)]
    assert not inbox.is_current
    assert inbox_of([]).is_current


def test_a_manual_step_is_listed_with_its_instruction_deadline_and_commands() -> None:
    (found,) = decisions_of(waiting_step())
    assert (found.kind, found.wave_id, found.step_id) == (DecisionKind.STEP, "cutover", "confirm")
    assert found.manual is not None
    assert found.manual.instruction == INSTRUCTION
    assert found.deadline == START + 15_000
    assert found.commands[0].startswith("drs-waves complete-step crm cutover confirm --output Tic")


def test_what_a_portfolio_itself_waits_for_is_listed_with_what_decides_it() -> None:
    found = scheduler("a", "b: a", kind=RECOVERY)
    end(found, "a", PlanStatus.FAILED)
    (decision,) = inbox_of([], [found.state]).decisions
    assert (decision.kind, decision.plan_id) == (DecisionKind.PLAN, "all")
    assert decision.asked == "B waits for a decision, because A is FAILED"
    assert decision.commands == [
        "drs-waves run --from a-0123456789ab --recovery",
        "drs-waves portfolio accept all a",
    ]
    assert ListedDecision.linked(decision).links.page == "/portfolios/all-0123456789ab"
    found.cancel("over")
    assert inbox_of([], [found.state]).decisions == []
