"""The hints and keys for the current actions, and the messages they send."""

import asyncio
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from cli.live import prompts as prompting
from cli.live.hints import KEYS, hint
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
from recovery.operator.pending_decisions import (
    pending_decisions,
    unanswered_effect,
    update_open_decisions,
)
from recovery.operator.rules import actions
from recovery.plan.model import RecoveryRules
from recovery.text_format import clock_time
from tests.cli.executions import CHAIN, DIAMOND, START, begin, plan_of, put, wave
from tests.cli.live.test_view import drawn


def keys(state: ExecutionState) -> str:
    return "".join(KEYS[action.name] for action in actions(state))


def said(state: ExecutionState, *, now: float = START, with_keys: bool = False) -> list[str]:
    """What is said about the first pending decision."""
    first = pending_decisions(state)[0]
    about = hint(state, first, now=now, width=80, with_keys=with_keys)
    return [line.strip() for line in [*about.why, *about.what_to_do]]


def asking(kind: ExecutionType = ExecutionType.DRILL) -> ExecutionState:
    """App2 has failed and Web waits for a decision."""
    state = begin(DIAMOND, kind)
    for name in ("Database", "App1", "App2"):
        wave(state, name).has_workflow = True
        put(state, name, WaveStatus.COMPLETED, launched=2, start=START, end=START + 60)
    put(state, "App2", WaveStatus.FAILED, "1 of 2 launched", start=START, end=START + 60)
    put(state, "Web", WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    return state


def test_a_failed_wave_offers_a_retry_an_acceptance_and_to_skip_what_waits_for_it() -> None:
    state = asking()
    assert said(state) == [
        "1 of 2 launched",
        "Without a decision, Web will not be launched",
        "drs-waves retry-wave crm w2",
        "drs-waves accept-wave crm w2",
        "drs-waves skip-wave crm w3",
    ]
    assert said(state, with_keys=True)[2:] == ["Keys: r retry · a accept · s skip Web"]
    assert keys(state) == "rasp"


@pytest.mark.parametrize("kind", ExecutionType)
def test_a_failed_wave_says_until_when_to_decide_and_what_happens_otherwise(
    kind: ExecutionType,
) -> None:
    state = asking(kind)
    wave(state, "App2").ask_until = START + 2 * 3600
    text = " ".join(said(state, now=START + 600))
    until = clock_time(START + 2 * 3600)
    assert f"1 h 50 min to decide (until {until}). Without a decision, Web will not be" in text
    later = "until the plan's deadline, a later answer still launches it"
    assert (later in text) is (kind is ExecutionType.RECOVERY)


def test_waves_that_do_not_launch_without_a_decision_are_counted_to_the_end() -> None:
    state = begin(plan_of({"A": [], "B": ["A"], "C": ["B"], "D": ["B"], "E": ["C"]}))
    put(state, "A", WaveStatus.FAILED)
    put(state, "B", WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
    put(state, "D", WaveStatus.SKIPPED)
    expected = "B and 2 more waves will not be launched"
    assert unanswered_effect(state, wave(state, "A")) == expected
    assert unanswered_effect(state, wave(state, "C")) == ""


def test_a_failed_wave_says_that_nobody_decided_in_time() -> None:
    state = asking()
    wave(state, "App2").unanswered_since = START
    put(state, "Web", WaveStatus.SKIPPED)
    assert "Nobody decided in time" in " ".join(said(state, now=START + 600))


def test_a_launch_in_doubt_offers_both_answers() -> None:
    state = begin(DIAMOND)
    wave(state, "Database").has_workflow = True
    put(state, "Database", WaveStatus.WAITING)
    wave(state, "Database").launches_in_doubt = ["crm-1/w0/1/0"]
    assert said(state) == [
        "Without a decision, it is not launched again, and waits until the plan's",
        "deadline",
        "drs-waves adopt-job crm w0 JOB_ID --launch crm-1/w0/1/0",
        "drs-waves launch-anyway crm w0 --launch crm-1/w0/1/0",
    ]
    assert {"j", "l"} <= set(keys(state))


def test_of_several_launches_in_doubt_each_has_commands_that_name_it() -> None:
    state = begin(DIAMOND)
    wave(state, "Database").has_workflow = True
    put(state, "Database", WaveStatus.WAITING)
    wave(state, "Database").launches_in_doubt = ["crm-1/w0/1/0", "crm-1/w0/1/1"]
    assert said(state)[2:] == [
        "drs-waves adopt-job crm w0 JOB_ID --launch crm-1/w0/1/0",
        "drs-waves launch-anyway crm w0 --launch crm-1/w0/1/0",
        "drs-waves adopt-job crm w0 JOB_ID --launch crm-1/w0/1/1",
        "drs-waves launch-anyway crm w0 --launch crm-1/w0/1/1",
    ]


def test_an_error_that_lasts_says_what_to_remove_and_how_to_stop_waiting() -> None:
    state = begin(DIAMOND)
    reason = "Waiting for an operator: no launch since 10:00: no route to AWS"
    stuck = put(state, "Database", WaveStatus.WAITING, reason)
    stuck.has_workflow, stuck.waiting_for = True, WaitingFor.OPERATOR
    assert said(state) == [
        reason,
        "Remove the cause: the launch is tried again automatically. To stop waiting:",
        "drs-waves cancel-wave crm w0",
    ]


def test_what_waits_for_an_approval_offers_it() -> None:
    state = begin(DIAMOND)
    put(state, "Web", WaveStatus.WAITING).waiting_for = WaitingFor.APPROVAL
    wave(state, "Web").approval_required = True
    assert said(state) == [
        "Without a decision, it is not launched, and fails at the plan's deadline",
        "drs-waves approve-wave crm w3 [--refuse]",
        "drs-waves skip-wave crm w3",
    ]
    assert "v" in keys(state)


def test_everybody_sees_who_takes_care_of_a_decision() -> None:
    state = asking()
    update_open_decisions(state, now=START)
    assert "i" in keys(state)
    assert said(state)[1].startswith("Without a decision")
    act = OperatorDecision(actor="ann@host", time=START, reason="calling the storage team")
    state.open_decisions[0].acknowledged_by = act
    since = f"ann@host has it since {clock_time(START)}: calling the storage team"
    assert said(state)[1] == since
    assert since in drawn(WatchedExecution("crm", state=state))


def test_a_paused_execution_offers_to_go_on() -> None:
    state = begin(DIAMOND)
    state.status, state.status_reason = PlanStatus.PAUSED, "Paused by ops@host: wait"
    assert said(state) == ["nothing new is launched", "drs-waves resume crm"]
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
    assert (actions(state), pending_decisions(state)) == ([], [])


def test_the_view_says_who_decided_and_which_attempt_it_is() -> None:
    state = asking()
    act = OperatorDecision(actor="ops@host", time=START)
    failed = wave(state, "App2")
    failed.attempt, failed.decisions = 2, Decisions(accepted_by=act)
    shown = drawn(WatchedExecution("crm", state=state))
    assert "attempt 2; accepted by ops@host" in " ".join(shown.split())
    assert "NEEDS AN OPERATOR" not in shown


async def typed(
    state: ExecutionState,
    text: str,
    *,
    error: Exception | None = None,
    watched: WatchedExecution | None = None,
) -> tuple[list[OperatorMessage], Prompts]:
    """Press keys below the live view, one by one; sending raises `error`."""
    sent: list[OperatorMessage] = []

    async def take(message: OperatorMessage) -> str:
        if error is not None:
            raise error
        sent.append(message)
        return "done"

    pressed = Keyboard()
    prompts = Prompts(watched or WatchedExecution("crm", state=state), pressed, take)
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
    assert prompts.footer(80)[0].endswith(" retry App2: done")
    sent, prompts = await typed(asking(), "rwhy\rn")
    assert sent == []
    assert prompts.footer(80)[0].endswith(" retry App2: no message sent")


async def test_a_result_has_its_time_and_does_not_stay_under_a_newer_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, prompts = await typed(asking(), "rwhy\rn")
    assert re.match(r"\d\d:\d\d:\d\d retry App2: no message sent", prompts.footer(80)[0])
    monkeypatch.setattr(prompting, "_RESULT_SECONDS", 0.0)
    assert prompts.footer(80)[0].startswith("r retry")


async def test_a_wave_is_chosen_by_its_number_its_id_or_its_name() -> None:
    state = asking()
    put(state, "App1", WaveStatus.FAILED)
    for answer in ("2", "w2", "W2", "app2"):
        sent, _ = await typed(state, f"a{answer}\r\ry")
        assert sent == [OperatorMessage(MessageName.ACCEPT_WAVE, "w2")]
    sent, prompts = await typed(state, "aApp\r")
    assert sent == []
    assert prompts.footer(80)[0].startswith("'App' is none of them. Accept which wave?")


async def test_a_key_goes_through_the_pages_of_all_waves() -> None:
    state = begin(plan_of({f"Wave {number}": [] for number in range(30)}))
    each = WatchedExecution("crm", state=state)
    first = drawn(each)
    _, prompts = await typed(state, "ww", watched=each)
    second = drawn(each)
    assert "ALL 30 WAVES, page 2 of 2" in second
    assert "w next page" in " ".join(prompts.footer(80))
    await typed(state, "w", watched=each)
    assert drawn(each) == first


async def test_skip_asks_whether_dependents_are_skipped_too_and_says_what_follows() -> None:
    state = begin(CHAIN)
    sent, prompts = await typed(state, "s2\r\r2\r")
    assert "App, Web will not be launched" in " ".join(prompts.footer(80))
    sent, _ = await typed(state, "s2\r\r2\ry")
    assert sent == [OperatorMessage(MessageName.SKIP_WAVE, "w1", cascade=True)]
    sent, prompts = await typed(state, "s2\r\r1\r")
    assert "Web can launch now without it" in " ".join(prompts.footer(80))
    sent, _ = await typed(state, "s2\r\r1\ry")
    assert sent == [OperatorMessage(MessageName.SKIP_WAVE, "w1")]


async def test_accept_says_which_waves_launch_although_it_is_not_up() -> None:
    state = asking()
    up = wave(state, "App2").launched_count
    _, prompts = await typed(state, "a\r")
    follows = f"Web can launch now although App2 is {up} of 2 up"
    assert follows in " ".join(prompts.footer(80))


async def test_cancel_names_the_wave_and_not_the_plan() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.IN_PROGRESS, start=START).has_workflow = True
    _, prompts = await typed(state, "c\r")
    assert "only this wave is cancelled, the plan continues" in " ".join(prompts.footer(80))


async def test_a_rejection_is_shown_and_the_view_goes_on() -> None:
    rejection = RejectedError("retry-wave was rejected: no", RefusalCode.WAVE_STATUS)
    _, prompts = await typed(asking(), "r\ry", error=rejection)
    assert prompts.footer(80)[0].endswith(" retry App2: NOT DONE: retry-wave was rejected: no")
    assert "r retry" in prompts.footer(80)[-1]


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

    async def signal(name: object, *, args: object, **_: object) -> None:
        signals.append((name, args))

    handle = SimpleNamespace(signal=signal, execute_update=never)
    client = cast(Client, SimpleNamespace(get_workflow_handle=lambda *_, **__: handle))
    monkeypatch.setattr(steering, "has_worker", yes)
    monkeypatch.setattr(steering, "UPDATE_SECONDS", 0.01)
    running = RunningExecution("crm", "crm-1", ExecutionType.DRILL, "run")
    effect = await send(client, running, OperatorMessage(MessageName.PAUSE), actor="ops@host")
    assert effect is None
    [(name, [given])] = signals
    assert name == "pause"
    assert (given["ExecutionId"], given["client"]) == ("crm-1", "drs-waves")


def test_a_recovery_that_waits_for_approvals_says_how_many_it_has_and_who_can_help() -> None:
    plan = CHAIN.model_copy(update={"recovery": RecoveryRules(approvers=2)})
    state = begin(plan, ExecutionType.RECOVERY)
    assert said(state) == [
        "0 of 2 approvals",
        "Without a decision, nothing is launched, and the recovery fails at the",
        "plan's deadline",
        "Approve or refuse it on the pages; if these are lost:",
        "drs-waves approve-recovery crm [--refuse] --break-glass REASON --key FILE",
    ]
    assert said(state, with_keys=True)[-1] == "Keys: o approve recovery"
    watched = WatchedExecution("crm", state=state)
    assert "The recovery waits for approvals" in drawn(watched)
