"""The table of open decisions fits 80 columns, and cuts no command."""

from rich.cells import cell_len

from cli.decisions.table import inbox_lines
from client.decisions.inbox import Inbox, ReadExecution, inbox_of
from client.executions import LastKnownState
from recovery.execution.state import ExecutionType
from recovery.execution.wave import OperatorDecision
from recovery.text_format import clock_time
from tests.cli.executions import CHAIN, START, begin
from tests.cli.step_executions import waiting_step
from tests.client.decisions.test_inbox import asking, read


def lines(inbox: Inbox, now: float = START + 720) -> list[str]:
    found = inbox_lines(inbox, now=now, width=80)
    assert max(map(cell_len, found)) <= 80
    return found


def test_a_decision_is_a_row_with_its_details_below() -> None:
    state = asking(ExecutionType.RECOVERY, START + 3 * 3600)
    assert lines(inbox_of([read(state)])) == [
        "1 open decision of 1 execution",
        "",
        "TYPE      PLAN  WAVE      TO DECIDE   WHO HAS IT",
        "RECOVERY  crm   Database  2 h 48 min  nobody",
        "    Database FAILED: no capacity",
        f"    Open for 12 min, until {clock_time(START + 3 * 3600)}",
        "    Without a decision, App and 1 more wave will not be launched; until the",
        "    plan's deadline, a later answer still launches them",
        "    drs-waves retry-wave crm w0",
        "    drs-waves accept-wave crm w0",
        "    drs-waves skip-wave crm w1",
        "",
        "`drs-waves acknowledge PLAN` shows everybody that you take care of them.",
    ]


def test_who_has_it_is_in_the_row_and_since_when_below() -> None:
    state = asking(ExecutionType.DRILL, None, "plan-with-a-name-too-long-for-a-column")
    act = OperatorDecision(actor="ann.of.the.storage.team@example.com", time=START)
    state.open_decisions[0].acknowledged_by = act
    found = lines(inbox_of([read(state)]))
    assert found[3].endswith("no limit   ann.of.the.stor…")
    assert f"    {act.actor} has it since {clock_time(START)}" in found
    assert f"    drs-waves retry-wave {state.plan_id} w0" in found


def test_what_is_not_known_is_said_under_its_reason() -> None:
    assert lines(inbox_of([])) == ["No execution waits for a decision."]
    known = LastKnownState.of(asking(ExecutionType.DRILL, START + 7200), "no worker answers")
    lost = ReadExecution(read(begin(CHAIN)).row, None, "no worker answers")
    found = lines(inbox_of([read(known, "no worker answers"), lost]))
    assert "LAST KNOWN STATE, of" in found[4]
    at = found.index("STATE UNKNOWN of 2 running executions: no worker answers")
    assert " ".join(" ".join(found[at + 1 :]).split()).endswith(
        "1 open decision DRILL crm-0f3b52a1c7d9: nothing is recorded"
    )
    assert lines(inbox_of([lost]))[0] == "No decision is known to be open."


def test_a_manual_step_has_its_instruction_readable_above_its_commands() -> None:
    found = lines(inbox_of([read(waiting_step())]))
    assert found[4:7] == [
        "    Cutover waits for step confirm:",
        "      Move the traffic",
        "",
    ]
    assert "      - Ticket (TEXT): the change request" in found
