"""What is offered is what the handler accepts, in any state that an execution can come to."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.execution.open_decision import DecisionKind
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, RefusalCode
from recovery.execution.wave import (
    Decisions,
    OperatorDecision,
    WaitingFor,
    WaveState,
    WaveStatus,
)
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.pending_decisions import (
    pending_decisions,
    remaining_text,
)
from recovery.operator.rules import actions, actions_about, allowed_forms, is_allowed, refusal
from recovery.plan.model import OnFailure
from tests.recovery.operator.test_message_handler_hostile import STATUSES, WAVES, Execution
from tests.recovery.plans import diamond

JOB = "drsjob-0123456789abcdef0"
STARTED = {"has_workflow": True}
_ABOUT_WAVES = [name for name in MessageName if name.is_about_a_wave]
# Messages that are meant, so that many executions are reached that only they lead to.
_MESSAGES = st.tuples(
    st.sampled_from(MessageName),
    st.fixed_dictionaries(
        {"wave": st.sampled_from(WAVES)}, optional={"reason": st.just("because")}
    ).map(lambda given: (given,)),
)
_STEPS = (
    _MESSAGES
    | st.tuples(st.sampled_from(WAVES), STATUSES)
    | st.tuples(st.just("doubt"), st.sampled_from(WAVES), st.integers(0, 3))
    | st.sampled_from(["tick", "start", "start", "cancel", "close"])
    | st.floats(0, 100_000)
)


def forms(wave: WaveState, name: MessageName) -> list[dict[str, Any]]:
    """Every input that a client could send about a wave."""
    about: dict[str, Any] = {"wave": wave.wave_id}
    if name is MessageName.ADOPT_JOB:
        about["job"] = JOB
    match name:
        case MessageName.APPROVE_WAVE:
            return [about, about | {"approve": False}]
        case MessageName.ADOPT_JOB | MessageName.LAUNCH_ANYWAY:
            return [about | {"launch": each} for each in ["crm-1/x/1/9", *wave.launches_in_doubt]]
        case _:
            return [about]


def accepts(execution: Execution, name: MessageName, given: dict[str, Any]) -> bool:
    """Whether the handler accepts a message; the execution stays as it is."""
    handler = MessageHandler(copy.deepcopy(execution.scheduler))
    return handler.handle(name, (given,), now=execution.now).accepted


# Each message goes to a copy of the execution, some forty an example.
@settings(deadline=None)
@given(
    st.none() | st.sampled_from(OnFailure),
    st.sampled_from(ExecutionType),
    st.lists(st.sampled_from(WAVES), max_size=2),
    st.lists(_STEPS, max_size=20),
)
def test_a_message_is_offered_exactly_where_the_handler_accepts_it(
    policy: OnFailure | None, kind: ExecutionType, approved: list[str], steps: list[Any]
) -> None:
    execution = Execution(policy, kind, approved)
    for step in ["start", *steps]:
        match step:
            case ("doubt", str() as wave_id, int() as launches):
                wave = execution.scheduler.wave(wave_id)
                if wave.is_running:
                    wave.launches_in_doubt = [f"crm-1/{wave_id}/1/{n}" for n in range(launches)]
            case _:
                execution.take(step)
    state = execution.state
    offered = {(a.name, w.wave_id) for a in actions(state) for w in a.waves}
    offered |= {(a.name, "") for a in actions(state) if not a.waves}
    accepted = {
        (name, wave.wave_id)
        for name in _ABOUT_WAVES
        for wave in state.waves
        if any(accepts(execution, name, form) for form in forms(wave, name))
    }
    plain = [name for name in MessageName if not name.is_about_a_wave]
    accepted |= {(name, "") for name in plain if accepts(execution, name, {})}
    assert offered == accepted
    for wave in state.waves:
        assert {a.name for a in actions_about(state, wave)} == {
            name for name, about in offered if about == wave.wave_id
        }
        for name in _ABOUT_WAVES:
            for form in allowed_forms(state, name, wave):
                sent = form.as_input() | {"wave": wave.wave_id}
                sent |= {"job": JOB} if name is MessageName.ADOPT_JOB else {}
                assert accepts(execution, name, sent)
    for pending in pending_decisions(state):
        assert pending.messages or pending.kind is DecisionKind.FAILURE
        assert all(is_allowed(state, name, pending.wave) for name in pending.messages)


@given(
    st.none() | st.sampled_from(OnFailure),
    st.lists(st.sampled_from(WAVES), max_size=2),
    st.lists(_STEPS, max_size=20),
)
def test_a_wave_of_the_plan_waits_for_something_exactly_while_it_is_waiting(
    policy: OnFailure | None, approved: list[str], steps: list[Any]
) -> None:
    execution = Execution(policy, ExecutionType.RECOVERY, approved)
    for step in ["start", *steps]:
        execution.take(step)
        for wave in execution.state.waves:
            if wave.status is not WaveStatus.WAITING:
                assert wave.waiting_for is None
            elif not wave.has_workflow:
                assert wave.waiting_for is not None
                assert wave.status_reason.startswith(wave.waiting_for.text())


def state_with(status: WaveStatus, **fields: Any) -> tuple[ExecutionState, WaveState]:
    """An execution whose first wave is in this state."""
    state = ExecutionState.begin(
        diamond(),
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=0.0,
    )
    state.waves[0] = state.waves[0].model_copy(update={"status": status, **fields})
    return state, state.waves[0]


@pytest.mark.parametrize(
    ("name", "status", "fields", "code", "instead"),
    [
        ("retry_wave", WaveStatus.IN_PROGRESS, STARTED, "WAVE_STATUS", "cancel-wave"),
        (
            "skip_wave",
            WaveStatus.IN_PROGRESS,
            {"has_workflow": True},
            "WAVE_LAUNCHED",
            "accept-wave",
        ),
        ("skip_wave", WaveStatus.WAITING, {"attempt": 1}, "WAVE_LAUNCHED", "pause"),
        ("cancel_wave", WaveStatus.FAILED, STARTED, "WAVE_STATUS", "retry-wave"),
        ("accept_wave", WaveStatus.PENDING, {}, "WAVE_STATUS", "the wave accepts skip-wave"),
        ("approve_wave", WaveStatus.PENDING, {}, "NO_APPROVAL_NEEDED", "skip-wave"),
        ("launch_anyway", WaveStatus.WAITING, STARTED, "NOT_IN_DOUBT", "cancel-wave"),
        (
            "accept_wave",
            WaveStatus.COMPLETED,
            STARTED,
            "WAVE_STATUS",
            "the wave accepts no message",
        ),
    ],
)
def test_a_refusal_says_what_can_be_done_instead(
    name: str, status: WaveStatus, fields: dict[str, Any], code: str, instead: str
) -> None:
    state, wave = state_with(status, **fields)
    refused = refusal(state, OperatorMessage(MessageName(name), wave.wave_id))
    assert refused is not None
    assert refused.code is RefusalCode(code)
    assert instead in refused.text.partition("; ")[2]


def test_an_unknown_wave_is_refused_with_the_nearest_one() -> None:
    state, _ = state_with(WaveStatus.PENDING)
    refused = refusal(state, OperatorMessage(MessageName.SKIP_WAVE, "wep"))
    assert refused is not None
    assert refused.code is RefusalCode.UNKNOWN_WAVE
    assert "did you mean web?" in refused.text


def test_an_unknown_wave_is_refused_with_each_wave_once() -> None:
    state, wave = state_with(WaveStatus.PENDING)
    wave.wave_name = wave.wave_id.title()
    state.waves[1].wave_name = "The web tier"
    refused = refusal(state, OperatorMessage(MessageName.SKIP_WAVE, "xyz"))
    assert refused is not None
    assert f"there are {wave.wave_id}, The web tier ({state.waves[1].wave_id})" in refused.text


def test_an_ended_or_cancelled_execution_accepts_no_message() -> None:
    state, _ = state_with(WaveStatus.FAILED, has_workflow=True)
    message = OperatorMessage(MessageName.RETRY_WAVE, "db")
    assert refusal(state, message) is None
    state.status = PlanStatus.CANCELLED
    cancelled = refusal(state, message)
    state.end_time = 9.0
    ended = refusal(state, message)
    assert cancelled is not None
    assert ended is not None
    assert cancelled.code is RefusalCode.EXECUTION_CANCELLED
    assert ended.code is RefusalCode.EXECUTION_ENDED
    assert pending_decisions(state) == []


def test_what_waits_for_an_operator_is_known_by_its_type_not_by_its_text() -> None:
    state, wave = state_with(WaveStatus.WAITING, status_reason="Waiting for approval")
    assert pending_decisions(state) == []
    wave.status_reason, wave.waiting_for, wave.approval_required = "", WaitingFor.APPROVAL, True
    [pending] = pending_decisions(state)
    assert (pending.kind, pending.wave) == (DecisionKind.APPROVAL, wave)
    assert pending.messages == (MessageName.APPROVE_WAVE, MessageName.SKIP_WAVE)


def test_a_failure_is_decided_on_the_wave_or_on_what_depends_on_it() -> None:
    state, wave = state_with(WaveStatus.FAILED, has_workflow=True)
    assert all(s.launch_status is LaunchStatus.PENDING for s in wave.servers)
    [pending] = pending_decisions(state)
    assert pending.messages == (MessageName.RETRY_WAVE, MessageName.ACCEPT_WAVE)
    assert [w.wave_id for w in pending.skippable] == ["app1", "app2"]


def test_an_error_that_lasts_is_a_decision_though_its_wave_runs() -> None:
    state, wave = state_with(
        WaveStatus.WAITING, has_workflow=True, waiting_for=WaitingFor.OPERATOR, attempt=1
    )
    for each in state.waves[1:]:
        each.status, each.waiting_for = WaveStatus.WAITING, WaitingFor.DEPENDENCIES
    [pending] = pending_decisions(state)
    assert (pending.kind, pending.wave) == (DecisionKind.LASTING_ERROR, wave)
    assert pending.messages == (MessageName.CANCEL_WAVE,)
    assert remaining_text(state, now=0.0) == "waits for an operator"
    # Others go on.
    state.waves[1].has_workflow, state.waves[1].waiting_for = True, WaitingFor.LAUNCH
    assert "left" in remaining_text(state, now=0.0)


def test_a_failure_that_an_operator_accepted_waits_for_nobody() -> None:
    state, wave = state_with(WaveStatus.FAILED, has_workflow=True)
    wave.decisions = Decisions(accepted_by=OperatorDecision(actor="ops@host", time=1.0))
    assert pending_decisions(state) == []
    assert is_allowed(state, MessageName.RETRY_WAVE, wave)
