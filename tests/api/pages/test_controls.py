"""The controls of an execution's page and their dialogs follow the rules of the workflow."""

from types import SimpleNamespace
from typing import Any, cast

from api.auth.tokens import Principal
from api.pages.execution.attention import attention_items
from api.pages.execution.controls import CANCEL, action_dialog, controls
from api.service import ExecutionService
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from settings import Role
from tests.cli.executions import DIAMOND, START, begin, put, wave

USER = Principal("ops", frozenset(Role))
LAUNCHES = ["crm-1/w0/1/0", "crm-1/w0/1/1"]
JOB = "drsjob-0123456789abcdef0"


class RecordingService:
    """A service that records the messages instead of sending them."""

    def __init__(self) -> None:
        self.messages: list[OperatorMessage] = []

    async def send_message(
        self, _caller: Principal, _execution_id: str, message: OperatorMessage
    ) -> str:
        self.messages.append(message)
        return "done"


def in_doubt(launches: list[str]) -> ExecutionState:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.WAITING).has_workflow = True
    wave(state, "Database").launches_in_doubt = launches
    return state


def html_of(state: ExecutionState, name: str, wave_id: str | None) -> str:
    dialog = action_dialog(cast(ExecutionService, SimpleNamespace()), state, name, wave_id)
    assert dialog is not None
    return dialog.html


async def test_an_answer_goes_to_the_launch_that_was_chosen() -> None:
    state, service = in_doubt(LAUNCHES), RecordingService()
    names = [each.name for each in controls(state, USER, wave(state, "Database"))]
    assert {MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY} <= set(names)
    [item] = attention_items(state, USER)
    assert [o.name for o in item.controls] == [MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY]
    dialog = action_dialog(cast(ExecutionService, service), state, MessageName.ADOPT_JOB, "w0")
    assert dialog is not None
    assert dialog.send is not None
    assert all(f"<option>{each}</option>" in dialog.html for each in LAUNCHES)
    await dialog.send(USER, {"job": JOB, "launch": LAUNCHES[1], "answer": "yes"})
    [message] = service.messages
    assert (message.job, message.launch) == (JOB, LAUNCHES[1])


def test_the_only_launch_in_doubt_needs_no_choice() -> None:
    html = html_of(in_doubt(LAUNCHES[:1]), MessageName.LAUNCH_ANYWAY, "w0")
    assert f'type="hidden" name="launch" value="{LAUNCHES[0]}"' in html
    assert "<select" not in html


def test_an_approval_dialog_offers_the_allowed_answers() -> None:
    state = begin(DIAMOND)
    web = put(state, "Web", WaveStatus.WAITING)
    assert (
        action_dialog(
            cast(ExecutionService, SimpleNamespace()), state, MessageName.APPROVE_WAVE, "w3"
        )
        is None
    )
    web.approval_required, web.waiting_for = True, WaitingFor.APPROVAL
    both = html_of(state, MessageName.APPROVE_WAVE, "w3")
    assert 'value="yes"' in both
    assert 'value="refuse"' in both
    web.decisions = Decisions(approved_by=OperatorDecision(actor="ops", time=START))
    withdrawal = html_of(state, MessageName.APPROVE_WAVE, "w3")
    assert 'value="yes"' not in withdrawal
    assert 'value="refuse"' in withdrawal


def test_after_a_retry_while_paused_the_page_offers_no_skip() -> None:
    state = begin(DIAMOND)
    state.status = PlanStatus.PAUSED
    retried = put(state, "Database", WaveStatus.WAITING)
    retried.attempt, retried.waiting_for = 1, WaitingFor.RESUME
    assert controls(state, USER, retried) == []
    paused: Any = attention_items(state, USER)[0]
    assert [o.name for o in paused.controls] == [MessageName.RESUME]


def test_only_a_recovery_is_cancelled_with_its_plan_id() -> None:
    for kind, typed in ((ExecutionType.RECOVERY, True), (ExecutionType.DRILL, False)):
        assert ('name="typed"' in html_of(begin(DIAMOND, kind), CANCEL, None)) is typed
