"""The steps of a wave in its box, its row, its panel, and in what waits for a person."""

import re
from types import SimpleNamespace
from typing import Any

from api.auth.tokens import Principal
from api.hub import Snapshot
from api.pages.execution.attention import attention, attention_items
from api.pages.execution.execution_renderer import ExecutionRenderer, status_line, summary
from api.pages.execution.wave_panel import wave_panel
from api.pages.overview.open_decisions import open_decisions
from api.pages.rendering import render
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.forecast.timeline import timeline
from recovery.operator.messages import MessageName
from recovery.steps.state import StepOverride, StepStatus
from tests.cli.executions import START, put, wave
from tests.cli.step_executions import (
    changed_record,
    put_back,
    running_steps,
    step,
    waiting_step,
)

USER = Principal("ops", frozenset(Role))
VIEWER = Principal("vic", frozenset({Role.VIEWER}))
NOW = START + 700
HOSTILE = '<b onclick=x>"\u202e</b>'


def panel(state: ExecutionState, wave_id: str, user: Principal = USER) -> str:
    service: Any = SimpleNamespace(web_ui_link=lambda _: None)
    return wave_panel(service, state, wave_id, user)


def parts(state: ExecutionState) -> dict[str, str]:
    return ExecutionRenderer().render(Snapshot(state, NOW, 1)).parts


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def in_doubt() -> ExecutionState:
    """A drill in which it is not known whether the database was promoted."""
    state = running_steps()
    promote = step(state, "promote")
    promote.status, promote.reason = StepStatus.OUTCOME_UNKNOWN, "HTTP 504 from a gateway"
    promote.decide_until, promote.end_time = START + 9000, START + 600
    return state


def test_the_box_counts_the_steps_and_names_the_one_that_runs_with_its_status() -> None:
    box = parts(running_steps())["n0"]
    assert "1/2 steps, 1 NOT_TESTED" in text_of(box)
    assert "▶ RUNNING promote" in text_of(box)
    assert 'class="line step is-running"' in box
    assert "has-steps" not in parts(running_steps())["n1"]


def test_the_box_and_the_row_say_that_a_step_waits_for_an_operator() -> None:
    shown = parts(waiting_step())
    assert 'class="line step is-awaits-operator"' in shown["n3"]
    assert "⚠ RUNNING confirm, waits for an operator" in text_of(shown["n3"])
    assert "launched" not in shown["n3"]
    assert "⚠ confirm waits for an operator" in text_of(shown["r3"])
    assert "0/2 steps" in text_of(shown["r3"])


def test_a_failed_step_comes_before_one_that_is_optional() -> None:
    state = running_steps()
    put(state, "Database", WaveStatus.FAILED, launched=2)
    step(state, "reachable").status = StepStatus.FAILED
    step(state, "reachable").impact = "OPTIONAL"  # type: ignore[assignment]
    step(state, "promote").status = StepStatus.TIMED_OUT
    assert "◷ TIMED_OUT promote" in text_of(parts(state)["n0"])


def test_the_panel_lists_each_step_with_all_that_is_known_of_it() -> None:
    state = running_steps()
    text = text_of(panel(state, "w0"))
    assert "1/2 steps, 1 NOT_TESTED" in text
    assert "reachable Tcp, after launch ✓ SUCCEEDED Result: PASSED" in text
    assert "2 servers accepted, in 3 ms" in text
    assert "took 0:40" in text
    assert "promote SsmAutomation, after launch ▶ RUNNING attempt 2; 3 of 7 steps done" in text
    assert "dns Lambda, after launch ○ NOT_TESTED it runs in a RECOVERY only" in text
    step(state, "promote").decided(StepOverride.COMPLETE, "ada", "I looked", {"Port": 5}, now=NOW)
    text = text_of(panel(state, "w0"))
    assert (
        "✓ SUCCEEDED attempt 2; completed by ada: I looked; left running; before: 3 of 7 steps done"
        in text
    )
    assert "Port 5" in text


def test_only_addresses_of_the_web_become_links_in_the_panel() -> None:
    state = running_steps()
    link = 'href="https://console.aws.amazon.com/ssm/a-1" target="_blank" rel="noopener noreferrer"'
    assert link in panel(state, "w0")
    for address in ("javascript:alert(1)", "data:text/html,x", "exec-1"):
        step(state, "promote").link = address
        html = panel(state, "w0")
        assert "href" not in html
        assert address in html


def test_hostile_texts_of_steps_stay_text_everywhere() -> None:
    state = in_doubt()
    promote = step(state, "promote")
    promote.reason = promote.link = HOSTILE
    promote.outputs = {HOSTILE: [HOSTILE]}
    promote.actor = promote.attempt_id = HOSTILE
    wave(state, "Database").wave_name = HOSTILE
    shown = [*parts(state).values(), panel(state, "w0"), attention(state, USER, now=NOW)]
    decisions = open_decisions([state], USER)
    shown.append(render("all_decisions", decisions=decisions, is_current=True, now=NOW))
    shown.append(render("decisions", decisions=decisions, total=1, unread=0, now=NOW))
    rows = [{"row": state, "error": "", "status": state.status, **summary(state, now=NOW)}]
    shown.append(render("running", rows=rows))
    for html in shown:
        assert "<b" not in re.sub(r"<button|<br", "", html)
        assert "\u202e" not in html


def test_a_manual_step_waits_with_its_instruction_until_when_and_its_buttons() -> None:
    state = waiting_step()
    (item,) = attention_items(state, USER)
    assert [control.label for control in item.controls] == [
        "Complete step confirm",
        "Fail step confirm",
        "Skip step confirm",
    ]
    html = attention(state, USER, now=NOW)
    assert "waits for step <strong>confirm</strong>" in html
    assert "<strong>load balancer</strong>" in html
    assert f'data-until="{START + 15_000}"' in html
    assert "Without a decision, the step fails" in html
    assert 'data-ask="complete_step" data-wave="cutover/confirm"' in html
    assert "<strong>load balancer</strong>" in panel(state, "cutover")
    assert "**" not in html
    assert "disabled" in attention(state, VIEWER, now=NOW)


def test_a_step_in_doubt_says_what_is_not_known_and_what_each_answer_does() -> None:
    state = in_doubt()
    for html in (attention(state, USER, now=NOW), panel(state, "w0")):
        text = text_of(html)
        assert "Whether it had its effect is not known : HTTP 504 from a gateway" in text
        assert "https://console.aws.amazon.com/ssm/a-1" in text
        assert "Run again step promote is run again, as attempt 3; if it had its effect" in text
        assert "Complete step promote counts as done" in text
        assert "Fail step promote has failed; Database is FAILED" in text


def test_all_decisions_name_the_step_and_send_its_address() -> None:
    state = waiting_step()
    decisions = open_decisions([state], USER)
    html = render("all_decisions", decisions=decisions, is_current=True, now=NOW)
    assert f'data-wave="{state.execution_id}/cutover/confirm"' in html
    assert "<strong>load balancer</strong>" in html
    short = render("decisions", decisions=decisions, total=1, unread=0, now=NOW)
    assert "Cutover waits for step <strong>confirm</strong>" in short
    assert "**" not in short


def test_a_failed_wave_offers_answers_about_the_step_that_failed_it() -> None:
    state = running_steps()
    put(state, "Database", WaveStatus.FAILED, "step promote FAILED", launched=2)
    step(state, "promote").status = StepStatus.FAILED
    step(state, "reachable").status = StepStatus.FAILED
    step(state, "reachable").impact = "OPTIONAL"  # type: ignore[assignment]
    labels = [control.label for item in attention_items(state, USER) for control in item.controls]
    assert labels[:2] == ["Retry", "Accept"]
    assert labels[2:5] == ["Complete step promote", "Run step promote again", "Skip step promote"]
    # The panel has the others too.
    assert 'aria-label="Skip step reachable"' in panel(state, "w0")


def test_the_head_does_not_count_down_while_all_waits_for_a_step() -> None:
    state = waiting_step()
    for name in ("App", "Web"):
        put(state, name, WaveStatus.COMPLETED, launched=2, start=START, end=START + 1)
    values = summary(state, now=NOW)
    assert values["left"] == "waits for an operator"
    row = {"row": state, "error": "", "status": state.status, **values}
    assert "Cutover waits for step <strong>confirm</strong> (Manual)" in render(
        "running", rows=[row]
    )
    assert "1 step waiting for an operator" in status_line(state)


def test_the_timeline_has_the_steps_that_began_in_this_execution() -> None:
    state = running_steps()
    step(state, "reachable").start_time = START - 900
    step(state, "reachable").end_time = START - 800
    row = next(r for r in timeline(state, now=NOW).rows if r.wave_id == "w0")
    assert [(name, span.start, span.end) for name, _, span in row.steps] == [("promote", 545, None)]
    assert "is-running" in parts(state)["b0"]


def test_each_step_message_is_about_its_own_step() -> None:
    html = panel(running_steps(), "w0")
    assert f'data-ask="{MessageName.SKIP_STEP}" data-wave="w0/promote"' in html
    assert "w0/dns" not in html


def test_the_panel_says_what_a_manual_step_asks_for_also_after_its_time() -> None:
    state = waiting_step()
    text = text_of(panel(state, "cutover"))
    assert "It asks for: Ticket (TEXT): the change request Sessions (NUMBER, may be left" in text
    confirm = step(state, "confirm")
    confirm.status, confirm.decide_until = StepStatus.TIMED_OUT, None
    step(state, "announce").status = StepStatus.NOT_RUN
    put(state, "Cutover", WaveStatus.FAILED)
    html = panel(state, "cutover")
    assert "<strong>load balancer</strong>" in html
    assert "It asks for:" in html
    assert 'data-ask="complete_step" data-wave="cutover/confirm"' in html


def test_what_a_step_changed_can_be_put_back_until_it_is() -> None:
    state = changed_record()
    text = text_of(panel(state, "cutover"))
    assert "changed old.example.com (TTL 60) → new.example.com (TTL 60)" in text
    button = 'data-ask="revert" data-wave="cutover/announce"'
    assert button in panel(state, "cutover")
    undone = put_back(state, at=START + 900)
    html = panel(undone, "cutover")
    assert button not in html
    assert "by ann : new.example.com (TTL 60) → old.example.com (TTL 60)" in text_of(html)
    state.execution_type = ExecutionType.RECOVERY
    operator = Principal("ops", frozenset({Role.OPERATOR}))
    assert "Needs the admin role" in panel(state, "cutover", operator)
    assert "Needs the admin role" not in panel(state, "cutover")


def test_a_box_of_steps_says_nothing_of_servers() -> None:
    shown = parts(waiting_step())
    assert not any("0/0" in html or "0 of 0" in text_of(html) for html in shown.values())
