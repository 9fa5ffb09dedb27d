"""Every message against every state of a wave: accepted, or rejected with a reason."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from recovery.access.grants import AccessCode, MessageVerdict
from recovery.execution.progress import wave_notes
from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, RefusalCode
from recovery.execution.wave import (
    Cause,
    OperatorDecision,
    WaitingFor,
    WaveReport,
    WaveStatus,
)
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName, MessageRejected, cancel_reason
from recovery.operator.pending_decisions import pending_decisions, update_open_decisions
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, RecoveryRules, Server, Wave

NOW = 1_000_000.0
# Of the two seconds after which Temporal's deadlock detector fires.
MOST_SECONDS = 0.5


def wave(name: str, number: int, *after: str, approval: bool = False) -> Wave:
    return Wave(
        wave_id=name,
        servers=[Server(source_server_id=f"s-{number:017x}")],
        dependencies=[Dependency(depends_on_wave_id=a) for a in after],
        region="us-west-2",
        approval_required=approval,
    )


def execution(
    *,
    approval: bool = False,
    policy: OnFailure | None = None,
    execution_type: ExecutionType = ExecutionType.DRILL,
    **fields: Any,
) -> WaveScheduler:
    plan = RecoveryPlan(
        plan_id="crm",
        region="us-west-2",
        on_failure=policy,
        **fields,
        waves=[
            wave("first", 1),
            wave("it", 2, "first", approval=approval),
            wave("after", 3, "it"),
            wave("beside", 4),
        ],
    )
    state = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=execution_type,
        started_by="ops",
        now=NOW,
    )
    return WaveScheduler(plan, state)


JOB = "drsjob-0123456789abcdef0"


LAUNCH = "crm-1/it/1/0"


def report(
    scheduler: WaveScheduler,
    wave_id: str,
    status: WaveStatus,
    *,
    in_doubt: Sequence[str] = (),
) -> None:
    """Have a wave's workflow say how it stands."""
    known = scheduler.wave(wave_id)
    launched = LaunchStatus.FAILED if status is WaveStatus.FAILED else LaunchStatus.PENDING
    reported = known.model_copy(
        update={
            "status": status,
            "status_reason": str(status),
            "revision": known.revision + 10,
            "launches_in_doubt": list(in_doubt),
            "servers": [
                ServerResult(
                    source_server_id=known.servers[0].source_server_id, launch_status=launched
                )
            ],
        }
    )
    assert scheduler.report(WaveReport(execution_id="crm-1", wave=reported), now=NOW)


def run_to(scheduler: WaveScheduler, *statuses: WaveStatus) -> None:
    """Bring `first` up, then start `it` and have it report these statuses."""
    scheduler.start("first", now=NOW)
    report(scheduler, "first", WaveStatus.COMPLETED)
    if statuses:
        scheduler.start("it", now=NOW)
    for status in statuses:
        if status is not WaveStatus.WAITING:
            report(scheduler, "it", status)


def skipped_by_failure(scheduler: WaveScheduler) -> None:
    scheduler.start("first", now=NOW)
    report(scheduler, "first", WaveStatus.FAILED)


def in_doubt(scheduler: WaveScheduler) -> None:
    run_to(scheduler, WaveStatus.WAITING)
    report(scheduler, "it", WaveStatus.WAITING, in_doubt=[LAUNCH])


def retried_while_paused(scheduler: WaveScheduler) -> None:
    run_to(scheduler, WaveStatus.FAILED)
    scheduler.pause("Paused by ops", now=NOW)
    scheduler.reopen("it", "Retry by ops", now=NOW)


STATES: dict[str, Callable[[WaveScheduler], None]] = {
    "WAITING for a dependency": lambda scheduler: None,
    "PENDING": run_to,
    "WAITING for acceptance": lambda scheduler: run_to(scheduler, WaveStatus.WAITING),
    "WAITING in doubt": in_doubt,
    "IN_PROGRESS": lambda scheduler: run_to(scheduler, WaveStatus.IN_PROGRESS),
    "COMPLETED": lambda scheduler: run_to(scheduler, WaveStatus.COMPLETED),
    "PARTIAL": lambda scheduler: run_to(scheduler, WaveStatus.PARTIAL),
    "FAILED": lambda scheduler: run_to(scheduler, WaveStatus.FAILED),
    "TIMED_OUT": lambda scheduler: run_to(scheduler, WaveStatus.TIMED_OUT),
    "CANCELLED": lambda scheduler: run_to(scheduler, WaveStatus.CANCELLED),
    "SKIPPED": skipped_by_failure,
    "WAITING, retried while paused": retried_while_paused,
}

# Which messages each state takes; everything else is rejected.
TAKES: dict[str, set[str]] = {
    "WAITING for a dependency": {"skip_wave"},
    "PENDING": {"skip_wave"},
    "WAITING for acceptance": {"cancel_wave"},
    "WAITING in doubt": {"cancel_wave", "adopt_job", "launch_anyway"},
    "IN_PROGRESS": {"accept_wave", "cancel_wave"},
    "COMPLETED": set(),
    "PARTIAL": set(),
    "FAILED": {"accept_wave", "retry_wave"},
    "TIMED_OUT": {"accept_wave", "retry_wave"},
    "CANCELLED": {"retry_wave"},
    "SKIPPED": {"skip_wave"},
    "WAITING, retried while paused": set(),
}


@pytest.mark.parametrize("name", [name for name in MessageName if name.is_about_a_wave])
@pytest.mark.parametrize("state", STATES)
def test_every_message_against_every_state(state: str, name: MessageName) -> None:
    scheduler = execution()
    STATES[state](scheduler)
    before = scheduler.state.model_dump(exclude={"messages", "revision"})
    handler = MessageHandler(scheduler)
    given = {"wave": "it", "actor": "ops"}
    if name is MessageName.ADOPT_JOB:
        given["job"] = JOB
    if name.is_launch_answer:
        given["launch"] = LAUNCH
    record = handler.handle(name, (given,), now=NOW + 1)
    assert record.accepted is (name in TAKES[state])
    assert record.effect
    assert record.accepted is (record.refusal is None)
    assert scheduler.state.messages == [record]
    if not record.accepted:
        assert scheduler.state.model_dump(exclude={"messages", "revision"}) == before
        assert not handler.cancellations
        assert not handler.launch_decisions


def test_an_answer_to_a_doubt_is_passed_on_once() -> None:
    scheduler = execution()
    in_doubt(scheduler)
    handler = MessageHandler(scheduler)
    answer = {"wave": "it", "job": JOB, "launch": LAUNCH}
    record = handler.handle("adopt_job", (answer,), now=NOW)
    assert (record.accepted, record.launch_id) == (True, LAUNCH)
    assert handler.launch_decisions == [(scheduler.wave("it"), LAUNCH, JOB)]
    again = handler.handle("launch_anyway", ("it",), now=NOW)
    assert again.refusal is RefusalCode.NOT_IN_DOUBT


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("launch_anyway", "it"),
        ("launch_anyway", {"wave": "it", "launch": ""}),
        ("adopt_job", {"wave": "it", "job": JOB}),
    ],
)
def test_an_answer_that_names_no_launch_is_refused_and_recorded(name: str, given: Any) -> None:
    scheduler = execution()
    in_doubt(scheduler)
    handler = MessageHandler(scheduler)
    record = handler.handle(name, (given,), now=NOW)
    assert record.refusal is RefusalCode.LAUNCH_NOT_NAMED
    assert f"(--launch, in a message launch): {LAUNCH}" in record.effect
    assert scheduler.state.messages == [record]
    assert handler.launch_decisions == []
    assert scheduler.wave("it").launches_in_doubt == [LAUNCH]


def test_of_several_launches_in_doubt_the_answer_must_name_one() -> None:
    scheduler = execution()
    in_doubt(scheduler)
    other = "crm-1/it/1/1"
    report(scheduler, "it", WaveStatus.WAITING, in_doubt=[LAUNCH, other])
    handler = MessageHandler(scheduler)
    unnamed = handler.handle("launch_anyway", ("it",), now=NOW)
    assert unnamed.refusal is RefusalCode.LAUNCH_NOT_NAMED
    assert LAUNCH in unnamed.effect
    assert other in unnamed.effect
    unknown = handler.handle("launch_anyway", ({"wave": "it", "launch": "crm-1/it/9"},), now=NOW)
    assert unknown.refusal is RefusalCode.UNKNOWN_LAUNCH
    assert handler.launch_decisions == []
    named = handler.handle("adopt_job", ({"wave": "it", "job": JOB, "LaunchId": other},), now=NOW)
    assert (named.accepted, named.launch_id) == (True, other)
    assert handler.launch_decisions == [(scheduler.wave("it"), other, JOB)]
    assert scheduler.wave("it").launches_in_doubt == [LAUNCH]
    assert handler.handle("launch_anyway", ({"wave": "it", "launch": LAUNCH},), now=NOW).accepted
    assert handler.launch_decisions[1] == (scheduler.wave("it"), LAUNCH, None)


def test_a_retry_forgets_the_doubts_of_the_attempt_before() -> None:
    scheduler = execution()
    in_doubt(scheduler)
    report(scheduler, "it", WaveStatus.FAILED, in_doubt=[LAUNCH])
    MessageHandler(scheduler).handle("retry_wave", ("it",), now=NOW)
    assert not scheduler.wave("it").launch_in_doubt


def test_skipping_all_downstream_leaves_what_another_decision_settled() -> None:
    scheduler = execution(approval=True)
    handler = MessageHandler(scheduler)
    handler.handle("approve_wave", ({"wave": "it", "approve": False},), now=NOW)
    record = handler.handle("skip_wave", ({"wave": "first", "cascade": True},), now=NOW)
    assert record.accepted
    assert scheduler.wave("first").cause is Cause.SKIPPED_BY_OPERATOR
    assert scheduler.wave("it").cause is Cause.APPROVAL_REFUSED


@pytest.mark.parametrize("state", STATES)
def test_an_approval_is_taken_only_before_the_launch(state: str) -> None:
    scheduler = execution(approval=True)
    if state != "SKIPPED" and not state.startswith("WAITING for a dep"):
        MessageHandler(scheduler).handle("approve_wave", ("it",), now=NOW)
    STATES[state](scheduler)
    if scheduler.wave("it").decisions.approved_by:
        again = MessageHandler(scheduler).handle("approve_wave", ("it",), now=NOW)
        assert not again.accepted
        return
    record = MessageHandler(scheduler).handle("approve_wave", ("it",), now=NOW)
    assert record.accepted is not scheduler.wave("it").status.is_settled


def test_pause_and_resume_are_taken_in_turns() -> None:
    scheduler = execution()
    handler = MessageHandler(scheduler)
    names = ("resume", "pause", "pause", "resume", "resume")
    taken = [handler.handle(name, (), now=NOW).accepted for name in names]
    assert taken == [False, True, False, True, False]
    assert scheduler.state.status is PlanStatus.IN_PROGRESS


def test_a_paused_execution_offers_no_wave_to_launch() -> None:
    scheduler = execution()
    MessageHandler(scheduler).handle("pause", ("network",), now=NOW)
    assert scheduler.ready() == []
    assert scheduler.wave("first").waiting_for is WaitingFor.RESUME
    MessageHandler(scheduler).handle("resume", (), now=NOW)
    assert [w.wave_id for w in scheduler.ready()] == ["first", "beside"]


def test_a_message_for_another_execution_changes_nothing() -> None:
    scheduler = execution()
    given = {"wave": "it", "ExecutionId": "crm-0"}
    record = MessageHandler(scheduler).handle("skip_wave", (given,), now=NOW)
    assert record.refusal is RefusalCode.OTHER_EXECUTION


def test_a_retry_makes_the_skipped_dependents_wait_again() -> None:
    scheduler = execution()
    run_to(scheduler, WaveStatus.FAILED)
    assert scheduler.wave("after").status is WaveStatus.SKIPPED
    MessageHandler(scheduler).handle("retry_wave", ("it",), now=NOW)
    assert scheduler.wave("after").status is WaveStatus.WAITING
    assert [w.wave_id for w in scheduler.ready()] == ["it", "beside"]
    assert scheduler.start("it", now=NOW).attempt == 2


def test_a_pending_decision_ends_at_its_deadline_with_the_dependents_skipped() -> None:
    scheduler = execution(policy=OnFailure.ASK)
    run_to(scheduler, WaveStatus.FAILED)
    assert scheduler.wave("after").status is WaveStatus.WAITING
    assert "beside" in [w.wave_id for w in scheduler.ready()]
    deadline = scheduler.next_deadline()
    assert deadline == NOW + 4 * 3600
    scheduler.tick(now=deadline)
    assert scheduler.wave("after").status is WaveStatus.SKIPPED
    assert scheduler.next_deadline() is None


@pytest.mark.parametrize("answer", ["accept_wave", "retry_wave"])
def test_a_recovery_that_nobody_answered_stays_open_for_a_later_answer(answer: str) -> None:
    scheduler = execution(execution_type=ExecutionType.RECOVERY, decision_seconds=3600.0)
    run_to(scheduler, WaveStatus.FAILED)
    scheduler.start("beside", now=NOW)
    report(scheduler, "beside", WaveStatus.COMPLETED)
    assert scheduler.next_deadline() == NOW + 3600
    scheduler.tick(now=NOW + 3600)
    after = scheduler.wave("after")
    assert after.status is WaveStatus.SKIPPED
    assert after.status_reason == "Skipped because it FAILED and nobody decided within 1 h"
    assert scheduler.all_settled
    assert not scheduler.is_over
    assert scheduler.next_deadline() == NOW + 86_400
    assert MessageHandler(scheduler).handle(answer, ("it",), now=NOW + 7200).accepted
    expected = WaveStatus.PENDING if answer == "accept_wave" else WaveStatus.WAITING
    assert after.status is expected


def test_a_recovery_that_nobody_answers_ends_at_the_plans_deadline() -> None:
    scheduler = execution(execution_type=ExecutionType.RECOVERY)
    run_to(scheduler, WaveStatus.FAILED)
    scheduler.start("beside", now=NOW)
    report(scheduler, "beside", WaveStatus.COMPLETED)
    scheduler.tick(now=NOW + 4 * 3600)
    scheduler.tick(now=NOW + 86_400)
    assert scheduler.is_over
    assert scheduler.next_deadline() is None


def test_what_waits_for_a_decision_at_the_plans_deadline_fails() -> None:
    scheduler = execution(policy=OnFailure.ASK, deadline_seconds=7200.0)
    run_to(scheduler, WaveStatus.FAILED)
    assert scheduler.wave("it").ask_until == NOW + 7200
    scheduler.tick(now=NOW + 7200)
    after = scheduler.wave("after")
    assert (after.status, after.cause) == (WaveStatus.FAILED, Cause.DEADLINE)
    assert "plan's deadline" in after.status_reason
    assert scheduler.next_deadline() is None


def test_a_wave_that_nobody_approves_fails_at_the_plans_deadline() -> None:
    scheduler = execution(approval=True)
    run_to(scheduler)
    assert scheduler.next_deadline() == NOW + 86_400
    scheduler.tick(now=NOW + 86_400)
    assert scheduler.wave("it").status is WaveStatus.FAILED
    assert scheduler.wave("it").cause is Cause.DEADLINE
    assert scheduler.next_deadline() is None


def test_an_expired_approval_fails_the_wave_once_and_asks_for_no_further_tick() -> None:
    scheduler = execution(approval=True)
    given = {"wave": "it", "expires_in_seconds": 60}
    assert MessageHandler(scheduler).handle("approve_wave", (given,), now=NOW).accepted
    assert scheduler.next_deadline() == NOW + 60
    scheduler.tick(now=NOW + 60)
    assert scheduler.wave("it").status is WaveStatus.FAILED
    assert scheduler.wave("it").cause is Cause.APPROVAL_EXPIRED
    assert scheduler.next_deadline() is None


def test_a_null_actor_is_an_unknown_one() -> None:
    record = MessageHandler(execution()).handle("pause", ({"actor": None},), now=NOW)
    assert (record.accepted, record.actor) == (True, "unknown")


def test_an_automatic_retry_never_revokes_an_acceptance() -> None:
    scheduler = execution()
    scheduler.plan.waves[1].retries = 1
    run_to(scheduler, WaveStatus.IN_PROGRESS)
    MessageHandler(scheduler).handle("accept_wave", ("it",), now=NOW)
    report(scheduler, "it", WaveStatus.FAILED)
    assert scheduler.wave("it").status is WaveStatus.FAILED
    assert scheduler.wave("after").status is WaveStatus.PENDING


def test_what_is_retried_is_launched_though_another_wave_has_stopped_the_plan() -> None:
    scheduler = execution(policy=OnFailure.STOP)
    run_to(scheduler, WaveStatus.IN_PROGRESS)
    scheduler.start("beside", now=NOW)
    report(scheduler, "it", WaveStatus.FAILED)
    report(scheduler, "beside", WaveStatus.FAILED)
    MessageHandler(scheduler).handle("retry_wave", ("it",), now=NOW)
    assert [w.wave_id for w in scheduler.ready()] == ["it"]


def test_the_decision_deadline_does_not_restart_with_later_reports() -> None:
    scheduler = execution(policy=OnFailure.ASK)
    run_to(scheduler, WaveStatus.TIMED_OUT)
    scheduler.tick(now=NOW + 4 * 3600)
    report(scheduler, "it", WaveStatus.TIMED_OUT)
    assert scheduler.wave("after").status is WaveStatus.SKIPPED


def test_a_wrong_account_refuses_every_wave_whatever_the_policy() -> None:
    scheduler = execution(policy=OnFailure.CONTINUE)
    scheduler.refuse("us-west-2", None, "another account", now=NOW)
    assert scheduler.ready() == []
    assert scheduler.all_settled


def test_an_actor_is_verified_only_by_a_signature() -> None:
    scheduler = execution()
    handler = MessageHandler(scheduler)
    handler.handle("pause", ({"actor": "boss", "client": "drs-waves"},), now=NOW)
    handler.handle("resume", ({"actor": "ops"},), now=NOW, verdict=signed_by("ops", "1"))
    handler.record_cancellation(cancel_reason("boss", "why"), now=NOW)
    verified = [m.actor_verified for m in scheduler.state.messages]
    assert verified == [False, True, False]


def signed_by(actor: str, nonce: str, **fields: Any) -> MessageVerdict:
    """A worker's verdict about a signed message."""
    return MessageVerdict(
        **{"verified_actor": actor, "nonce": nonce, "roles": ["operator"]} | fields
    )


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (AccessCode.NOT_SIGNED, RefusalCode.NOT_AUTHORIZED),
        (AccessCode.OTHER_EXECUTION, RefusalCode.NOT_AUTHORIZED),
        (AccessCode.EXPIRED, RefusalCode.SIGNATURE_EXPIRED),
    ],
)
def test_a_message_that_is_not_authorized_is_recorded_and_has_no_effect(
    code: AccessCode, refusal: RefusalCode
) -> None:
    scheduler = execution()
    verdict = MessageVerdict(refusal=code, reason="because")
    record = MessageHandler(scheduler).handle("pause", ({},), now=NOW, verdict=verdict)
    assert (record.accepted, record.refusal, record.effect) == (False, refusal, "because")
    assert scheduler.state.status is PlanStatus.IN_PROGRESS
    assert scheduler.state.messages == [record]


def test_a_signed_message_has_its_effect_once() -> None:
    scheduler = execution()
    handler = MessageHandler(scheduler)
    messages = [("pause", "1"), ("resume", "2"), ("pause", "1"), ("pause", "3")]
    for later, (name, nonce) in enumerate(messages):
        handler.handle(name, ({},), now=NOW + later, verdict=signed_by("ops", nonce))
    refused = [m.refusal for m in scheduler.state.messages]
    assert refused == [None, None, RefusalCode.REPLAYED, None]


def test_a_message_by_break_glass_says_why_for_ever() -> None:
    scheduler = execution()
    verdict = signed_by("ops", "1", break_glass="the Region is lost")
    record = MessageHandler(scheduler).handle("pause", ({},), now=NOW, verdict=verdict)
    assert record.break_glass == "the Region is lost"


def test_unknown_messages_leave_a_record_with_a_hint() -> None:
    scheduler = execution()
    record = MessageHandler(scheduler).handle("skipwave", ({"wave": "it"},), now=NOW)
    assert record.refusal is RefusalCode.UNKNOWN_MESSAGE
    assert "did you mean skip_wave?" in record.effect


def handler_of(waves: int, *, chained: bool = False) -> MessageHandler:
    """The handler of an execution of many waves."""
    names = [f"crm-application-tier-{number:04}" for number in range(waves)]
    plan = RecoveryPlan(
        plan_id="crm",
        region="us-west-2",
        waves=[
            wave(name, number, *names[max(0, number - 1) : number] if chained else ())
            for number, name in enumerate(names)
        ],
    )
    state = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=ExecutionType.RECOVERY,
        started_by="ops",
        now=NOW,
    )
    return MessageHandler(WaveScheduler(plan, state))


def test_a_hundred_messages_about_unknown_waves_of_a_thousand_fit_into_one_task() -> None:
    handler = handler_of(1000)
    began = time.process_time()
    for number in range(100):
        asked = {"wave": f"crm-aplication-teir-{number:04}x", "actor": "ops", "reason": "test"}
        assert not handler.handle("skip_wave", (asked,), now=NOW).accepted
        assert time.process_time() - began < MOST_SECONDS


def test_a_cascade_over_a_chain_of_a_thousand_waves_fits_into_one_task() -> None:
    handler = handler_of(1000, chained=True)
    began = time.process_time()
    asked = {"wave": "crm-application-tier-0000", "cascade": True}
    record = handler.handle("skip_wave", (asked,), now=NOW)
    assert time.process_time() - began < MOST_SECONDS
    assert handler._scheduler.all_settled
    assert record.effect.endswith(
        " and 990 more will not be launched; no other wave is open, so the execution ends"
    )


def test_a_slip_in_a_waves_name_is_answered_with_the_nearest() -> None:
    record = handler_of(10).handle("skip_wave", ("crm-application-teir-0003",), now=NOW)
    assert "did you mean crm-application-tier-0003?" in record.effect


def test_what_an_operator_does_after_a_flood_is_recorded() -> None:
    handler = handler_of(2)
    for _ in range(1000):
        handler.handle("resume", ({"actor": "a script"},), now=NOW)
    asked = {"wave": "crm-application-tier-0001", "actor": "ops", "reason": "no capacity"}
    record = handler.handle("skip_wave", (asked,), now=NOW + 1)
    assert record.accepted
    assert record in handler._scheduler.state.messages


def test_a_flood_of_one_rejected_message_is_recorded_as_one() -> None:
    handler = handler_of(2)
    for number in range(1000):
        handler.handle("resume", ({"actor": "a script"},), now=NOW + number)
    (record,) = handler._scheduler.state.messages
    assert (record.time, record.last_time, record.repeats) == (NOW, NOW + 999, 999)
    assert record.outcome.endswith("(and 999 more)")


@pytest.mark.parametrize("name", ["resume", "skip_wave", "no_such_message"])
def test_a_flood_of_different_rejected_messages_is_counted(name: str) -> None:
    handler = handler_of(2)
    for number in range(1000):
        asked = {"wave": f"w{number}"} if name == "skip_wave" else {"reason": str(number)}
        handler.handle(name, (asked,), now=NOW + number)
    records = handler._scheduler.state.messages
    assert len(records) <= 201
    assert sum(1 + record.repeats for record in records) == 1000


def test_accepted_messages_are_recorded_one_by_one_until_there_are_too_many() -> None:
    handler = handler_of(2)
    for number in range(1200):
        name = "resume" if number % 2 else "pause"
        assert handler.handle(name, (), now=NOW + number).accepted
    records = handler._scheduler.state.messages
    assert len(records) == 1001
    assert (records[-1].name, records[-1].repeats) == ("more messages", 199)


def test_a_check_says_what_would_be_rejected_and_changes_nothing() -> None:
    handler = handler_of(2)
    before = handler._scheduler.state.model_dump_json()
    handler.check("skip_wave", ("crm-application-tier-0001",))
    with pytest.raises(MessageRejected, match="not paused"):
        handler.check("resume", ())
    assert handler._scheduler.state.model_dump_json() == before


def named_waves(*names: str) -> MessageHandler:
    """The handler of an execution whose waves, w0 and so on, have these names."""
    waves = [
        wave(f"w{n}", n).model_copy(update={"wave_name": name}) for n, name in enumerate(names)
    ]
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=waves)
    state = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=NOW,
    )
    return MessageHandler(WaveScheduler(plan, state))


@pytest.mark.parametrize("given", ["Database", "database", "W0", "w0"])
def test_a_wave_is_named_by_its_id_or_its_name_in_any_case(given: str) -> None:
    record = named_waves("Database", "App").handle("skip_wave", (given,), now=NOW)
    assert (record.accepted, record.wave_id) == (True, "w0")


def test_a_wave_id_has_precedence_over_the_name_of_another_wave() -> None:
    record = named_waves("w1", "App").handle("skip_wave", ("w1",), now=NOW)
    assert (record.accepted, record.wave_id) == (True, "w1")


def test_a_name_of_several_waves_is_rejected_with_their_ids() -> None:
    record = named_waves("App", "app").handle("skip_wave", ("App",), now=NOW)
    assert not record.accepted
    assert "2 waves are called 'App'; give the WaveId, one of w0, w1" in record.effect


def test_a_slip_in_a_wave_name_is_answered_with_the_nearest_name() -> None:
    record = named_waves("Database", "App").handle("skip_wave", ("Datbase",), now=NOW)
    assert not record.accepted
    assert "did you mean Database?" in record.effect


RECOVERY_WITH_TWO: dict[str, Any] = {
    "execution_type": ExecutionType.RECOVERY,
    "recovery": RecoveryRules(approvers=2, starter_may_approve=False),
}


def approve(
    scheduler: WaveScheduler, actor: str, name: str = "approve_recovery", **how: Any
) -> Any:
    """Handle a signed approval of a recovery that ops started; its record."""
    verdict = how.pop("verdict", None) or signed_by(
        actor, f"{actor}{name}{how}", roles=["approver"]
    )
    handler = MessageHandler(scheduler)
    return handler.handle(name, ({"actor": actor, **how},), now=NOW + 1, verdict=verdict)


def test_a_recovery_launches_after_the_approvals_of_two_other_verified_approvers() -> None:
    scheduler = execution(**RECOVERY_WITH_TWO)
    assert scheduler.ready() == []
    assert scheduler.wave("first").waiting_for is WaitingFor.RECOVERY_APPROVAL
    assert "0 of 2 approvals" in scheduler.wave("first").status_reason
    assert scheduler.next_deadline() == NOW + 86_400.0
    records = [
        approve(scheduler, "ann", verdict=MessageVerdict()),
        approve(scheduler, "ann", verdict=signed_by("ann", "1", roles=["operator"])),
        approve(scheduler, "ops"),
        approve(scheduler, "ann"),
        approve(scheduler, "ann", reason="again"),
    ]
    assert [record.refusal for record in records] == [
        RefusalCode.NOT_AUTHORIZED,
        RefusalCode.ROLE_MISSING,
        RefusalCode.STARTER_MAY_NOT_APPROVE,
        None,
        RefusalCode.DECIDED_ALREADY,
    ]
    effect = "1 of 2 approvals; nothing is launched yet, 1 more person must approve it"
    assert records[3].effect == effect
    assert scheduler.ready() == []
    assert approve(scheduler, "bob").effect == "2 of 2 approvals; first, beside can launch now"
    assert [wave.wave_id for wave in scheduler.ready()] == ["first", "beside"]
    assert scheduler.state.approvals_text == "2 of 2 approvals (ann, bob)"
    assert approve(scheduler, "eve").refusal is RefusalCode.DECIDED_ALREADY


def test_a_refused_recovery_ends_without_a_launch() -> None:
    scheduler = execution(**RECOVERY_WITH_TWO)
    record = approve(scheduler, "ann", approve=False, reason="only a drill was planned")
    assert record.effect == "refused, nothing is launched, and the execution ends"
    assert scheduler.is_over
    assert approve(scheduler, "bob").refusal is RefusalCode.EXECUTION_CANCELLED
    scheduler.close(now=NOW + 2)
    assert scheduler.state.status is PlanStatus.CANCELLED
    assert "refused by ann: only a drill was planned" in scheduler.state.status_reason


def test_an_unanswered_recovery_fails_at_the_deadline() -> None:
    scheduler = execution(**RECOVERY_WITH_TWO)
    approve(scheduler, "ann")
    scheduler.tick(now=NOW + 86_400.0)
    assert scheduler.wave("first").status is WaveStatus.FAILED
    assert "1 of 2 approvals (ann)" in scheduler.wave("first").status_reason
    assert scheduler.ready() == []


def test_an_approval_by_break_glass_counts_as_all() -> None:
    scheduler = execution(**RECOVERY_WITH_TWO)
    glass = signed_by("ops", "1", roles=[], break_glass="the Region is lost")
    record = approve(scheduler, "ops", verdict=glass)
    assert record.effect.startswith("approval passed by break-glass: the Region is lost; first")
    passed = "approval passed by break-glass of ops: the Region is lost"
    assert scheduler.state.approvals_text == passed
    assert scheduler.ready()


def test_a_start_by_break_glass_passes_the_approvals_of_the_recovery_and_of_waves() -> None:
    scheduler = execution(approval=True, **RECOVERY_WITH_TWO)
    scheduler.pass_approvals("the Region is lost", now=NOW)
    assert [wave.wave_id for wave in scheduler.ready()] == ["first", "beside"]
    passed = "approval passed by break-glass of ops: the Region is lost"
    assert scheduler.state.approvals_text == passed
    assert passed in wave_notes(scheduler.wave("it"))
    scheduler.decide("first", now=NOW, skipped_by=OperatorDecision(actor="ops", time=NOW))
    assert scheduler.wave("it").status is WaveStatus.PENDING
    # Also if it is retried before its first launch.
    scheduler.reopen("it", "Retry", now=NOW)
    assert scheduler.wave("it").status is WaveStatus.PENDING


def test_the_starter_may_not_approve_waves_where_the_plan_says_so_and_nobody_unverified() -> None:
    scheduler = execution(approval=True, **RECOVERY_WITH_TWO)
    own = approve(scheduler, "ops", "approve_wave", wave="it")
    unverified = approve(scheduler, "ann", "approve_wave", wave="it", verdict=MessageVerdict())
    assert own.refusal is RefusalCode.STARTER_MAY_NOT_APPROVE
    assert unverified.refusal is RefusalCode.NOT_AUTHORIZED
    assert approve(scheduler, "ann", "approve_wave", wave="it").accepted
    drill = execution(approval=True, recovery=RECOVERY_WITH_TWO["recovery"])
    assert drill.ready()
    assert approve(drill, "ops", "approve_wave", wave="it").accepted
    no_need = approve(drill, "ann")
    assert no_need.refusal is RefusalCode.NO_APPROVAL_NEEDED


def test_every_signed_message_needs_its_role() -> None:
    scheduler = execution(approval=True)
    handler = MessageHandler(scheduler)
    for name, fields, roles in (
        ("pause", {}, ["approver"]),
        ("pause", {}, []),
        ("skip_wave", {"wave": "it"}, ["operator"]),
        ("skip_wave", {"wave": "first", "cascade": True}, ["operator"]),
        ("approve_wave", {"wave": "it"}, ["operator"]),
    ):
        verdict = signed_by("eve", f"{name}{fields}{roles}", roles=roles)
        record = handler.handle(name, (fields,), now=NOW, verdict=verdict)
        assert record.refusal is RefusalCode.ROLE_MISSING
    assert scheduler.state.status is PlanStatus.IN_PROGRESS
    skipped = signed_by("ann", "2", roles=["approver"])
    assert handler.handle("skip_wave", ({"wave": "it"},), now=NOW, verdict=skipped).accepted


def test_who_has_it_is_recorded_at_each_open_decision_until_another_takes_over() -> None:
    scheduler = execution(approval=True, policy=OnFailure.ASK)
    handler, state = MessageHandler(scheduler), scheduler.state
    refused = handler.handle(MessageName.ACKNOWLEDGE, (), now=NOW)
    assert refused.refusal is RefusalCode.NOTHING_ASKED
    scheduler.pause("wait", now=NOW)
    update_open_decisions(state, now=NOW)
    for number, who in enumerate(("ann", "bob")):
        said = {"actor": who, "reason": "on call"}
        record = handler.handle(MessageName.ACKNOWLEDGE, (said,), now=NOW + number)
        instead = ", before by ann" if number else ""
        assert record.effect == f"1 decision acknowledged{instead}; reminders pause for 30 min"
        (decision,) = state.open_decisions
        assert decision.acknowledged_by is not None
        assert (decision.acknowledged_by.actor, decision.acknowledged_by.time) == (
            who,
            NOW + number,
        )
    update_open_decisions(state, now=NOW + 5)
    (pending,) = pending_decisions(state)
    assert pending.opened is not None
    assert pending.opened.since == NOW
    assert pending.acknowledged_by == decision.acknowledged_by
    handler.handle(MessageName.RESUME, (), now=NOW + 6)
    assert state.open_decisions == []
    handler.handle(MessageName.PAUSE, (), now=NOW + 7)
    (again,) = state.open_decisions
    assert (again.since, again.acknowledged_by) == (NOW + 7, None), "another decision"


def test_another_launch_in_doubt_is_not_acknowledged_with_the_first_one() -> None:
    scheduler = execution()
    scheduler.tick(now=NOW)
    scheduler.start("first", now=NOW)
    wave, state = scheduler.wave("first"), scheduler.state
    wave.launches_in_doubt = ["first/1/1", "first/1/2"]
    update_open_decisions(state, now=NOW)
    MessageHandler(scheduler).handle(MessageName.ACKNOWLEDGE, ({"actor": "ann"},), now=NOW + 1)
    wave.launches_in_doubt = ["first/1/2"]
    assert update_open_decisions(state, now=NOW + 2)
    assert [(d.since, d.acknowledged_by is not None) for d in state.open_decisions] == [
        (NOW, True)
    ], "one of them is answered, the other one is still taken care of"
    wave.launches_in_doubt = ["first/1/2", "first/1/3"]
    assert update_open_decisions(state, now=NOW + 3)
    assert [(d.since, d.acknowledged_by) for d in state.open_decisions] == [(NOW + 3, None)]
