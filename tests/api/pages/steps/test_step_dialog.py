"""The dialogs about steps: what they ask, what they say, and what they send."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog
from api.pages.execution.controls import action_dialog
from api.pages.plan.start_dialog import steps_text
from api.problems import ApiProblem
from api.service import ExecutionService
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.operator.messages import MessageName
from recovery.operator.step_rules import step_problem
from recovery.steps.state import StepStatus
from tests.api.pages.test_controls import RecordingService
from tests.cli.executions import CHAIN, START, wave
from tests.cli.step_executions import plan_with_steps, running_steps, step, waiting_step

USER = Principal("ops", frozenset(Role))


def dialog_of(
    state: ExecutionState, name: str, about: str, service: RecordingService | None = None
) -> Dialog:
    found = action_dialog(cast(ExecutionService, service or SimpleNamespace()), state, name, about)
    assert found is not None
    return found


async def sent(state: ExecutionState, name: str, about: str, **fields: str) -> Any:
    service = RecordingService()
    dialog = dialog_of(state, name, about, service)
    assert dialog.send is not None
    await dialog.send(USER, {"attempt": "1"} | fields)
    (message,) = service.messages
    return message


def test_a_manual_step_is_completed_with_what_it_asks_for() -> None:
    html = dialog_of(waiting_step(), MessageName.COMPLETE_STEP, "cutover/confirm").html
    assert "Complete step confirm: Cutover" in html
    assert "Step confirm counts as done, step announce is next." in html
    assert "<strong>load balancer</strong>" in html
    fields = re.findall(r'<(?:input|select) name="input:[^>]*>', html)
    assert [re.search("input:([a-zA-Z]+)", each)[1] for each in fields] == [  # type: ignore[index]
        "Ticket",
        "Sessions",
        "Confirmed",
    ]
    assert ["required" in each for each in fields] == [True, False, True]
    assert "autofocus" in fields[0]
    assert 'inputmode="decimal"' in fields[1]
    assert "the change request" in html
    assert html.count("autofocus") == 1


async def test_what_was_entered_is_sent_and_what_was_left_empty_is_not() -> None:
    entered = {
        "input:Ticket": " CHG-7 ",
        "input:Sessions": "",
        "input:Confirmed": "yes",
        "reason": "done",
    }
    message = await sent(waiting_step(), MessageName.COMPLETE_STEP, "cutover/confirm", **entered)
    assert (message.wave, message.step, message.reason) == ("cutover", "confirm", "done")
    assert message.outputs == {"Ticket": "CHG-7", "Confirmed": "yes"}


async def test_what_is_no_number_is_sent_as_it_is_for_the_rules_to_refuse() -> None:
    state = waiting_step()
    entered = {"input:Ticket": "a", "input:Sessions": "many", "input:Confirmed": "no"}
    message = await sent(state, MessageName.COMPLETE_STEP, "cutover/confirm", **entered)
    assert "Sessions must be a number" in step_problem(wave(state, "Cutover"), message)


async def test_other_answers_ask_for_a_reason_only() -> None:
    for name in (MessageName.FAIL_STEP, MessageName.SKIP_STEP):
        state = waiting_step()
        assert "input:" not in dialog_of(state, name, "cutover/confirm").html
        message = await sent(state, name, "cutover/confirm", reason="no")
        assert (message.name, message.step, message.outputs) == (name, "confirm", None)


async def test_an_answer_about_an_earlier_attempt_is_refused() -> None:
    service = RecordingService()
    dialog = dialog_of(waiting_step(), MessageName.COMPLETE_STEP, "cutover/confirm", service)
    assert dialog.send is not None
    for fields in ({"attempt": "7"}, {}):
        with pytest.raises(ApiProblem, match="is in attempt 1 now"):
            await dialog.send(USER, fields)
    assert not service.messages


def test_a_step_that_was_answered_has_no_dialog_any_more() -> None:
    state = waiting_step()
    service = cast(ExecutionService, SimpleNamespace())
    assert action_dialog(service, state, MessageName.RERUN_STEP, "cutover/confirm") is None
    assert action_dialog(service, state, MessageName.COMPLETE_STEP, "cutover/other") is None
    assert action_dialog(service, state, MessageName.COMPLETE_STEP, "cutover") is None
    step(state, "confirm").status, step(state, "confirm").decide_until = StepStatus.SUCCEEDED, None
    assert action_dialog(service, state, MessageName.COMPLETE_STEP, "cutover/confirm") is None


def test_the_dialog_of_a_step_in_doubt_says_what_is_not_known() -> None:
    state = running_steps()
    promote = step(state, "promote")
    promote.status, promote.reason = StepStatus.OUTCOME_UNKNOWN, "no answer <b>"
    promote.decide_until = START + 9000
    html = dialog_of(state, MessageName.RERUN_STEP, "w0/promote").html
    assert "had its effect is <strong>not known</strong>: no answer &lt;b&gt;" in html
    assert "it then has it twice" in html


def test_a_start_says_how_many_steps_it_runs_and_which_it_leaves_out() -> None:
    plan = plan_with_steps()
    assert steps_text(plan, ExecutionType.DRILL) == (
        "4 steps in this DRILL; left out, and so NOT_TESTED: dns of Database"
    )
    assert steps_text(plan, ExecutionType.RECOVERY) == "5 steps in this RECOVERY"
    assert steps_text(CHAIN, ExecutionType.DRILL) == ""
