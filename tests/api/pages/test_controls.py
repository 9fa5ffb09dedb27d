"""The controls of an execution's page and their dialogs follow the rules of the workflow."""

from types import SimpleNamespace
from typing import Any, cast

from api.auth.tokens import Principal
from api.pages.execution.attention import attention_items
from api.pages.execution.controls import CANCEL, CLEAN_UP, action_dialog, controls
from api.pages.execution.execution_renderer import summary
from api.pages.rendering import render
from api.service import ExecutionService
from recovery.access.roles import Role
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from tests.cli.executions import DIAMOND, START, begin, put, wave

USER = Principal("ops", frozenset(Role))
LAUNCHES = ["crm-1/w0/1/0", "crm-1/w0/1/1"]
JOB = "drsjob-0123456789abcdef0"


class RecordingService:
    """A service that records the messages instead of sending them."""

    def __init__(self, effect: str | None = "done") -> None:
        self.messages: list[OperatorMessage] = []
        self.effect = effect

    async def send_message(
        self, _caller: Principal, _execution_id: str, message: OperatorMessage
    ) -> str | None:
        self.messages.append(message)
        return self.effect


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


def failed_database() -> ExecutionState:
    """Database has failed, and both waves after it wait for a decision."""
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.FAILED, "out of capacity", launched=1).attempt = 1
    for name in ("App1", "App2"):
        put(state, name, WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    return state


def test_a_skip_beside_a_failed_wave_names_the_wave_that_it_skips() -> None:
    [item] = attention_items(failed_database(), USER)
    labels = [(each.label, each.wave_id) for each in item.controls]
    assert labels == [
        ("Retry", "w0"),
        ("Accept", "w0"),
        ("Skip App1", "w1"),
        ("Skip App2", "w2"),
    ]


async def test_a_skip_asks_what_is_skipped_and_names_the_waves_of_each_answer() -> None:
    html = html_of(failed_database(), MessageName.SKIP_WAVE, "w1")
    assert html.count('type="radio"') == html.count("required") == 2
    assert "Only this wave:</strong> App1 is not launched;" in html
    assert "everything that depends on it:</strong> App1, Web will not be launched." in html
    # Nothing depends on Web, so there is nothing to choose.
    assert "radio" not in html_of(failed_database(), MessageName.SKIP_WAVE, "w3")
    for value, cascade in (("", False), ("yes", True)):
        service = RecordingService()
        dialog = action_dialog(
            cast(ExecutionService, service), failed_database(), MessageName.SKIP_WAVE, "w1"
        )
        assert dialog is not None
        assert dialog.send is not None
        await dialog.send(USER, {"cascade": value, "answer": "yes"})
        assert [message.cascade for message in service.messages] == [cascade]


async def test_a_message_that_no_worker_has_answered_is_queued_and_not_done() -> None:
    for effect, title in (
        (None, "Queued until a worker is available"),
        ("Web skipped", "Accepted"),
    ):
        service = cast(ExecutionService, RecordingService(effect))
        dialog = action_dialog(service, failed_database(), MessageName.RETRY_WAVE, "w0")
        assert dialog is not None
        assert dialog.send is not None
        html = render("outcome_dialog", outcome=await dialog.send(USER, {}))
        assert title in html
        assert ("✓" in html) is (effect is not None)


def test_dialogs_count_what_the_action_changes() -> None:
    state = failed_database()
    assert "Not up: 1 of 2 servers." in html_of(state, MessageName.RETRY_WAVE, "w0")
    assert "App1, App2, Web are not launched" in html_of(state, CANCEL, None)
    state.end_time = START + 60
    servers = state.waves[0].servers
    assert not any(each.name == CLEAN_UP for each in controls(state, USER))
    servers[0].recovery_job_id, servers[0].taken_over = JOB, True
    # What an earlier execution launched is not this one's to terminate.
    assert not any(each.name == CLEAN_UP for each in controls(state, USER))
    state.waves[1].servers[0].recovery_job_id = JOB
    state.waves[1].servers[0].launch_status = LaunchStatus.LAUNCHED
    assert "1 recovery instance that crm-0f3b52a1c7d9 launched" in html_of(state, CLEAN_UP, None)
    assert "1 instance of earlier executions" in html_of(state, CLEAN_UP, None)


def test_the_progress_bar_is_filled_by_what_is_up_only() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.IN_PROGRESS, start=START)
    html = render("head", **summary(state, now=START))
    assert 'aria-valuenow="0"' in html
    assert '<span class="is-completed"' not in html
    assert '<span class="is-in-progress" data-style="width:25.0%">' in html
