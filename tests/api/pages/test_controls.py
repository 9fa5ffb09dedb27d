"""The buttons of an execution's page and what they ask, by the rules that the handler asks too."""

from types import SimpleNamespace
from typing import Any, cast

from api.auth.tokens import Principal
from api.pages.execution.attention import matters
from api.pages.execution.controls import CANCEL, ask, offers
from api.service import House
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import Decisions, OperatorAct, WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from settings import Role
from tests.cli.executions import DIAMOND, START, begin, put, wave

READER = Principal("ops", frozenset(Role))
LAUNCHES = ["crm-1/w0/1/0", "crm-1/w0/1/1"]
JOB = "drsjob-0123456789abcdef0"


class Told:
    """A service that keeps what it was asked to send."""

    def __init__(self) -> None:
        self.messages: list[OperatorMessage] = []

    async def tell(self, _caller: Principal, _execution_id: str, message: OperatorMessage) -> str:
        self.messages.append(message)
        return "done"


def in_doubt(launches: list[str]) -> ExecutionState:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.WAITING).handed_over = True
    wave(state, "Database").launches_in_doubt = launches
    return state


def html_of(state: ExecutionState, name: str, wave_id: str | None) -> str:
    dialog = ask(cast(House, SimpleNamespace()), state, name, wave_id)
    assert dialog is not None
    return dialog.html


async def test_an_answer_goes_to_the_launch_that_was_chosen() -> None:
    state, service = in_doubt(LAUNCHES), Told()
    names = [each.name for each in offers(state, READER, wave(state, "Database"))]
    assert {MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY} <= set(names)
    [matter] = matters(state, READER)
    assert [o.name for o in matter.offers] == [MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY]
    dialog = ask(cast(House, service), state, MessageName.ADOPT_JOB, "w0")
    assert dialog is not None
    assert dialog.send is not None
    assert all(f"<option>{each}</option>" in dialog.html for each in LAUNCHES)
    await dialog.send(READER, {"job": JOB, "launch": LAUNCHES[1], "answer": "yes"})
    [message] = service.messages
    assert (message.job, message.launch) == (JOB, LAUNCHES[1])


def test_the_only_launch_in_doubt_needs_no_choice() -> None:
    html = html_of(in_doubt(LAUNCHES[:1]), MessageName.LAUNCH_ANYWAY, "w0")
    assert f'type="hidden" name="launch" value="{LAUNCHES[0]}"' in html
    assert "<select" not in html


def test_an_approval_asks_for_the_answers_that_are_allowed() -> None:
    state = begin(DIAMOND)
    web = put(state, "Web", WaveStatus.WAITING)
    assert ask(cast(House, SimpleNamespace()), state, MessageName.APPROVE_WAVE, "w3") is None
    web.approval_required, web.waiting_for = True, WaitingFor.APPROVAL
    both = html_of(state, MessageName.APPROVE_WAVE, "w3")
    assert 'value="yes"' in both
    assert 'value="refuse"' in both
    web.decisions = Decisions(approved_by=OperatorAct(actor="ops", time=START))
    withdrawal = html_of(state, MessageName.APPROVE_WAVE, "w3")
    assert 'value="yes"' not in withdrawal
    assert 'value="refuse"' in withdrawal


def test_after_a_retry_while_paused_the_page_offers_no_skip() -> None:
    state = begin(DIAMOND)
    state.status = PlanStatus.PAUSED
    retried = put(state, "Database", WaveStatus.WAITING)
    retried.attempt, retried.waiting_for = 1, WaitingFor.RESUME
    assert offers(state, READER, retried) == []
    paused: Any = matters(state, READER)[0]
    assert [o.name for o in paused.offers] == [MessageName.RESUME]


def test_only_a_recovery_is_cancelled_with_its_plan_id() -> None:
    for kind, typed in ((ExecutionType.RECOVERY, True), (ExecutionType.DRILL, False)):
        assert ('name="typed"' in html_of(begin(DIAMOND, kind), CANCEL, None)) is typed
