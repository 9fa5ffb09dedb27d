"""What an act says that it does is what it does, in any state of an execution."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.operator.effects import (
    cancellation_effect,
    effect_details,
    effect_of,
    effect_text,
)
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import actions, allowed_forms
from recovery.plan.model import OnFailure, RecoveryPlan, Wave
from recovery.steps.model import Step
from tests.recovery.operator.test_message_handler_hostile import WAVES, Execution
from tests.recovery.plans import server_id

_REPORTS = [
    WaveStatus.IN_PROGRESS,
    WaveStatus.COMPLETED,
    WaveStatus.FAILED,
    WaveStatus.FAILED,
    WaveStatus.TIMED_OUT,
]

CUTOVER = Wave(
    wave_id="cutover",
    region="us-west-2",
    servers=[],
    approval_required=True,
    steps=[Step.model_validate({"StepId": "a", "When": "BOTH", "Lambda": {"FunctionName": "f"}})],
)


def named(text: str, pattern: str) -> set[str]:
    """The waves that a text names before or after these words."""
    found = re.search(pattern, text)
    return set(found[1].split(", ")) if found else set()


def after(execution: Execution, message: OperatorMessage) -> WaveScheduler:
    """The execution once it has handled a message; the one given stays as it is."""
    scheduler = copy.deepcopy(execution.scheduler)
    handler = MessageHandler(scheduler)
    record = handler.handle(message.name, (message.as_input(),), now=execution.now)
    assert record.accepted
    assert record.effect == effect_of(execution.state, message)
    for wave, reason in handler.cancellations:
        scheduler.cancel_running(wave.wave_id, reason, now=execution.now)
        scheduler.tick(now=execution.now)
    return scheduler


def possible(execution: Execution) -> list[OperatorMessage]:
    """The messages that are allowed now."""
    state, found = execution.state, []
    for action in actions(state):
        for wave in action.waves:
            for form in allowed_forms(state, action.name, wave):
                sent = form.as_input() | {"wave": wave.wave_id}
                found.append(OperatorMessage(action.name, **sent))
        if not action.waves:
            found.append(OperatorMessage(action.name))
    return found


# An act in these is one of those that are allowed then, by its position.
_EVENTS = st.one_of(
    st.sampled_from(["start", "pause and resume"]),
    st.tuples(st.sampled_from(WAVES), st.sampled_from(_REPORTS)),
    st.tuples(st.sampled_from(WAVES), st.sampled_from(_REPORTS)),
    st.integers(0, 50),
    st.floats(1, 300),
)


def take(execution: Execution, event: Any) -> None:
    """Let an event happen; an act of an operator, only if one is allowed."""
    if event == "pause and resume":
        is_paused = execution.state.status is PlanStatus.PAUSED
        execution.take((MessageName.RESUME if is_paused else MessageName.PAUSE, ({},)))
    elif isinstance(event, int):
        acts = possible(execution)
        message = acts[event % len(acts)]
        handler = execution.handler
        handler.handle(message.name, (message.as_input(),), now=execution.now)
        for wave, reason in handler.cancellations:
            execution.scheduler.cancel_running(wave.wave_id, reason, now=execution.now)
        handler.cancellations.clear()
        execution.take("tick")
    else:
        execution.take(event)
        execution.take("tick")


# Each act that is possible goes to a copy of the execution.
@settings(deadline=None, max_examples=150)
@given(
    st.tuples(*[st.none() | st.sampled_from(OnFailure)] * len(WAVES)),
    st.tuples(*[st.sampled_from([0, 3])] * len(WAVES)),
    st.lists(st.sampled_from(WAVES), max_size=2),
    st.lists(_EVENTS, max_size=25),
)
def test_an_act_names_exactly_the_waves_that_it_launches_or_skips(
    policies: tuple[OnFailure | None, ...],
    retries: tuple[int, ...],
    approved: list[str],
    events: list[Any],
) -> None:
    execution = Execution(None, ExecutionType.RECOVERY, approved)
    for wave, policy, tries in zip(execution.plan.waves, policies, retries, strict=True):
        wave.on_failure, wave.retries = policy, tries
    for event in ["start", *events]:
        take(execution, event)
    for message in possible(execution):
        check_launches(execution, message)
        check_skips(execution, message)


def check_launches(execution: Execution, message: OperatorMessage) -> None:
    """The waves that are ready after an act, and were not before, are those that it names."""
    text, then = effect_of(execution.state, message), after(execution, message)
    newly_ready = {w.wave_id for w in then.ready()} - {
        w.wave_id for w in execution.scheduler.ready()
    }
    match message.name:
        case MessageName.APPROVE_WAVE:
            assert ("can launch now" in text) is (newly_ready == {message.wave}), text
        case MessageName.ACCEPT_WAVE | MessageName.SKIP_WAVE | MessageName.RESUME:
            launched = named(text, r"(\w[\w, ]*) can launch now")
            maybe = named(text, r"(\w[\w, ]*) launch(?:es)? once the pause")
            maybe |= named(text, r"CONTINUE, (\w[\w, ]*) can launch too")
            assert launched <= newly_ready <= launched | maybe, text
        case MessageName.RETRY_WAVE:
            assert (re.match(r"attempt \d+:", text) is not None) <= (message.wave in newly_ready)
            assert re.search(r"attempt \d+ (when|after)", text) is None or not newly_ready, text
        case _:
            assert not newly_ready, text


def check_skips(execution: Execution, message: OperatorMessage) -> None:
    """The waves that an act skips because a wave is not up are those that it names."""
    if message.name is MessageName.CANCEL_WAVE or not message.approve:
        text, then = effect_of(execution.state, message), after(execution, message)
        skipped = {w.wave_id for w in execution.state.waves if w.status is WaveStatus.SKIPPED}
        now_skipped = {w.wave_id for w in then.state.waves if w.status is WaveStatus.SKIPPED}
        assert named(text, r"; ([\w, ]+?) (?:is|are) skipped") == now_skipped - skipped, text


def test_the_cancel_of_a_wave_that_was_accepted_skips_nothing() -> None:
    execution = Execution(None, ExecutionType.DRILL, ["app1"])
    for step in ("start", ("db", WaveStatus.IN_PROGRESS), ("accept_wave", ({"wave": "db"},))):
        execution.take(step)
    message = OperatorMessage(MessageName.CANCEL_WAVE, "db")
    assert effect_of(execution.state, message) == "only this wave is cancelled, the plan continues"
    assert after(execution, message).wave("app1").waiting_for is WaitingFor.APPROVAL


def test_a_wave_that_was_refused_is_not_named_as_skipped() -> None:
    execution = Execution(None, ExecutionType.DRILL, ["app1"])
    execution.take("start")
    execution.take(("approve_wave", ({"wave": "app1", "approve": False},)))
    message = OperatorMessage(MessageName.CANCEL_WAVE, "db")
    assert "the plan continues; app2 is skipped" in effect_of(execution.state, message)


def test_a_resume_in_a_retry_pause_says_that_the_pause_goes_on() -> None:
    execution = Execution(OnFailure.ASK, ExecutionType.DRILL, [])
    execution.plan.waves[0].retries = 2
    for _ in range(2):
        execution.take("start")
        execution.take(("db", WaveStatus.FAILED))
    assert execution.scheduler.wave("db").waiting_for is WaitingFor.RETRY
    execution.take(("pause", ({},)))
    message = OperatorMessage(MessageName.RESUME)
    assert effect_of(execution.state, message) == (
        "db launches once the pause before the retry is over, in 10 min at most"
    )
    assert after(execution, message).wave("db").waiting_for is WaitingFor.RETRY


@pytest.mark.parametrize(
    ("up", "effect", "detail"),
    [
        (0, "2 servers can launch now", "Launches 2 servers in us-west-2."),
        (
            1,
            "1 server can launch now; 1 recorded as up is checked again",
            "Launches 1 server in us-west-2; 1 recorded as up is checked again.",
        ),
        (
            2,
            "0 servers can launch now; 2 recorded as up are checked again",
            "Launches 0 servers in us-west-2; 2 recorded as up are checked again.",
        ),
    ],
)
def test_an_approval_counts_only_servers_that_are_not_up(up: int, effect: str, detail: str) -> None:
    execution = Execution(None, ExecutionType.DRILL, ["db"])
    database = execution.scheduler.wave("db")
    (server,) = database.servers
    database.servers = [server, server.model_copy(update={"source_server_id": server_id(9)})]
    taken = [
        s.model_copy(update={"launch_status": LaunchStatus.LAUNCHED}) for s in database.servers[:up]
    ]
    execution.scheduler.take_over(taken, now=1.0)
    message = OperatorMessage(MessageName.APPROVE_WAVE, "db")
    assert effect_of(execution.state, message) == f"approved, {effect}"
    assert detail in effect_details(execution.state, message.name, database)


def test_an_approval_does_not_count_a_server_in_an_earlier_job() -> None:
    execution = Execution(None, ExecutionType.DRILL, ["db"])
    database = execution.scheduler.wave("db")
    database.servers[0].recovery_job_id = "drsjob-1"
    message = OperatorMessage(MessageName.APPROVE_WAVE, "db")
    expected = "approved, 0 servers can launch now; 1 in an earlier job is watched"
    assert effect_of(execution.state, message) == expected


@pytest.mark.parametrize("policy", [OnFailure.SKIP_DEPENDENTS, OnFailure.CONTINUE])
def test_an_accept_promises_nothing_that_an_unknown_policy_decides(policy: OnFailure) -> None:
    execution = Execution(OnFailure.STOP, ExecutionType.DRILL, [])
    execution.plan.wave("app2").on_failure = policy
    for step in ("start", ("db", WaveStatus.COMPLETED), "start"):
        execution.take(step)
    execution.take(("app2", WaveStatus.TIMED_OUT))
    execution.take(("app1", WaveStatus.FAILED))
    message = OperatorMessage(MessageName.ACCEPT_WAVE, "app1")
    text = effect_of(execution.state, message)
    assert "can launch now" not in text
    assert "if the failure policy of app2 is CONTINUE, web can launch too" in text
    is_ready = [w.wave_id for w in after(execution, message).ready()] == ["web"]
    assert is_ready is (policy is OnFailure.CONTINUE)


def test_a_retry_says_what_the_next_attempt_still_needs() -> None:
    execution = Execution(OnFailure.SKIP_DEPENDENTS, ExecutionType.DRILL, ["db"])
    execution.take(("approve_wave", ({"wave": "db", "approve": False},)))
    execution.take(("pause", ({},)))
    message = OperatorMessage(MessageName.RETRY_WAVE, "db")
    expected = "attempt 1 after its approval and after resume: 1 server is launched"
    assert effect_of(execution.state, message).startswith(expected)


def test_a_cascade_is_shown_as_it_is_applied() -> None:
    execution = Execution(None, ExecutionType.DRILL, [])
    message = OperatorMessage(MessageName.SKIP_WAVE, "app1", cascade=True)
    assert effect_of(execution.state, message) == "app1, web will not be launched"
    waves = after(execution, message).state.waves
    assert [w.wave_id for w in waves if w.decisions.skipped_by] == ["app1", "web"]


def test_the_cancel_of_a_wave_never_reads_as_the_cancel_of_the_plan() -> None:
    execution = Execution(None, ExecutionType.DRILL, [])
    execution.take("start")
    (action,) = (a for a in actions(execution.state) if a.name is MessageName.CANCEL_WAVE)
    (database,) = action.waves
    database.servers[0].recovery_job_id = "drsjob-1"
    assert effect_text(action, execution.state, database) == (
        "stops waiting for db (db): only this wave is cancelled, the plan continues; app1, app2, "
        "web are skipped; drsjob-1 cannot be stopped in DRS and is still observed"
    )
    assert cancellation_effect(execution.state) == (
        "nothing new launches; app1, app2, web are not launched; db is cancelled; drsjob-1 cannot "
        "be stopped in DRS and is still observed"
    )


@pytest.mark.parametrize(
    ("name", "approve", "text"),
    [
        ("retry_wave", True, "attempt 2: 1 server is launched, unless up or in a running job"),
        ("accept_wave", True, "app1, app2 can launch now although db is 0 of 1 up; the execution"),
    ],
)
def test_a_failed_wave_says_what_its_decisions_do(name: str, approve: bool, text: str) -> None:
    execution = Execution(OnFailure.ASK, ExecutionType.DRILL, [])
    execution.take("start")
    execution.take(("db", WaveStatus.FAILED))
    message = OperatorMessage(MessageName(name), "db", approve=approve)
    assert effect_of(execution.state, message).startswith(text)


def test_of_a_wave_of_steps_an_effect_names_steps_and_no_servers() -> None:
    state = ExecutionState.begin(
        RecoveryPlan(plan_id="crm", waves=[CUTOVER]),
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ann",
        now=0.0,
    )
    (wave,) = state.waves
    wave.status, wave.waiting_for = WaveStatus.WAITING, WaitingFor.APPROVAL
    approve = OperatorMessage(MessageName.APPROVE_WAVE, "cutover")
    assert effect_of(state, approve) == "approved, 1 step can begin now"
    assert "Runs 1 step in us-west-2." in effect_details(state, MessageName.APPROVE_WAVE, wave)
    wave.status, wave.attempt = WaveStatus.FAILED, 1
    for name in (MessageName.ACCEPT_WAVE, MessageName.RETRY_WAVE):
        texts = [effect_of(state, OperatorMessage(name, "cutover"))]
        assert "server" not in " ".join(texts + effect_details(state, name, wave))
