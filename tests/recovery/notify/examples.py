"""A notification of every kind of event and item. `python -m` writes the golden files anew."""

from pathlib import Path
from zoneinfo import ZoneInfo

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision, WaveStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import (
    AskedDecision,
    DecisionMaker,
    Event,
    ItemKind,
    Notification,
    NotificationItem,
    NotifiedExecution,
)
from recovery.notify.text.formats import Formatter, as_json
from recovery.readiness.verdict import ReadinessStatus

GOLDEN = Path(__file__).with_name("golden")
NOW = 1_790_000_000.0
ZONE = ZoneInfo("Europe/Berlin")
URL = "https://waves.example.com/"


def execution(name: str = "CRM", *, drill: bool = False) -> NotifiedExecution:
    return NotifiedExecution(
        execution_id="crm-0f3b52a1c7d9",
        plan_id="crm",
        plan_name=name,
        execution_type=ExecutionType.DRILL if drill else ExecutionType.RECOVERY,
        started_by="alice@example.com",
        start_time=NOW - 3780,
    )


def asked(kind: DecisionKind = DecisionKind.FAILURE, **more: object) -> AskedDecision:
    return AskedDecision.model_validate(
        {
            "key": f"{kind}/app/1",
            "kind": kind,
            "wave_id": "app",
            "wave_name": "App",
            "since": NOW - 60,
            "deadline": NOW + 4 * 3600,
            "reason": "2 of 5 servers FAILED",
            "if_unanswered": "Without a decision, Web and 3 more waves will not be launched",
            **more,
        }
    )


def decision(
    item_kind: ItemKind = ItemKind.ASKED,
    decision_kind: DecisionKind = DecisionKind.FAILURE,
    **more: object,
) -> NotificationItem:
    return NotificationItem(
        kind=item_kind,
        execution=execution(),
        decision=asked(decision_kind, **more),
        incident=f"crm-0f3b52a1c7d9/{decision_kind}/app/1",
    )


def of_portfolio(item: NotificationItem, *, drill: bool = False) -> NotificationItem:
    """The same of a portfolio."""
    fields = {
        "execution_id": "region-lost-0f3b52a1c7d9",
        "plan_id": "region-lost",
        "plan_name": "Everything in Frankfurt",
        "is_portfolio": True,
    }
    return item.model_copy(update={"execution": execution(drill=drill).model_copy(update=fields)})


def plan_decision(kind: DecisionKind, reason: str, left: str) -> NotificationItem:
    """A decision of a portfolio about its plan CRM."""
    item = decision(
        decision_kind=kind, wave_id=None, wave_name=None, plan_id="crm", plan_name="CRM",
        reason=reason, if_unanswered=left,
    )  # fmt: skip
    return of_portfolio(item)


_OF_SCHEDULES = (EventKind.DRILL_ANNOUNCED, EventKind.DRILL_SKIPPED, EventKind.DRILL_ENDED)


def event(kind: EventKind, **more: object) -> NotificationItem:
    fields = {"wave_name": "App", "servers_up": 5, "servers": 5, **more}
    happened = Event.model_validate({"kind": kind, "key": f"{kind}/app/1", "time": NOW, **fields})
    of_installation = kind in (EventKind.NO_WORKER, EventKind.DRILL_OVERDUE)
    is_drill = kind in (EventKind.STARTED, *_OF_SCHEDULES)
    where = None if of_installation else execution(drill=is_drill)
    return NotificationItem(kind=ItemKind.EVENT, execution=where, event=happened)


def notification(*items: NotificationItem, omitted: int = 0) -> Notification:
    return Notification(
        notification_id="n-1", channel="on-call", time=NOW, items=list(items), omitted=omitted
    )


ACKNOWLEDGED = OperatorDecision(actor="bob@example.com", time=NOW - 30, reason="looking")
MADE = DecisionMaker(
    actor="bob@example.com",
    is_verified=True,
    message="accept_wave",
    effect="Web is launched although App is 3 of 5 up; the execution can then end PARTIAL at best",
    reason="three are enough",
)
INSTRUCTION = (
    "1. Open the **load balancer**, see [the runbook](https://wiki.example.com/cutover). "
    "2. Set the weight of the old site to `0`. " + "Wait until no more requests arrive. " * 10
)
EVENTS = {
    EventKind.STARTED: event(EventKind.STARTED),
    EventKind.BREAK_GLASS: event(
        EventKind.BREAK_GLASS, reason="alice@example.com: retry_wave: sign-in is away"
    ),
    EventKind.WAVE_UP: event(EventKind.WAVE_UP),
    EventKind.WAVE_FAILED: event(
        EventKind.WAVE_FAILED, servers_up=3, reason="2 of 5 servers FAILED"
    ),
    EventKind.DECISION_NEEDED: event(EventKind.DECISION_NEEDED),
    EventKind.LATE_ARRIVAL: event(EventKind.LATE_ARRIVAL, servers_up=4),
    EventKind.FINISHED: event(
        EventKind.FINISHED, outcome=PlanStatus.COMPLETED, seconds=3780, rto_seconds=14_400
    ),
    EventKind.CLEANUP_LEFT: event(EventKind.CLEANUP_LEFT, reason="2 recovery instances are left"),
    EventKind.SETTINGS_LEFT: event(
        EventKind.SETTINGS_LEFT, reason="the default of lt-1 is version 7, not version 3"
    ),
    EventKind.READINESS_LOST: event(
        EventKind.READINESS_LOST,
        readiness=ReadinessStatus.NOT_READY,
        reason="RPO_EXCEEDED: db01: replication lags by 40 min; the plan's RPO is 15 min",
    ),
    EventKind.READINESS_REGAINED: event(
        EventKind.READINESS_REGAINED, readiness=ReadinessStatus.READY
    ),
    EventKind.DRILL_ANNOUNCED: event(EventKind.DRILL_ANNOUNCED),
    EventKind.DRILL_SKIPPED: event(
        EventKind.DRILL_SKIPPED, reason="Nothing starts before Monday: a freeze window (year end)"
    ),
    EventKind.DRILL_ENDED: event(
        EventKind.DRILL_ENDED,
        outcome=PlanStatus.COMPLETED,
        reason="crm-0f3b52a1c7d9 ended COMPLETED; clean-up COMPLETED",
    ),
    EventKind.DRILL_OVERDUE: event(
        EventKind.DRILL_OVERDUE, reason="The drill of crm was to start at 3:00"
    ),
    EventKind.NO_WORKER: event(EventKind.NO_WORKER, reason="no worker polls drs-waves"),
}
EXAMPLES = {
    **{kind.value: notification(item) for kind, item in EVENTS.items()},
    "PARTIAL wave": notification(event(EventKind.WAVE_UP, servers_up=4)),
    "FAILED end": notification(
        event(
            EventKind.FINISHED,
            outcome=PlanStatus.FAILED,
            seconds=15_000,
            rto_seconds=14_400,
            servers_up=3,
            reason="App FAILED",
        )
    ),
    **{kind.value: notification(decision(decision_kind=kind)) for kind in DecisionKind},
    DecisionKind.PLAN.value: notification(
        plan_decision(
            DecisionKind.PLAN,
            "CRM is FAILED: Database FAILED",
            "Without a decision, Shop, Web will not be started",
        )
    ),
    DecisionKind.HELD_PLAN.value: notification(
        plan_decision(
            DecisionKind.HELD_PLAN,
            "DRILL crm-0f3b52a1c7d9 of it runs; it is started once that has ended",
            "Without a decision, CRM may never be started",
        )
    ),
    "a portfolio STARTED": notification(
        of_portfolio(event(EventKind.STARTED, reason="12 plans, 340 servers"), drill=True)
    ),
    "a portfolio FINISHED": notification(
        of_portfolio(
            event(
                EventKind.FINISHED,
                outcome=PlanStatus.FAILED,
                seconds=15_000,
                servers_up=331,
                servers=340,
                reason="CRM FAILED: 11 COMPLETED, 1 FAILED",
            )
        )
    ),
    DecisionKind.STEP.value: notification(
        decision(decision_kind=DecisionKind.STEP, step_id="promote", reason="no answer from SSM")
    ),
    "manual STEP": notification(
        decision(
            decision_kind=DecisionKind.STEP, step_id="confirm", reason="", instruction=INSTRUCTION
        )
    ),
    "PARTIAL by a step": notification(
        event(EventKind.WAVE_UP, wave_status=WaveStatus.PARTIAL, reason="step dns SKIPPED", steps=2)
    ),
    "FAILED wave of steps": notification(
        event(
            EventKind.WAVE_FAILED,
            wave_status=WaveStatus.FAILED,
            servers_up=0,
            servers=0,
            steps_succeeded=1,
            steps=3,
            reason="step dns FAILED: access denied",
        )
    ),
    "COMPLETED wave of steps": notification(
        event(EventKind.WAVE_UP, wave_status=WaveStatus.COMPLETED, servers_up=0, servers=0, steps=3)
    ),
    "steps NOT_TESTED": notification(
        event(EventKind.FINISHED, outcome=PlanStatus.COMPLETED, seconds=3780, not_tested=2)
    ),
    ItemKind.REMINDER: notification(decision(ItemKind.REMINDER, since=NOW - 600)),
    ItemKind.LAST_CALL: notification(
        decision(ItemKind.LAST_CALL, deadline=NOW + 1800, acknowledged_by=ACKNOWLEDGED)
    ),
    ItemKind.ACKNOWLEDGED: notification(
        decision(ItemKind.ACKNOWLEDGED, acknowledged_by=ACKNOWLEDGED)
    ),
    ItemKind.RESOLVED: notification(decision(ItemKind.RESOLVED, made_by=MADE)),
    "RESOLVED by nobody": notification(decision(ItemKind.RESOLVED, made_by=DecisionMaker())),
    "RESOLVED, not known by whom": notification(decision(ItemKind.RESOLVED)),
    ItemKind.TEST: notification(NotificationItem(kind=ItemKind.TEST, incident="test")),
    "RESOLVED event": notification(
        EVENTS[EventKind.NO_WORKER].model_copy(update={"kind": ItemKind.RESOLVED})
    ),
    "no deadline": notification(decision(deadline=None)),
    "digest": notification(
        *(decision(deadline=NOW + 600 * number, wave_name=f"App {number}") for number in range(50)),
        EVENTS[EventKind.WAVE_UP],
        omitted=3,
    ),
}
FORMATS = ("plain", "chat", "html", "json")


def formatted(each: Notification, form: str, *, url: str | None = URL) -> tuple[str, str]:
    """Title and body in a format."""
    formatter = Formatter(ZONE, url)
    match form:
        case "plain":
            return formatter.plain(each)
        case "chat":
            return formatter.chat(each)
        case "html":
            return formatter.html(each)
        case _:
            document = formatter.document(each)
            return document.title, as_json(document)


def golden(form: str) -> str:
    """All examples in a format."""
    parts = []
    for name, each in EXAMPLES.items():
        title, body = formatted(each, form)
        parts.append(f"== {name}\n{title}\n\n{body.rstrip()}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for form in FORMATS:
        (GOLDEN / f"{form}.txt").write_text(golden(form))
