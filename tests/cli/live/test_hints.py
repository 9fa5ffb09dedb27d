"""The hints and keys for the current actions, and the messages they send."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from cli.live.hints import KEYS, hints
from cli.live.keyboard import Keyboard
from cli.live.prompts import Prompts
from cli.live.view import WatchedExecution
from client import steering
from client.errors import RejectedError
from client.executions import RunningExecution
from client.steering import send
from contract.failures import FailureType
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, RefusalCode
from recovery.execution.wave import Decisions, OperatorDecision, WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import actions
from recovery.text_format import clock_time
from tests.cli.executions import CHAIN, DIAMOND, START, begin, put, wave
from tests.cli.live.test_view import drawn


def keys(state: ExecutionState) -> str:
    return "".join(KEYS[action.name] for action in actions(state))


def asking() -> ExecutionState:
    """App2 has failed and Web waits for a decision."""
    state = begin(DIAMOND)
    for name in ("Database", "App1", "App2"):
        wave(state, name).has_workflow = True
        put(state, name, WaveStatus.COMPLETED, launched=2, start=START, end=START + 60)
    put(state, "App2", WaveStatus.FAILED, "1 of 2 launched", start=START, end=START + 60)
    put(state, "Web", WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    return state


def test_a_failed_wave_offers_a_retry_an_acceptance_and_to_skip_what_waits_for_it() -> None:
    state = asking()
    assert hints(state, now=START, width=80) == [
        "App2 FAILED: drs-waves retry-wave crm w2 · accept-wave · skip-wave w3"
    ]
    assert keys(state) == "rasp"


def test_a_failed_wave_says_how_long_its_dependents_wait_for_a_decision() -> None:
    state = asking()
    wave(state, "App2").ask_until = START + 2 * 3600
    (heading, *_) = hints(state, now=START + 600, width=80)
    until = clock_time(START + 2 * 3600)
    assert heading == f"App2 FAILED, 1 h 50 min to decide (until {until}):"


def test_a_failed_wave_says_that_nobody_decided_in_time() -> None:
    state = asking()
    wave(state, "App2").unanswered_since = START
    put(state, "Web", WaveStatus.SKIPPED)
    assert "nobody decided in time" in hints(state, now=START + 600, width=80)[0]


def test_a_launch_in_doubt_offers_both_answers() -> None:
    state = begin(DIAMOND)
    wave(state, "Database").has_workflow = True
    put(state, "Database", WaveStatus.WAITING)
    wave(state, "Database").launches_in_doubt = ["crm-1/w0/1/0"]
    assert hints(state, now=START, width=80) == [
        "Database in doubt: drs-waves adopt-job crm w0 JOB · launch-anyway"
    ]
    assert {"j", "l"} <= set(keys(state))


def test_of_several_launches_in_doubt_each_has_commands_that_name_it() -> None:
    state = begin(DIAMOND)
    wave(state, "Database").has_workflow = True
    put(state, "Database", WaveStatus.WAITING)
    wave(state, "Database").launches_in_doubt = ["crm-1/w0/1/0", "crm-1/w0/1/1"]
    assert hints(state, now=START, width=80) == [
        "Database in doubt:",
        "  drs-waves adopt-job crm w0 JOB --launch crm-1/w0/1/0",
        "  drs-waves launch-anyway crm w0 --launch crm-1/w0/1/0",
        "Database in doubt:",
        "  drs-waves adopt-job crm w0 JOB --launch crm-1/w0/1/1",
        "  drs-waves launch-anyway crm w0 --launch crm-1/w0/1/1",
    ]


def test_what_waits_for_an_approval_offers_it() -> None:
    state = begin(DIAMOND)
    put(state, "Web", WaveStatus.WAITING).waiting_for = WaitingFor.APPROVAL
    wave(state, "Web").approval_required = True
    assert hints(state, now=START, width=80) == [
        "Web waits for approval: drs-waves approve-wave crm w3 [--refuse]"
    ]
    assert "v" in keys(state)


def test_a_paused_execution_offers_to_go_on() -> None:
    state = begin(DIAMOND)
    state.status, state.status_reason = PlanStatus.PAUSED, "Paused by ops@host: wait"
    assert hints(state, now=START, width=80) == ["PAUSED: drs-waves resume crm"]
    assert actions(state)[-1].name is MessageName.RESUME
    shown = drawn(WatchedExecution("crm", state=state))
    assert "Paused by ops@host: wait" in shown
    assert "waits for an operator" in shown


def test_a_running_wave_can_be_cancelled_and_accepted_but_not_skipped() -> None:
    state = begin(DIAMOND)
    running = put(state, "Database", WaveStatus.IN_PROGRESS, start=START)
    running.has_workflow = True
    assert {KEYS[a.name] for a in actions(state) if running in a.waves} == {"a", "c"}


@pytest.mark.parametrize("ended", [True, False])
def test_nothing_is_offered_at_the_end_or_when_it_is_being_cancelled(ended: bool) -> None:
    state = asking()
    if ended:
        state.end_time = START
    else:
        state.status = PlanStatus.CANCELLED
    assert (actions(state), hints(state, now=START, width=80)) == ([], [])


def test_a_command_that_does_not_fit_stands_below_its_wave_and_is_never_cut() -> None:
    state = asking()
    state.plan_id = "a-long-plan-id-of-the-crm-in-us-west-2"
    assert hints(state, now=START, width=80) == [
        "App2 FAILED:",
        f"  drs-waves retry-wave {state.plan_id} w2",
        f"  drs-waves accept-wave {state.plan_id} w2",
        f"  drs-waves skip-wave {state.plan_id} w3",
    ]


def test_many_failures_are_counted_and_fit() -> None:
    state = begin(DIAMOND)
    for each in state.waves:
        each.status, each.wave_name = WaveStatus.FAILED, "a long name " * 9
    state.waves += [each.model_copy(update={"wave_id": f"{each.wave_id}b"}) for each in state.waves]
    lines = hints(state, now=START, width=80)
    assert len(lines) == 4
    assert lines[-1] == "and 5 more waves wait for an operator"
    assert all(len(line) <= 80 for line in lines)


def test_the_view_says_who_decided_and_which_attempt_it_is() -> None:
    state = asking()
    act = OperatorDecision(actor="ops@host", time=START)
    failed = wave(state, "App2")
    failed.attempt, failed.decisions = 2, Decisions(accepted_by=act)
    assert "attempt 2; accepted by ops@host" in " ".join(
        drawn(WatchedExecution("crm", state=state)).split()
    )


async def typed(
    state: ExecutionState, text: str, *, error: Exception | None = None
) -> tuple[list[OperatorMessage], Prompts]:
    """Press keys below the live view, one by one; sending raises `error`."""
    sent: list[OperatorMessage] = []

    async def take(message: OperatorMessage) -> str:
        if error is not None:
            raise error
        sent.append(message)
        return "done"

    pressed = Keyboard()
    prompts = Prompts(WatchedExecution("crm", state=state), pressed, take)
    running = asyncio.create_task(prompts.run())
    for each in text:
        await asyncio.sleep(0)
        pressed.feed(each.encode())
        for _ in range(3):
            await asyncio.sleep(0)
    running.cancel()
    return sent, prompts


async def test_a_key_asks_for_a_reason_and_sends_only_after_a_yes() -> None:
    sent, prompts = await typed(asking(), "rwhx\x7fy\ry")
    assert sent == [OperatorMessage(MessageName.RETRY_WAVE, "w2", "why")]
    assert prompts.footer()[0] == "retry App2: done"
    sent, prompts = await typed(asking(), "rwhy\rn")
    assert sent == []
    assert prompts.footer()[0] == "retry App2: question left, no message sent"


async def test_skip_asks_whether_dependents_are_skipped_too_and_says_what_follows() -> None:
    state = begin(CHAIN)
    sent, prompts = await typed(state, "s2\r\r2\r")
    assert "App, Web will not be launched" in " ".join(prompts.footer())
    sent, _ = await typed(state, "s2\r\r2\ry")
    assert sent == [OperatorMessage(MessageName.SKIP_WAVE, "w1", cascade=True)]
    sent, prompts = await typed(state, "s2\r\r1\r")
    assert "Web can launch now without it" in " ".join(prompts.footer())
    sent, _ = await typed(state, "s2\r\r1\ry")
    assert sent == [OperatorMessage(MessageName.SKIP_WAVE, "w1")]


async def test_accept_says_which_waves_launch_although_it_is_not_up() -> None:
    state = asking()
    up = wave(state, "App2").launched_count
    _, prompts = await typed(state, "a\r")
    follows = f"Web can launch now although App2 is {up} of 2 up"
    assert follows in " ".join(prompts.footer())


async def test_cancel_names_the_wave_and_not_the_plan() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.IN_PROGRESS, start=START).has_workflow = True
    _, prompts = await typed(state, "c\r")
    assert "only this wave is cancelled, the plan continues" in " ".join(prompts.footer())


async def test_a_rejection_is_shown_and_the_view_goes_on() -> None:
    rejection = RejectedError("retry_wave was rejected: no", RefusalCode.WAVE_STATUS)
    _, prompts = await typed(asking(), "r\ry", error=rejection)
    assert prompts.footer()[0] == "retry App2: NOT DONE: retry_wave was rejected: no"
    assert "r retry" in prompts.footer()[-1]


async def test_of_several_waves_one_is_chosen_and_escape_sends_nothing() -> None:
    state = asking()
    put(state, "App1", WaveStatus.FAILED)
    sent, _ = await typed(state, "a2\r\ry")
    assert sent == [OperatorMessage(MessageName.ACCEPT_WAVE, "w2")]
    sent, _ = await typed(state, "a\x1b")
    assert sent == []


JOB = "drsjob-0123456789abcdef0"


def in_doubt(*launches: str) -> ExecutionState:
    state = begin(CHAIN)
    wave(state, "Database").has_workflow = True
    put(state, "Database", WaveStatus.WAITING)
    wave(state, "Database").launches_in_doubt = list(launches)
    return state


async def test_the_job_of_a_launch_in_doubt_is_adopted_by_a_key() -> None:
    sent, _ = await typed(in_doubt("crm-1/w0/1/0"), f"j{JOB}\r\ry")
    assert sent == [OperatorMessage(MessageName.ADOPT_JOB, "w0", job=JOB, launch="crm-1/w0/1/0")]
    sent, _ = await typed(in_doubt("crm-1/w0/1/0"), "j\x1b")
    assert sent == []


async def test_of_several_launches_in_doubt_the_key_asks_for_one() -> None:
    state = in_doubt("crm-1/w0/1/0", "crm-1/w0/1/1")
    sent, _ = await typed(state, "l2\r\ry")
    assert sent == [OperatorMessage(MessageName.LAUNCH_ANYWAY, "w0", launch="crm-1/w0/1/1")]
    sent, _ = await typed(state, "l3\r")
    assert sent == []


async def test_an_approval_that_was_given_can_only_be_withdrawn() -> None:
    state = begin(CHAIN)
    waiting = put(state, "Web", WaveStatus.WAITING)
    waiting.approval_required = True
    waiting.decisions = Decisions(approved_by=OperatorDecision(actor="ops@host", time=START))
    sent, _ = await typed(state, "v\ry")
    assert sent == []
    sent, _ = await typed(state, "v\rr")
    assert sent == [OperatorMessage(MessageName.APPROVE_WAVE, "w2", approve=False)]


@pytest.mark.parametrize("code", [RefusalCode.EXECUTION_ENDED, None])
async def test_a_rejection_says_why_in_a_type(
    code: RefusalCode | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def yes(_: object) -> bool:
        return True

    async def reject(*_: object, **__: object) -> str:
        details = [] if code is None else [str(code)]
        cause = ApplicationError("the text", *details, type=FailureType.MESSAGE_REJECTED)
        raise WorkflowUpdateFailedError(cause)

    handle = SimpleNamespace(execute_update=reject)
    client = cast(Client, SimpleNamespace(get_workflow_handle=lambda *_, **__: handle))
    monkeypatch.setattr(steering, "has_worker", yes)
    running = RunningExecution("crm", "crm-1", ExecutionType.DRILL, "run")
    with pytest.raises(RejectedError) as rejected:
        await send(client, running, OperatorMessage(MessageName.PAUSE), actor="ops@host")
    assert rejected.value.code is code
    assert str(rejected.value).startswith("pause was rejected: the text")


async def test_a_worker_that_died_a_moment_ago_does_not_lose_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals: list[Any] = []

    async def yes(_: object) -> bool:
        return True

    async def never(*_: object, **__: object) -> str:
        await asyncio.sleep(60)
        return ""

    async def signal(*given: object, **_: object) -> None:
        signals.append(given)

    handle = SimpleNamespace(signal=signal, execute_update=never)
    client = cast(Client, SimpleNamespace(get_workflow_handle=lambda *_, **__: handle))
    monkeypatch.setattr(steering, "has_worker", yes)
    monkeypatch.setattr(steering, "UPDATE_SECONDS", 0.01)
    running = RunningExecution("crm", "crm-1", ExecutionType.DRILL, "run")
    effect = await send(client, running, OperatorMessage(MessageName.PAUSE), actor="ops@host")
    assert effect is None
    [(name, given)] = signals
    assert name == "pause"
    assert (given["ExecutionId"], given["client"]) == ("crm-1", "drs-waves")
