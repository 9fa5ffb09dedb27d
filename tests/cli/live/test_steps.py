"""Steps in the live view: what waits for a person first, and the keys that decide about it."""

import time

import pytest
from pydantic import JsonValue

from cli.live.changes import changes
from cli.live.hints import KEYS
from recovery.execution.state import ExecutionState
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import Wave
from recovery.steps.state import StepStatus
from tests.cli.executions import CHAIN, START, begin, wave
from tests.cli.live.test_hints import said, typed
from tests.cli.live.test_view import drawn, watched
from tests.cli.step_executions import CHECKS, CUTOVER, running_steps, step, steps, waiting_step

_KEYS_OF_STEPS = [name for name in MessageName if name.is_about_a_step]


def test_a_running_step_is_below_its_wave_with_its_evidence_and_attempt() -> None:
    shown = drawn(watched(running_steps()), now=START + 700)
    assert (
        "  ▶ RUNNING          promote    SsmAutomation  2:35\n      attempt 2; 3 of 7 steps done\n"
    ) in shown
    assert "every server is launched" not in shown
    wide = drawn(watched(running_steps()), now=START + 700, width=100)
    assert "  ▶ RUNNING          promote    SsmAutomation  2:35  attempt 2; 3 of 7 steps" in wide
    assert "▶ IN_PROGRESS  Database  2/2 up    11:40  1/2 steps, 1 NOT_TESTED" in wide


@pytest.mark.parametrize("width", [80, 100])
def test_a_manual_step_comes_first_with_its_instruction_what_it_asks_and_the_keys(
    width: int,
) -> None:
    shown = drawn(watched(waiting_step()), now=START + 700, width=width, height=40, footer=["q"])
    body = shown.split("\n\n", 1)[1]
    assert body.startswith("NEEDS AN OPERATOR (1)\n▶ IN_PROGRESS  Cutover   0/2 steps     1:40\n")
    text = " ".join(shown.split())
    assert "▶ RUNNING confirm Manual 1:40 waits for an operator" in text
    assert "1 Open the load balancer, see the runbook (https://wiki.example.com/cutover)." in text
    assert "- Ticket (TEXT): the change request" in text
    assert "3 h 58 min to decide (until" in text
    assert "Keys: d complete step · f fail step · k skip step" in text


def test_the_commands_name_the_step_and_what_it_asks_for() -> None:
    assert " ".join(said(waiting_step())).endswith(
        "drs-waves complete-step crm cutover confirm --output Ticket=TEXT "
        "[--output Sessions=NUMBER] --output Confirmed=YES_OR_NO "
        "drs-waves fail-step crm cutover confirm drs-waves skip-step crm cutover confirm"
    )


def test_an_unknown_outcome_asks_whether_it_is_done_or_runs_again() -> None:
    state = waiting_step()
    confirm = step(state, "confirm")
    confirm.status, confirm.manual = StepStatus.OUTCOME_UNKNOWN, None
    confirm.kind, confirm.reason = step(state, "promote").kind, "no answer from SSM"
    lines = said(state, with_keys=True)
    assert "waits for an operator; no answer from SSM" in " ".join(lines)
    assert lines[-1] == "Keys: d complete step · g rerun step · f fail step · k skip step"


def test_no_two_messages_that_are_allowed_at_once_share_a_key() -> None:
    others = {key for name, key in KEYS.items() if name not in _KEYS_OF_STEPS}
    own = [KEYS[name] for name in _KEYS_OF_STEPS]
    assert len(set(own)) == len(own)
    assert not set(own) & (others | {"q", "w", "y"})


async def test_the_key_asks_for_each_input_until_it_is_valid() -> None:
    state = waiting_step()
    sent, _ = await typed(state, "d\rCHG-7\rmany\r12\rmaybe\rYes\rseen\ry")
    outputs: dict[str, JsonValue] = {"Ticket": "CHG-7", "Sessions": 12, "Confirmed": True}
    assert sent == [
        OperatorMessage(
            MessageName.COMPLETE_STEP, "cutover", "seen", step="confirm", outputs=outputs
        )
    ]
    _, prompts = await typed(state, "d\r")
    assert "'': it asks for Ticket" in " ".join(prompts.footer(80))
    _, prompts = await typed(state, "dCHG-7\r\ry\r\r")
    text = " ".join(prompts.footer(80))
    assert 'step confirm counts as done, step announce is next, outputs {"Ticket": "CHG-7"' in text
    sent, _ = await typed(state, "dCHG-7\r\x1b")
    assert sent == []


async def test_a_step_is_skipped_by_its_key_and_the_one_that_waits_is_named_first() -> None:
    state = waiting_step()
    _, prompts = await typed(state, "k")
    assert "1 confirm (RUNNING), 2 announce (PENDING)" in " ".join(prompts.footer(80))
    sent, _ = await typed(state, "k1\rno time\ry")
    assert sent == [OperatorMessage(MessageName.SKIP_STEP, "cutover", "no time", step="confirm")]


def test_each_step_that_begins_ends_or_waits_is_a_line() -> None:
    assert changes(running_steps(), waiting_step()) == [
        "Database: step promote SUCCEEDED attempt 2; 3 of 7 steps done",
        "Database: COMPLETED 2 of 2 launched",
        "Cutover: IN_PROGRESS 0/2 steps",
        "Cutover: step confirm RUNNING waits for an operator",
    ]
    assert changes(waiting_step(), waiting_step()) == []


def thousand_waves_with_steps() -> ExecutionState:
    """A plan of 1,000 waves, of which 100 wait for a person."""
    given = steps([*CHECKS, *CUTOVER])
    waves = [
        Wave(
            wave_id=f"w{n}",
            wave_name=f"Wave {n}",
            region="us-west-2",
            servers=CHAIN.waves[0].servers,
            post_launch_steps=given,
        )
        for n in range(1000)
    ]
    state = begin(CHAIN.model_copy(update={"waves": waves}))
    waiting = step(waiting_step(), "confirm")
    for each in state.waves[:100]:
        each.status, each.has_workflow, each.attempt = (
            wave(running_steps(), "Database").status,
            True,
            1,
        )
        each.steps = [*each.steps[:3], waiting, *each.steps[4:]]
    return state


async def test_a_plan_of_a_thousand_waves_with_steps_is_drawn_at_once() -> None:
    state = thousand_waves_with_steps()
    _, prompts = await typed(state, "")
    shown = watched(state)
    for page in (0, 1):
        shown.page = page
        before = time.process_time()
        drawn(shown, now=START + 700, footer=prompts.footer(80))
        took = time.process_time() - before
        assert took < 1.0
