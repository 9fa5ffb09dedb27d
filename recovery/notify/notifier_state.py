"""What the notifier knows: executions, channels and deliveries. Times are epoch seconds."""

from recovery.base_model import Model
from recovery.execution.notification_problem import NotificationProblem
from recovery.notify.events import (
    AskedDecision,
    DecisionMaker,
    Event,
    NotificationItem,
    NotifiedExecution,
)
from recovery.notify.routes import Route
from recovery.text_format import count, listed


class NotifyUpdate(Model):
    """Signal to the notifier: what happened in an execution, and what it waits for.

    Attributes:
        routes: which channel gets what.
        speed: of the execution's clock; 1 except in a sandbox.
        decisions: all decisions that it waits for now; None: as before.
        made: by key, who made those that it no longer waits for.
        is_over: it has ended.
        is_after_end: it ended before; what it reports is sent, and it is not followed for that.
    """

    execution: NotifiedExecution
    routes: list[Route] = []
    speed: float = 1.0
    events: list[Event] = []
    decisions: list[AskedDecision] | None = None
    made: dict[str, DecisionMaker] = {}
    is_over: bool = False
    is_after_end: bool = False


class Announced(Model):
    """A decision as a channel knows it.

    Attributes:
        decision: as it was last sent.
        time: when that was.
        incident: the deduplication key that it was sent with.
        is_certain: whether it was delivered. What failed may have arrived all the same: it is sent
            again, and resolved.
    """

    decision: AskedDecision
    time: float
    incident: str
    is_certain: bool = True


class FollowedExecution(Model):
    """An execution whose decisions are reported.

    Attributes:
        announced: by channel and the decision's key, what the channel knows.
        made: by key, who made decisions whose message may be on the way; the last of them.
        event_incidents: by channel, failures that opened an incident in a pager.
        problems: the channels that its notifications do not reach, as last reported to it.
        problems_time: when that was reported.
        is_over: it has ended; what is announced is yet to be resolved.
    """

    execution: NotifiedExecution
    routes: list[Route]
    speed: float
    decisions: list[AskedDecision] = []
    announced: dict[str, dict[str, Announced]] = {}
    made: dict[str, DecisionMaker] = {}
    event_incidents: dict[str, list[Event]] = {}
    problems: list[NotificationProblem] = []
    problems_time: float = 0.0
    is_over: bool = False


class WaitingItem(Model):
    """An item that waits for its channel's next message."""

    item: NotificationItem
    since: float


class ChannelState(Model):
    """A channel as the notifier knows it.

    Attributes:
        quiet: from when until when only what a pager would get is sent.
        asked_time: when the last message with a decision was sent, if any was.
        sent_time: when the last message was sent.
        failures: how many attempts failed since one was delivered.
        failing_since: when the first of them was.
        retry_time: not before this.
        error: of the last attempt.
        omitted: events that were dropped, because too many waited.
    """

    waiting: list[WaitingItem] = []
    speed: float = 1.0
    quiet: list[tuple[float, float]] = []
    asked_time: float | None = None
    sent_time: float | None = None
    failures: int = 0
    failing_since: float | None = None
    retry_time: float = 0.0
    error: str = ""
    omitted: int = 0

    def after_quiet_hours(self, time: float) -> float:
        """The first time that is not in quiet hours, from a time on."""
        return next((end for start, end in self.quiet if start <= time < end), time)


class DeliveryRecord(Model):
    """A message and what became of it.

    Attributes:
        attempts: how often it was sent.
        error: why it was not delivered; None if it was.
    """

    notification_id: str
    channel: str
    time: float
    items: int
    keys: list[str] = []
    execution_ids: list[str] = []
    attempts: int = 1
    error: str | None = None

    def about(self, execution_id: str) -> str:
        """What it said of an execution, such as `ASKED FAILURE/web/1`."""
        own = [key.split("/", 2)[1:] for key in self.keys if key.startswith(f"{execution_id}/")]
        return listed([" ".join(parts) for parts in own], shown=3)

    @property
    def result(self) -> str:
        """Whether it was delivered."""
        if self.error is None:
            return "delivered"
        return f"not delivered in {count(self.attempts, 'attempt')}: {self.error}"


class NotifierState(Model):
    """The whole state of the notifier.

    Attributes:
        records: the last deliveries.
        unrecorded: deliveries that are not in the history yet.
        sent: how many messages were composed.
    """

    executions: dict[str, FollowedExecution] = {}
    channels: dict[str, ChannelState] = {}
    records: list[DeliveryRecord] = []
    unrecorded: list[DeliveryRecord] = []
    sent: int = 0
