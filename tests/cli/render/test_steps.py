"""Steps as lines: their rows, their instructions, and what a drill left out."""

import pytest
from rich.cells import cell_len

from cli.render.records import revert_lines
from cli.render.steps import execution_steps, instruction_lines
from cli.render.summary import summary
from cli.render.tables import execution_lines, wave_table
from recovery.execution.wave import WaveStatus
from recovery.plan.fields import Impact
from recovery.steps.state import StepOverride, StepStatus
from tests.cli.executions import CHAIN, START, begin, fail_server, wave
from tests.cli.step_executions import (
    INSTRUCTION,
    changed_record,
    put_back,
    running_steps,
    step,
    waiting_step,
)


def test_an_instruction_is_readable_with_the_addresses_of_its_links() -> None:
    assert instruction_lines(INSTRUCTION, 60) == [
        "Move the traffic",
        "",
        " 1 Open the load balancer, see the runbook",
        "   (https://wiki.example.com/cutover).",
        " 2 Set the weight of the old site to 0, and wait until no",
        "   more requests arrive there.",
        "",
        "Then enter the number of the change.",
    ]


@pytest.mark.parametrize(
    "hostile",
    ["clear &#27;[2J", "turn \u202e around", "[x](javascript:alert(1))", "a\tb\r\nc", "`\u2028`"],
)
def test_an_instruction_cannot_rewrite_the_screen(hostile: str) -> None:
    lines = instruction_lines(hostile, 40)
    assert all(line.isprintable() and cell_len(line) <= 40 for line in lines)


def test_all_steps_are_listed_with_evidence_outputs_links_and_what_was_left_out() -> None:
    lines = execution_steps(waiting_step(), now=START + 700, width=80)
    assert all(cell_len(line) <= 80 for line in lines)
    text = "\n".join(lines)
    assert "Database (w0) COMPLETED  2/2 steps, 1 NOT_TESTED" in text
    assert "✓ SUCCEEDED        reachable  Tcp  0:40  2 servers accepted, in 3 ms" in text
    assert "in SsmAutomation: https://console.aws.amazon.com/ssm/a-1" in text
    assert "Endpoint = db.example.com" in text
    assert "▶ RUNNING          confirm   Manual  1:40  waits for an operator" in text
    assert "- Sessions (NUMBER, may be left out)" in text
    assert lines[-1] == "1 step NOT_TESTED: w0/dns"
    assert execution_steps(begin(CHAIN), now=START, width=80)[-1] == "Its plan has no steps."


def test_an_override_says_who_and_what_the_check_had_found() -> None:
    state = running_steps()
    check = step(state, "reachable")
    check.decided(StepOverride.COMPLETE, "ann@host", "seen by hand", {}, now=START + 600)
    text = "\n".join(execution_steps(state, now=START, width=100))
    assert "check PASSED; completed by ann@host: seen by hand; before: 2 servers" in text


def test_the_history_shows_steps_below_their_waves() -> None:
    lines = execution_lines(waiting_step())
    assert any(line.startswith("  ○ NOT_TESTED       dns") for line in lines)


def test_the_end_names_failed_steps_beside_failed_servers_and_what_was_not_tested() -> None:
    state = running_steps()
    database = wave(state, "Database")
    database.status = WaveStatus.PARTIAL
    fail_server(database, 1, "no capacity")
    promote = step(state, "promote")
    promote.status, promote.impact = StepStatus.FAILED, Impact.OPTIONAL
    lines = summary(state)
    assert "  Database: step promote FAILED: 3 of 7 steps done" in lines
    assert "  1 step NOT_TESTED: w0/dns" in lines


def test_what_a_step_changed_is_shown_and_who_put_it_back() -> None:
    change = "old.example.com (TTL 60) → new.example.com (TTL 60)"
    back = "new.example.com (TTL 60) → old.example.com (TTL 60)"
    state = changed_record()
    text = "\n".join(execution_steps(state, now=START + 700, width=200))
    assert "change C1 is INSYNC" in text
    assert f"changed {change}" in text
    assert "put back" not in text
    assert revert_lines(state) == [
        "1 change of DNS or routing controls stays; to put back what was there before:",
        f"  drs-waves revert {state.execution_id} cutover/announce",
    ]
    undone = put_back(state, at=START + 900)
    text = "\n".join(execution_steps(undone, now=START + 1000, width=200))
    assert f"by ann: {back}" in text
    assert "; put back since" in text
    assert revert_lines(undone) == []
    # It ran again since.
    again = put_back(state, at=START + 620)
    assert revert_lines(again) == revert_lines(state)
    assert "put back since" not in "\n".join(execution_steps(again, now=START, width=200))


def test_a_wave_without_servers_shows_its_steps_and_no_servers() -> None:
    rows = wave_table(waiting_step().waves)
    assert any("Cutover" in row and "0/2 steps" in row for row in rows)
    assert not any("0/0" in row for row in rows)


def test_a_manual_step_that_timed_out_still_shows_its_instruction() -> None:
    state = waiting_step()
    confirm = step(state, "confirm")
    confirm.status, confirm.decide_until = StepStatus.TIMED_OUT, None
    text = "\n".join(execution_steps(state, now=START + 20_000, width=80))
    assert "Open the load balancer" in text
    assert "- Ticket (TEXT): the change request" in text


def test_no_address_is_broken_where_there_is_no_terminal() -> None:
    address = "https://wiki.example.com/" + "cutover/" * 30
    long = f"Read {address}"
    assert any(address in line for line in instruction_lines(long, 4096))
    assert max(map(len, instruction_lines("---\n\nRead", 4096))) <= 100
    state = running_steps()
    wave(state, "Database").steps[0].link = address
    assert any(line.endswith(address) for line in execution_steps(state, now=START, width=4096))
