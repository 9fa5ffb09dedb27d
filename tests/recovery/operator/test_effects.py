"""What an act says that it does is what it does, in any state of an execution."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.operator.effects import cancellation_effect, effect_of, effect_text
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import actions, allowed_forms
from recovery.plan.model import OnFailure
from tests.recovery.operator.test_message_handler_hostile import STEPS, WAVES, Execution

_RELEASING = (
    MessageName.ACCEPT_WAVE,
    MessageName.SKIP_WAVE,
    MessageName.APPROVE_WAVE,
    MessageName.RESUME,
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


# Each message goes to a copy of the execution.
@settings(deadline=None, max_examples=60)
@given(
    st.none() | st.sampled_from([OnFailure.ASK, OnFailure.CONTINUE, OnFailure.STOP]),
    st.lists(st.sampled_from(WAVES), max_size=2),
    st.lists(STEPS.filter(lambda step: not isinstance(step, float)), max_size=20),
)
def test_an_act_names_exactly_the_waves_that_it_launches_or_skips(
    policy: OnFailure | None, approved: list[str], steps: list[Any]
) -> None:
    execution = Execution(policy, ExecutionType.RECOVERY, approved)
    for step in ["start", *steps]:
        execution.take(step)
    ready = {wave.wave_id for wave in execution.scheduler.ready()}
    skipped = {w.wave_id for w in execution.state.waves if w.status is WaveStatus.SKIPPED}
    for message in possible(execution):
        text = effect_of(execution.state, message)
        then = after(execution, message)
        newly_ready = {wave.wave_id for wave in then.ready()} - ready
        if message.name in _RELEASING:
            if message.name is MessageName.APPROVE_WAVE:
                assert ("can launch now" in text) is (newly_ready == {message.wave}), text
            else:
                assert named(text, r"(\w[\w, ]*) can launch now") == newly_ready, text
        if message.name is MessageName.CANCEL_WAVE:
            now_skipped = {w.wave_id for w in then.state.waves if w.status is WaveStatus.SKIPPED}
            assert named(text, r"continues; ([\w, ]+?) (?:is|are) skipped") >= now_skipped - skipped


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
        ("retry_wave", True, "attempt 2: 0 of 1 server is up and kept, the others are launched"),
        ("accept_wave", True, "app1, app2 can launch now although db is 0 of 1 up; the execution"),
    ],
)
def test_a_failed_wave_says_what_its_decisions_do(name: str, approve: bool, text: str) -> None:
    execution = Execution(OnFailure.ASK, ExecutionType.DRILL, [])
    execution.take("start")
    execution.take(("db", WaveStatus.FAILED))
    message = OperatorMessage(MessageName(name), "db", approve=approve)
    assert effect_of(execution.state, message).startswith(text)
