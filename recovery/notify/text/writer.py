"""What a notification says, in the channel's time zone: a title and a few lines."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
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
from recovery.notify.text.inert import plain
from recovery.text_format import clock_time, count, rounded_duration

MAX_TITLE = 100
_MAX_NAME = 28
_MAX_LISTED = 15
_ASKING = (ItemKind.ASKED, ItemKind.REMINDER, ItemKind.LAST_CALL)

# By kind: what the title says, and what is asked. {wave} is the wave's name.
_DECISIONS = {
    DecisionKind.RECOVERY_APPROVAL: (
        "approve the recovery?",
        "Approve the recovery, or refuse it; nothing is launched before",
    ),
    DecisionKind.RESUME: ("paused, resume?", "Resume the execution, or cancel it"),
    DecisionKind.APPROVAL: ("approve {wave}?", "Approve wave {wave}, or skip it"),
    DecisionKind.LAUNCH: (
        "did DRS launch {wave}?",
        "DRS did not answer the launch of wave {wave}: adopt its job, or launch anyway",
    ),
    DecisionKind.LASTING_ERROR: (
        "{wave} cannot be launched",
        "Remove the cause, then the launch goes on; or cancel wave {wave}",
    ),
    DecisionKind.STEP: (
        "is step {step} of {wave} done?",
        "The outcome of step {step} of wave {wave} is not known: complete it, run it again, fail "
        "or skip it",
    ),
    DecisionKind.FAILURE: (
        "{wave} failed, decide",
        "Retry wave {wave}, accept it as it is, or skip what depends on it",
    ),
    DecisionKind.PLAN: (
        "{plan} is not up, decide",
        "Run plan {plan} again, accept it as it is, or start or skip what waits for it",
    ),
    DecisionKind.HELD_PLAN: (
        "{plan} cannot start, decide",
        "End the other execution of plan {plan}, or skip the plan",
    ),
}

_MANUAL_STEP = (
    "step {step} of {wave} waits for you",
    "Do step {step} of wave {wave} and complete it, or fail or skip it",
)

# By kind, what the title says.
_EVENTS = {
    EventKind.STARTED: "started",
    EventKind.BREAK_GLASS: "break-glass key used",
    EventKind.WAVE_UP: "{wave} is PARTIAL, {up}",
    EventKind.WAVE_FAILED: "{wave} failed, {up}",
    EventKind.DECISION_NEEDED: "a decision is needed",
    EventKind.LATE_ARRIVAL: "{wave} came up late, {up}",
    EventKind.FINISHED: "{outcome}",
    EventKind.CLEANUP_LEFT: "clean-up left recovery instances",
    EventKind.SETTINGS_LEFT: "launch settings are not as before the drill",
    EventKind.DRILL_ANNOUNCED: "scheduled drill starts soon",
    EventKind.DRILL_SKIPPED: "scheduled drill skipped",
    EventKind.DRILL_ENDED: "scheduled drill ended {outcome}",
    EventKind.DRILL_OVERDUE: "a scheduled drill is overdue: {reason}",
    EventKind.READINESS_LOST: "no longer ready: {readiness}",
    EventKind.READINESS_REGAINED: "ready again",
    EventKind.NO_WORKER: "drs-waves does not work: {reason}",
}
_BEFORE_ITS_START = (
    EventKind.DRILL_ANNOUNCED,
    EventKind.DRILL_SKIPPED,
    EventKind.DRILL_OVERDUE,
)
_OF_PLAN = (EventKind.READINESS_LOST, EventKind.READINESS_REGAINED)
_WHOLE_WAVE = "{wave} is up, {servers}"
_WHOLE_WAVE_OF_STEPS = "{wave} is complete, {servers}"


@dataclass(frozen=True)
class Texts:
    """What a notification says.

    Attributes:
        title: at most 100 characters.
        lines: what follows, one thing a line.
        link: the page to open; None if the installation has no address.
        command: what shows the same in a terminal.
    """

    title: str
    lines: tuple[str, ...]
    link: str | None
    command: str


class Writer:
    """Writes what notifications say."""

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        public_url: str | None = None,
        inert: Callable[[str, int], str] = plain,
    ) -> None:
        """Prepare.

        Args:
            zone: of the times.
            public_url: address of the pages.
            inert: makes a text of others harmless, and shortens it.
        """
        self._zone = zone
        self._public_url = public_url.rstrip("/") if public_url else None
        self._inert = inert

    def texts(self, notification: Notification) -> Texts:
        """What a notification says: its one item, or all of them in a digest."""
        items, now = notification.items, notification.time
        if len(items) == 1 and not notification.omitted:
            return self.item_texts(items[0], now=now)
        listed = [self._digest_line(each, now) for each in items[:_MAX_LISTED]]
        left = len(items) - len(listed) + notification.omitted
        more = (f"and {left} more",) if left else ()
        link = f"{self._public_url}/decisions" if self._public_url else None
        return Texts(_digest_title(notification), (*listed, *more), link, "drs-waves decisions")

    def item_texts(self, item: NotificationItem, *, now: float) -> Texts:
        """What one event or decision says. `now`: epoch seconds."""
        lines: list[str] = []
        if item.decision is not None:
            lines = self._decision_lines(item, item.decision, now)
        elif item.kind is ItemKind.TEST:
            lines = ["Somebody tests this channel. If this opened an incident, resolve it."]
        elif item.kind is ItemKind.RESOLVED:
            lines = ["It is over; nothing is left to do here."]
        elif item.event is not None:
            lines = self._event_lines(item, item.event)
        title = self._title(item, now)
        link, command = self._link(item.execution, item.event)
        return Texts(title, tuple(each for each in lines if each not in title), link, command)

    def _title(self, item: NotificationItem, now: float) -> str:
        decision, event, execution = item.decision, item.event, item.execution
        if decision is not None:
            what, _ = self._asked(decision)
        else:
            what = self._event_title(event) if event is not None else "drs-waves: a test"
        head = ""
        if execution is not None:
            of_plan = event is not None and event.kind in _OF_PLAN
            kind = "" if of_plan else f"{execution.execution_type.upper()} "
            of_many = "portfolio " if execution.is_portfolio else ""
            head = f"{kind}{of_many}{self._name(execution.plan_name)}: "
        prefix = ""
        match item.kind:
            case ItemKind.REMINDER:
                prefix = "Reminder: "
            case ItemKind.LAST_CALL if decision is not None and decision.deadline is not None:
                prefix = f"{rounded_duration(decision.deadline - now)} left: "
            case ItemKind.ACKNOWLEDGED:
                prefix = "Acknowledged: "
            case ItemKind.RESOLVED:
                prefix = "Closed: "
        return _cut(f"{prefix}{head}{what}")

    def _event_title(self, event: Event) -> str:
        kind, took = event.kind, ""
        if event.seconds is not None:
            took = f" after {rounded_duration(event.seconds)}"
        is_whole = event.wave_status in (None, WaveStatus.COMPLETED)
        is_whole &= event.servers_up == event.servers
        servers = count(event.servers, "server")
        up = f"{event.servers_up} of {servers} up"
        if not event.servers and event.wave_status is not None:
            servers = count(event.steps, "step")
            up = f"{event.steps_succeeded} of {servers} succeeded"
        text = _EVENTS[kind]
        if kind is EventKind.WAVE_UP and is_whole:
            text = _WHOLE_WAVE if event.servers else _WHOLE_WAVE_OF_STEPS
        return text.format(
            wave=self._name(event.wave_name),
            servers=servers,
            up=up,
            outcome=f"{event.outcome or 'ended'}{took}",
            reason=self._inert(event.reason, MAX_TITLE),
            readiness=event.readiness or "UNKNOWN",
        )

    def _decision_lines(
        self, item: NotificationItem, decision: AskedDecision, now: float
    ) -> list[str]:
        if item.kind is ItemKind.RESOLVED:
            return [*self._made_by(decision.made_by), "Nothing is left to do here."]
        _, asked = self._asked(decision)
        acknowledged = decision.acknowledged_by
        lines = [f"{asked}.", self._deadline(decision, now)]
        if decision.if_unanswered:
            lines.append(f"{self._inert(decision.if_unanswered, 300)}.")
        if decision.instruction:
            lines.append(f"Instruction: {self._inert(decision.instruction, 300)}")
        if decision.reason:
            lines.append(f"Reason: {self._inert(decision.reason, 300)}")
        if item.kind is not ItemKind.ASKED:
            lines.append(f"Asked since {self._clock(decision.since)}.")
        if acknowledged is not None:
            reason = f": {self._inert(acknowledged.reason, 100)}" if acknowledged.reason else "."
            who, since = self._name(acknowledged.actor, 64), self._clock(acknowledged.time)
            lines.append(f"{who} has it, since {since}{reason}")
        return lines

    def _asked(self, decision: AskedDecision) -> tuple[str, str]:
        """What the title says of a decision, and what is asked."""
        texts = _MANUAL_STEP if decision.instruction else _DECISIONS[decision.kind]
        names = {
            "wave": self._name(decision.wave_name),
            "step": self._name(decision.step_id),
            "plan": self._name(decision.plan_name),
        }
        title, asked = texts
        return title.format(**names), asked.format(**names)

    def _made_by(self, made_by: DecisionMaker | None) -> list[str]:
        """Who decided and what."""
        if made_by is None:
            return ["Somebody decided, or the execution ended."]
        if made_by.actor is None:
            return ["Nobody decided: the reason to ask is gone, or the execution ended."]
        verified = "verified" if made_by.is_verified else "not verified"
        what = f"{self._inert(made_by.message, 40)}: {self._inert(made_by.effect, 200)}"
        lines = [f"{self._name(made_by.actor, 64)} ({verified}) decided, {what}."]
        return lines + [f"Reason: {self._inert(made_by.reason, 100)}"] * bool(made_by.reason)

    def _deadline(self, decision: AskedDecision, now: float) -> str:
        if decision.deadline is None:
            return "There is no deadline."
        left = decision.deadline - now
        when = self._clock(decision.deadline)
        if left <= 0:
            return f"The time to decide ended at {when}."
        return f"Decide until {when}, in {rounded_duration(left)}."

    def _event_lines(self, item: NotificationItem, event: Event) -> list[str]:
        lines = [self._inert(event.reason, 300)]
        match event.kind:
            case EventKind.STARTED if item.execution is not None:
                lines.append(f"Started by {self._name(item.execution.started_by, 64)}.")
            case EventKind.DRILL_ANNOUNCED:
                lines.append(f"It starts at {self._clock(event.time)}.")
                return lines
            case EventKind.FINISHED:
                if event.servers:
                    lines.append(f"{event.servers_up} of {count(event.servers, 'server')} up.")
                lines.append(_rto(event))
                if event.not_tested:
                    lines.append(f"{count(event.not_tested, 'step')} NOT_TESTED.")
        if event.isolation:
            lines.append(f"{self._inert(event.isolation, 300)}.")
        lines.append(f"At {self._clock(event.time)}.")
        return lines

    def _digest_line(self, item: NotificationItem, now: float) -> str:
        line = self._title(item, now)
        decision = item.decision
        if decision is None or decision.deadline is None or item.kind not in _ASKING:
            return line
        return f"{line} (until {self._clock(decision.deadline)})"

    def _link(
        self, execution: NotifiedExecution | None, event: Event | None
    ) -> tuple[str | None, str]:
        if execution is None:
            return self._public_url, "drs-waves executions"
        if event is not None and event.kind in (*_BEFORE_ITS_START, *_OF_PLAN):
            # There is no execution yet, or never.
            plan_id = quote(execution.plan_id, safe="")
            link = f"{self._public_url}/plans/{plan_id}" if self._public_url else None
            shows = "readiness" if event.kind in _OF_PLAN else "schedule show"
            return link, f"drs-waves {shows} {plan_id}"
        execution_id = quote(execution.execution_id, safe="")
        if execution.is_portfolio:
            link = f"{self._public_url}/portfolios/{execution_id}" if self._public_url else None
            return link, f"drs-waves portfolio watch {execution_id}"
        link = f"{self._public_url}/executions/{execution_id}" if self._public_url else None
        return link, f"drs-waves watch {execution_id}"

    def _name(self, name: str | None, limit: int = _MAX_NAME) -> str:
        return self._inert(name or "", limit) or "(no name)"

    def _clock(self, epoch: float) -> str:
        return clock_time(epoch, self._zone)


def _digest_title(notification: Notification) -> str:
    items = notification.items
    decisions = sum(each.kind in _ASKING for each in items)
    others = len(items) - decisions + notification.omitted
    news = f"{others} {'other ' if decisions else ''}{'message' if others == 1 else 'messages'}"
    needed = f"{count(decisions, 'decision')} needed"
    return ", ".join([needed] * bool(decisions) + [news] * bool(others))


def _rto(event: Event) -> str:
    """The time against the RTO, which only counts once everything is up."""
    if event.seconds is None or event.rto_seconds is None:
        return ""
    rto = f"RTO {rounded_duration(event.rto_seconds)}"
    over = event.seconds - event.rto_seconds
    if over > 0:
        return f"{rto}: exceeded by {rounded_duration(over)}."
    return (
        f"{rto}: met." if event.outcome is PlanStatus.COMPLETED else f"{rto}: not everything is up."
    )


def _cut(title: str) -> str:
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1].rstrip()}…"
