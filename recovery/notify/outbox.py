"""What the notifier has yet to send to each channel, and when. Times are epoch seconds.

Events wait for their channel's next message; decisions are reported until they fall. Each channel
gets at most one message a minute that asks, and one without a question; what gathers meanwhile is a
digest.
"""

from collections.abc import Iterator

from recovery.execution.notification_problem import NotificationProblem
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.events import (
    AskedDecision,
    Event,
    ItemKind,
    Notification,
    NotificationItem,
    NotifiedExecution,
)
from recovery.notify.notifier_state import (
    Announced,
    ChannelState,
    DeliveryRecord,
    FollowedExecution,
    NotifierState,
    NotifyUpdate,
    WaitingItem,
)
from recovery.notify.reminders import next_reminder
from recovery.notify.severity import breaks_quiet_hours
from recovery.text_format import shortened

# Plans that ask at the same moment are one message.
GATHER_SECONDS = 4.0
_MINUTE = 60.0
_RETRY_SECONDS = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
# More decisions at once are one incident in a pager.
_OWN_INCIDENTS = 3
_MAX_WAITING = 300
_MAX_RECORDS = 300
_MAX_NAMED = 100
# As many as an execution has open at once.
_MAX_MADE = 200
_REPORTED_FAILURES = 2
_PROBLEMS_SECONDS = 600.0
# Temporal takes 2 MB a message; the others are in the next one.
_MAX_ITEMS = 500
_URGENT_EVENTS = (EventKind.BREAK_GLASS, EventKind.NO_WORKER, EventKind.WAVE_FAILED)
_ENDING = (ItemKind.RESOLVED, ItemKind.ACKNOWLEDGED)
_INCIDENT_EVENTS = (*_URGENT_EVENTS, EventKind.FINISHED, EventKind.CLEANUP_LEFT)


class Outbox:
    """Decides what goes to which channel, and when."""

    def __init__(self, state: NotifierState) -> None:
        self.state = state
        # By channel, the message that is being sent.
        self._sending: dict[str, Notification] = {}

    def apply(self, update: NotifyUpdate, *, now: float) -> None:
        """Apply what an execution reports."""
        followed = self._follow(update)
        for route in update.routes:
            channel = self.state.channels.setdefault(route.channel, ChannelState())
            channel.speed, channel.quiet = update.speed, route.quiet
        for event in update.events:
            self._add_event(followed, event, now=now)
        if update.decisions is not None:
            followed.decisions = update.decisions
        followed.made = dict([*followed.made.items(), *update.made.items()][-_MAX_MADE:])
        if update.is_over:
            followed.is_over, followed.decisions = True, []
        self._resolve(followed, now=now)
        self._forget(followed)

    def end(self, execution_id: str, outcome: PlanStatus, *, now: float) -> None:
        """Apply that an execution no longer runs, although it did not report its end."""
        if (followed := self.state.executions.get(execution_id)) is not None:
            if not followed.is_over:
                reason = "its end was not reported; see its page"
                event = Event(
                    kind=EventKind.FINISHED,
                    key=EventKind.FINISHED.value,
                    time=now,
                    reason=reason,
                    outcome=outcome,
                )
                self._add_event(followed, event, now=now)
            followed.is_over, followed.decisions = True, []
            self._resolve(followed, now=now)
            self._forget(followed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be sent or followed."""
        waits = any(channel.waiting for channel in self.state.channels.values())
        return not self.state.executions and not waits and not self._sending

    def next_time(self) -> float | None:
        """When the next message is due; None if none is."""
        return min(self.due_times().values(), default=None)

    def due_times(self) -> dict[str, float]:
        """By channel, when its next message is due, where one is."""
        times = {channel: self._time_of(channel) for channel in self.state.channels}
        return {channel: time for channel, time in times.items() if time is not None}

    def take(self, *, now: float) -> list[Notification]:
        """The messages that are due; each is then either `delivered` or `failed`."""
        taken = []
        for channel in self.state.channels:
            due = self._time_of(channel)
            if due is not None and due <= now:
                self._sending[channel] = self._compose(channel, now=now)
                taken.append(self._sending[channel])
        return taken

    def delivered(self, sent: Notification, *, now: float) -> None:
        """A message was delivered."""
        del self._sending[sent.channel]
        channel = self.state.channels[sent.channel]
        channel.failures, channel.retry_time, channel.error = 0, 0.0, ""
        channel.failing_since, channel.omitted = None, 0
        channel.sent_time = now
        if any(item.decision is not None for item in sent.items):
            channel.asked_time = now
        gone = {_identity(item) for item in sent.items}
        channel.waiting = [each for each in channel.waiting if _identity(each.item) not in gone]
        self._record(sent, None)
        for item in sent.items:
            self._mark_announced(sent, item, now=now)

    def failed(self, sent: Notification, error: str, *, now: float) -> None:
        """A message was not delivered; it is composed again later, as things then are."""
        del self._sending[sent.channel]
        channel = self.state.channels[sent.channel]
        pause = _RETRY_SECONDS[min(channel.failures, len(_RETRY_SECONDS) - 1)]
        channel.failures += 1
        channel.failing_since = channel.failing_since or now
        channel.retry_time = now + pause / channel.speed
        channel.error = shortened(error)
        self._record(sent, channel.error)
        for item in sent.items:
            if item.kind is ItemKind.ASKED:
                self._mark_announced(sent, item, now=now, is_certain=False)

    def changed_problems(
        self, *, now: float
    ) -> list[tuple[NotifiedExecution, list[NotificationProblem]]]:
        """The executions whose channels began to fail, or no longer do.

        A channel that fails now and then is reported seldom: each report is part of the
        execution's history.
        """
        changed = []
        for followed in self.state.executions.values():
            problems = [
                NotificationProblem(channel=name, since=channel.failing_since, error=channel.error)
                for name, channel in self.state.channels.items()
                if channel.failures >= _REPORTED_FAILURES
                and channel.failing_since is not None
                and any(r.channel == name for r in followed.routes)
            ]
            known = {each.channel for each in followed.problems}
            if followed.is_over or known == {each.channel for each in problems}:
                continue
            is_soon = now < followed.problems_time + _PROBLEMS_SECONDS / followed.speed
            if not (problems and is_soon):
                followed.problems, followed.problems_time = problems, now
                changed.append((followed.execution, problems))
        return changed

    def _follow(self, update: NotifyUpdate) -> FollowedExecution:
        execution_id = update.execution.execution_id
        followed = self.state.executions.get(execution_id)
        if followed is None:
            followed = FollowedExecution(
                execution=update.execution,
                routes=update.routes,
                speed=update.speed,
                is_over=update.is_after_end,
            )
            self.state.executions[execution_id] = followed
        followed.routes, followed.speed = update.routes or followed.routes, update.speed
        return followed

    def _forget(self, followed: FollowedExecution) -> None:
        if followed.is_over and not any(followed.announced.values()):
            self.state.executions.pop(followed.execution.execution_id, None)

    def _add_event(self, followed: FollowedExecution, event: Event, *, now: float) -> None:
        for route in followed.routes:
            if not route.takes(event):
                continue
            incident = None
            if event.kind in _INCIDENT_EVENTS:
                incident = _event_incident(followed.execution, event)
            item = NotificationItem(
                kind=ItemKind.EVENT,
                execution=followed.execution,
                event=event,
                incident=incident,
            )
            self._wait(route.channel, item, now=now)

    def _wait(self, channel_name: str, item: NotificationItem, *, now: float) -> None:
        channel = self.state.channels.setdefault(channel_name, ChannelState())
        known = {_identity(each.item) for each in channel.waiting}
        if _identity(item) in known:
            return
        channel.waiting.append(WaitingItem(item=item, since=now))
        if len(channel.waiting) > _MAX_WAITING:
            ranked = sorted(channel.waiting, key=lambda each: (_urgency(each.item), -each.since))
            channel.omitted += 1
            channel.waiting = sorted(ranked[:-1], key=lambda each: each.since)

    def _resolve(self, followed: FollowedExecution, *, now: float) -> None:
        """Queue that decisions fell, or that somebody takes care of them."""
        asked = {each.key: each for each in followed.decisions}
        for channel, announced in followed.announced.items():
            for key, known in list(announced.items()):
                decision = asked.get(key)
                if decision is None:
                    del announced[key]
                    is_last = not self._is_open(channel, known.incident)
                    item = NotificationItem(
                        kind=ItemKind.RESOLVED,
                        execution=followed.execution,
                        decision=known.decision.model_copy(
                            update={"made_by": followed.made.get(key)}
                        ),
                        incident=known.incident if is_last else None,
                    )
                    self._wait(channel, item, now=now)
                elif known.is_certain and (
                    decision.acknowledged_by != known.decision.acknowledged_by
                ):
                    known.decision = decision
                    item = NotificationItem(
                        kind=ItemKind.ACKNOWLEDGED,
                        execution=followed.execution,
                        decision=decision,
                        incident=known.incident
                        if self._is_acknowledged(channel, known.incident)
                        else None,
                    )
                    self._wait(channel, item, now=now)
        if followed.is_over:
            self._resolve_events(followed, now=now)

    def _resolve_events(self, followed: FollowedExecution, *, now: float) -> None:
        """Once an execution is over, its failed waves are no incidents of their own."""
        for channel, events in followed.event_incidents.items():
            for event in events:
                item = NotificationItem(
                    kind=ItemKind.RESOLVED,
                    execution=followed.execution,
                    event=event,
                    incident=_event_incident(followed.execution, event),
                )
                self._wait(channel, item, now=now)
        followed.event_incidents = {}

    def _is_open(self, channel: str, incident: str) -> bool:
        return any(True for _ in self._decisions_of(channel, incident))

    def _is_acknowledged(self, channel: str, incident: str) -> bool:
        """Whether each decision is; a pager pages for none of an incident once it is."""
        decisions = self._decisions_of(channel, incident)
        return all(each.acknowledged_by is not None for each in decisions)

    def _decisions_of(self, channel: str, incident: str) -> Iterator[AskedDecision]:
        for followed in self.state.executions.values():
            for known in followed.announced.get(channel, {}).values():
                if known.incident == incident:
                    yield known.decision

    def _time_of(self, name: str) -> float | None:
        """When the next message of a channel is due; None if nothing waits or one is being sent."""
        channel = self.state.channels[name]
        if name in self._sending:
            return None
        speed = channel.speed
        # By whether quiet hours do not hold it back.
        times: dict[bool, float] = {}

        def consider(time: float, last: float | None, item: NotificationItem) -> None:
            time, breaks = max(time, _next_minute(last, speed)), breaks_quiet_hours(item)
            times[breaks] = min(time, times.get(breaks, time))

        for time, item in self._asked(name):
            consider(time, channel.asked_time, item)
        for each in channel.waiting:
            last = channel.asked_time if each.item.decision is not None else channel.sent_time
            consider(each.since + GATHER_SECONDS / speed, last, each.item)
        due = {breaks: max(time, channel.retry_time) for breaks, time in times.items()}
        if False in due:
            due[False] = channel.after_quiet_hours(due[False])
        return min(due.values(), default=None)

    def _asked(self, channel: str) -> Iterator[tuple[float, NotificationItem]]:
        """The decisions to report to a channel, with the time from which each is due."""
        for followed in self.state.executions.values():
            if not any(r.channel == channel and r.takes_decisions for r in followed.routes):
                continue
            announced = followed.announced.get(channel, {})
            for decision in followed.decisions:
                known = announced.get(decision.key)
                if known is None or not known.is_certain:
                    time, kind = decision.since + GATHER_SECONDS / followed.speed, ItemKind.ASKED
                else:
                    time, kind = next_reminder(decision, known.time, speed=followed.speed)
                yield (
                    time,
                    NotificationItem(
                        kind=kind,
                        execution=followed.execution,
                        decision=decision,
                        incident=known.incident if known else None,
                    ),
                )

    def _compose(self, name: str, *, now: float) -> Notification:
        """The message of a channel: everything that is due, the most urgent first."""
        channel = self.state.channels[name]
        self.state.sent += 1
        notification_id = f"{int(now)}-{self.state.sent}"
        # What was asked since goes along, or else it would wait for a minute.
        asked = [i for time, i in self._asked(name) if time <= now or i.kind is ItemKind.ASKED]
        waiting = [each.item for each in channel.waiting]
        if channel.after_quiet_hours(now) > now:
            asked, waiting = (
                [item for item in some if breaks_quiet_hours(item)] for some in (asked, waiting)
            )
        new = [item for item in asked if item.incident is None]
        for item in new:
            is_alone = len(new) <= _OWN_INCIDENTS
            item.incident = "/".join(_identity(item)) if is_alone else f"digest/{notification_id}"
        items = sorted([*asked, *waiting], key=_urgency)
        return Notification(
            notification_id=notification_id,
            channel=name,
            time=now,
            items=items[:_MAX_ITEMS],
            omitted=channel.omitted,
        )

    def _mark_announced(
        self, sent: Notification, item: NotificationItem, *, now: float, is_certain: bool = True
    ) -> None:
        """Keep what the channel knows, so that it hears of the end too."""
        decision, event = item.decision, item.event
        is_asked = decision is not None and item.kind not in _ENDING
        # The end of an execution resolves its failed waves; the end itself stays.
        is_failure = event is not None and event.kind is EventKind.WAVE_FAILED
        if item.execution is None or not (is_asked or (is_failure and item.kind not in _ENDING)):
            return
        execution_id = item.execution.execution_id
        if (followed := self.state.executions.get(execution_id)) is None:
            followed = FollowedExecution(
                execution=item.execution, routes=[], speed=1.0, is_over=True
            )
            self.state.executions[execution_id] = followed
        if decision is not None:
            followed.announced.setdefault(sent.channel, {})[decision.key] = Announced(
                decision=decision,
                time=now,
                incident=item.incident or decision.key,
                is_certain=is_certain,
            )
        elif event is not None:
            followed.event_incidents.setdefault(sent.channel, []).append(event)
        # It may have fallen or ended while its message was on the way.
        self._resolve(followed, now=now)
        self._forget(followed)

    def _record(self, sent: Notification, error: str | None) -> None:
        records = self.state.records
        channel = self.state.channels[sent.channel]
        if error is not None and channel.failures > 1:
            last = next((r for r in reversed(records) if r.channel == sent.channel), None)
            if last is not None and last.error is not None:
                last.attempts, last.error = last.attempts + 1, error
                self._mark_unrecorded(last)
                return
        ids = dict.fromkeys(i.execution.execution_id for i in sent.items if i.execution)
        record = DeliveryRecord(
            notification_id=sent.notification_id,
            channel=sent.channel,
            time=sent.time,
            items=len(sent.items),
            keys=["/".join(_identity(item)) for item in sent.items][:_MAX_NAMED],
            execution_ids=list(ids)[:_MAX_NAMED],
            error=error,
        )
        records.append(record)
        self._mark_unrecorded(record)
        del records[:-_MAX_RECORDS]

    def _mark_unrecorded(self, record: DeliveryRecord) -> None:
        unrecorded = self.state.unrecorded
        known = [each for each in unrecorded if each.notification_id != record.notification_id]
        self.state.unrecorded = [*known, record.model_copy()][-_MAX_RECORDS:]


def _next_minute(last: float | None, speed: float) -> float:
    return 0.0 if last is None else last + _MINUTE / speed


def _event_incident(execution: NotifiedExecution, event: Event) -> str:
    """The incident of an event, whose key is unique within its execution only."""
    return f"{execution.execution_id}/{event.key}"


def _identity(item: NotificationItem) -> tuple[str, str, str]:
    execution_id = item.execution.execution_id if item.execution else ""
    key = item.event.key if item.event else item.decision.key if item.decision else ""
    return execution_id, item.kind.value, key


def _urgency(item: NotificationItem) -> tuple[bool, int, float]:
    """The order in a message: decisions of recoveries by their deadlines, then failures."""
    execution, decision, event = item.execution, item.decision, item.event
    is_drill = execution is not None and execution.execution_type is ExecutionType.DRILL
    is_asked = decision is not None and item.kind not in (ItemKind.RESOLVED, ItemKind.ACKNOWLEDGED)
    if is_asked and decision is not None:
        return is_drill, 0, decision.deadline or float("inf")
    if event is not None and event.kind in _URGENT_EVENTS and item.kind is ItemKind.EVENT:
        return is_drill, 1, event.time
    return is_drill, 2, event.time if event is not None else 0.0
