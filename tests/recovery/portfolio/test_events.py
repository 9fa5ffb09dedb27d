"""What a portfolio reports, from one state to the next."""

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import AskedDecision
from recovery.portfolio.events import PortfolioEvents
from recovery.portfolio.messages import PortfolioMessageHandler
from recovery.portfolio.scheduler import PortfolioScheduler
from tests.recovery.portfolio.test_scheduler import NOW, RECOVERY, end, scheduler


class Reported:
    """A portfolio of a plan and of what waits for it, with what it reports."""

    def __init__(self, kind: ExecutionType = RECOVERY) -> None:
        self.scheduler: PortfolioScheduler = scheduler("a", "b: a", "c: a", kind=kind)
        self.events = PortfolioEvents(self.scheduler.state)
        self.now = NOW
        self.made: list[str | None] = []

    def kinds(self) -> list[str]:
        """The events and decisions of the next report."""
        self.now += 1
        found = self.events.unsent(now=self.now)
        if found is None:
            return []
        self.asked: list[AskedDecision] = found.decisions or []
        self.made = [each.actor for each in found.made.values()]
        return [*(each.kind for each in found.events), *(each.kind for each in self.asked)]

    def fail(self) -> None:
        """The plan that the others wait for ends FAILED."""
        self.scheduler.request_start("a")
        end(self.scheduler, "a", PlanStatus.FAILED)

    def finish(self) -> None:
        """All others end."""
        for each in ("b", "c"):
            self.scheduler.request_start(each)
            end(self.scheduler, each)
        self.scheduler.close(now=self.now)


def test_a_recovery_reports_its_start_one_decision_for_all_that_waits_and_its_end() -> None:
    it = Reported()
    assert it.kinds() == [EventKind.STARTED]
    assert it.kinds() == []
    it.fail()
    assert it.events.asks_anew
    assert it.kinds() == [DecisionKind.PLAN]
    (asked,) = it.asked
    assert (asked.plan_id, asked.since, asked.deadline) == (
        "a",
        it.now,
        it.scheduler.state.deadline,
    )
    assert asked.if_unanswered == "Without a decision, B, C will not be started"
    assert "A is FAILED" in asked.reason
    assert it.kinds() == []
    assert it.events.unsent(now=it.now, repeat=True) is not None
    handler = PortfolioMessageHandler(it.scheduler)
    handler.handle("skip_plan", {"plan": "b", "actor": "ann"}, now=it.now)
    assert it.kinds() == []
    handler.handle("accept_plan", {"plan": "a", "actor": "bob"}, now=it.now)
    assert it.events.asks_anew
    it.kinds()
    assert it.made == ["bob"]
    assert not it.events.is_asking
    it.finish()
    assert it.kinds() == [EventKind.FINISHED]


def test_a_plan_that_is_run_again_resolves_what_nobody_decided() -> None:
    it = Reported()
    it.fail()
    it.kinds()
    end(it.scheduler, "a", PlanStatus.COMPLETED)
    it.kinds()
    assert it.made == [None]


def test_a_drill_asks_nothing() -> None:
    it = Reported(ExecutionType.DRILL)
    it.fail()
    assert it.kinds() == [EventKind.STARTED]


def test_a_plan_that_a_drill_holds_is_asked_about_once_however_often_it_is_tried() -> None:
    it = Reported()
    it.kinds()
    for _ in range(3):
        it.scheduler.request_start("a")
        assert it.kinds() in ([], [DecisionKind.HELD_PLAN])
        it.scheduler.hold("a", "DRILL a-1 of it runs")
        it.kinds()
        assert [each.since for each in it.asked] == [NOW + 3]
        it.scheduler.release("a")
        assert it.kinds() == []
    it.scheduler.request_start("a")
    end(it.scheduler, "a")
    it.kinds()
    assert it.asked == []


def test_the_use_of_an_offline_key_is_reported() -> None:
    it = Reported()
    it.kinds()
    handler = PortfolioMessageHandler(it.scheduler)
    record = handler.handle("pause", {"actor": "ann"}, now=it.now)
    record.break_glass = "sign-in is away"
    assert it.kinds() == [EventKind.BREAK_GLASS]
