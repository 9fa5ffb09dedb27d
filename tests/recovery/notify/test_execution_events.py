"""What an execution reports, from one state to the next."""

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import WaveReport, WaveStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import DecisionMaker
from recovery.notify.execution_events import ExecutionEvents
from recovery.operator.message_handler import MessageHandler
from recovery.operator.pending_decisions import update_open_decisions
from recovery.steps.state import StepStatus
from tests.cli.executions import START, put
from tests.cli.step_executions import waiting_step
from tests.recovery.operator.test_message_handler import NOW, execution


class Reported:
    """An execution, with what it reports."""

    def __init__(self) -> None:
        self.scheduler = execution(execution_type=ExecutionType.RECOVERY)
        self.scheduler.tick(now=NOW)
        self.events = ExecutionEvents(self.scheduler.state, rto_minutes=30)
        self.now = NOW

    def report(self, wave_id: str, status: WaveStatus, *, late: bool = False) -> None:
        scheduler, wave = self.scheduler, self.scheduler.wave(wave_id)
        if not wave.attempt:
            scheduler.start(wave_id, now=self.now)
        reported = wave.model_copy(deep=True)
        reported.status, reported.late = status, late
        reported.revision = wave.revision + 1
        self.now += 1
        scheduler.report(
            WaveReport(execution_id=scheduler.state.execution_id, wave=reported), now=self.now
        )

    def kinds(self) -> list[EventKind]:
        update_open_decisions(self.scheduler.state, now=self.now)
        found = self.events.unsent(now=self.now)
        return [each.kind for each in found.events] if found else []


def test_each_change_is_reported_once() -> None:
    it = Reported()
    assert it.kinds() == [EventKind.STARTED]
    assert it.kinds() == []
    it.report("beside", WaveStatus.COMPLETED)
    assert it.kinds() == [EventKind.WAVE_UP]
    it.report("first", WaveStatus.FAILED)
    update_open_decisions(it.scheduler.state, now=it.now)
    found = it.events.unsent(now=it.now)
    assert found is not None
    assert [each.kind for each in found.events] == [EventKind.WAVE_FAILED]
    (asked,) = found.decisions or []
    assert (asked.kind, asked.wave_id, asked.since) == (DecisionKind.FAILURE, "first", it.now)
    assert asked.deadline is not None
    assert "will not be launched" in asked.if_unanswered
    assert it.kinds() == []


def test_a_decision_that_falls_is_reported_without_an_event() -> None:
    it = Reported()
    it.report("first", WaveStatus.FAILED)
    it.kinds()
    it.scheduler.reopen("first", "Retry by ops", now=it.now)
    update_open_decisions(it.scheduler.state, now=it.now)
    found = it.events.unsent(now=it.now)
    assert found is not None
    assert (found.events, found.decisions) == ([], [])
    assert list(found.made.values()) == [DecisionMaker()], "no message decided"


def test_open_decisions_are_repeated_without_events_and_nothing_else_is() -> None:
    it = Reported()
    it.kinds()
    assert it.events.unsent(now=it.now, repeat=True) is None
    it.report("first", WaveStatus.FAILED)
    update_open_decisions(it.scheduler.state, now=it.now)
    first, again = (it.events.unsent(now=it.now, repeat=repeat) for repeat in (False, True))
    assert first is not None
    assert again is not None
    assert again.events == []
    assert again.decisions == first.decisions


def test_what_reached_nobody_is_reported_later() -> None:
    it = Reported()
    found = it.events.unsent(now=it.now)
    assert found is not None
    it.events.take_back(found)
    assert not it.events.asks_anew
    it.report("first", WaveStatus.FAILED)
    update_open_decisions(it.scheduler.state, now=it.now)
    assert it.events.asks_anew
    assert it.kinds() == [EventKind.STARTED, EventKind.WAVE_FAILED]


def test_who_decided_and_what_is_reported() -> None:
    it = Reported()
    it.report("first", WaveStatus.FAILED)
    it.kinds()
    it.now += 1
    handler = MessageHandler(it.scheduler)
    message = {"wave": "first", "actor": "ann", "reason": "good enough"}
    handler.handle("accept_wave", (message,), now=it.now)
    update_open_decisions(it.scheduler.state, now=it.now)
    found = it.events.unsent(now=it.now)
    assert found is not None
    (made,) = found.made.values()
    assert (made.actor, made.is_verified, made.message) == ("ann", False, "accept_wave")
    assert (made.reason, bool(made.effect)) == ("good enough", True)


def test_a_late_arrival_an_offline_key_and_the_end_are_reported() -> None:
    it = Reported()
    state = it.scheduler.state
    it.report("first", WaveStatus.TIMED_OUT)
    it.kinds()
    it.report("first", WaveStatus.COMPLETED, late=True)
    assert it.kinds() == [EventKind.LATE_ARRIVAL]
    state.messages.append(
        MessageRecord(
            name="pause", actor="ops", break_glass="lost", time=1.0, accepted=True, effect=""
        )
    )
    assert it.kinds() == [EventKind.BREAK_GLASS]
    it.scheduler.cancel("Cancelled", now=it.now)
    it.scheduler.close(now=it.now)
    assert state.status is PlanStatus.CANCELLED
    assert EventKind.FINISHED in it.kinds()
    assert it.kinds() == []


def test_a_start_with_an_offline_key_is_reported() -> None:
    it = Reported()
    it.events.break_glass = "the Region is lost"
    found = it.events.unsent(now=it.now)
    assert found is not None
    started, used = found.events
    assert (started.kind, used.kind) == (EventKind.STARTED, EventKind.BREAK_GLASS)
    assert used.reason == f"{it.scheduler.state.started_by}: start: the Region is lost"
    assert it.kinds() == []


def test_a_decision_that_is_asked_again_has_another_key() -> None:
    it = Reported()
    keys = []
    for _ in range(2):
        it.scheduler.pause("Paused by ops", now=it.now)
        update_open_decisions(it.scheduler.state, now=it.now)
        found = it.events.unsent(now=it.now)
        assert found is not None
        keys += [each.key for each in found.decisions or []]
        it.scheduler.resume(now=it.now)
        update_open_decisions(it.scheduler.state, now=it.now)
        it.now += 1
    assert len(set(keys)) == len(keys) == 2


def test_a_step_that_waits_is_named_with_its_instruction_and_its_deadline() -> None:
    state = waiting_step()
    update_open_decisions(state, now=START)
    update = ExecutionEvents(state, rto_minutes=None).unsent(now=START)
    assert update is not None
    (asked,) = update.decisions or []
    assert (asked.wave_id, asked.step_id, asked.deadline) == ("cutover", "confirm", START + 15_000)
    assert asked.instruction.startswith("# Move the traffic 1. Open the **load balancer**")
    assert asked.if_unanswered == (
        "Without a decision, the step fails, and then the policy of its wave applies"
    )


def test_a_wave_that_a_step_failed_names_it_and_the_end_says_what_was_not_tested() -> None:
    state = waiting_step()
    events = ExecutionEvents(state, rto_minutes=None)
    events.unsent(now=START)
    cutover = put(state, "Cutover", WaveStatus.FAILED, "step confirm TIMED_OUT: nobody decided")
    cutover.steps[0].status, cutover.steps[0].decide_until = StepStatus.TIMED_OUT, None
    state.status, state.end_time = PlanStatus.FAILED, START + 900
    update = events.unsent(now=START + 900)
    assert update is not None
    failed, finished = update.events
    assert (failed.kind, failed.reason) == (EventKind.WAVE_FAILED, cutover.status_reason)
    assert (failed.steps_succeeded, failed.steps, failed.servers) == (0, 2, 0)
    assert (finished.kind, finished.not_tested) == (EventKind.FINISHED, 1)
