"""The decisions over all plans: most urgent first, each with what happens without an answer."""

from api.auth.tokens import Principal
from api.pages.overview.open_decisions import open_decisions
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import Decisions, OperatorDecision, WaitingFor, WaveStatus
from tests.cli.executions import CHAIN, START, begin, put, wave

USER = Principal("ops", frozenset(Role))


def asking(kind: ExecutionType, until: float) -> ExecutionState:
    """An execution that asks what to do about its failed first wave."""
    state = begin(CHAIN, kind)
    put(state, "Database", WaveStatus.FAILED, "no capacity").ask_until = until
    put(state, "App", WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    return state


def test_recoveries_come_first_then_the_nearest_deadline() -> None:
    later = asking(ExecutionType.RECOVERY, START + 900)
    sooner = asking(ExecutionType.RECOVERY, START + 600)
    drill = asking(ExecutionType.DRILL, START + 10)
    found = open_decisions([drill, later, sooner], USER)
    assert [each.state for each in found] == [sooner, later, drill]
    assert found[0].decision.deadline == START + 600
    assert found[0].decision.if_unanswered.startswith(
        "Without a decision, App and 1 more wave will not be launched; until"
    )
    assert (
        found[2].decision.if_unanswered
        == "Without a decision, App and 1 more wave will not be launched"
    )


def test_what_was_accepted_needs_nobody() -> None:
    state = asking(ExecutionType.DRILL, START + 10)
    decision = OperatorDecision(actor="ops", time=START)
    wave(state, "Database").decisions = Decisions(accepted_by=decision)
    assert open_decisions([state], USER) == []


def test_an_approval_ends_at_the_deadline_of_the_plan() -> None:
    state = begin(CHAIN)
    database = put(state, "Database", WaveStatus.WAITING)
    database.approval_required, database.waiting_for = True, WaitingFor.APPROVAL
    (found,) = open_decisions([state], USER)
    assert (
        found.decision.if_unanswered
        == "Without a decision, it is not launched, and fails at the plan's deadline"
    )
