"""Events of executions, and the decisions that they wait for. Times are epoch seconds."""

from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import OperatorDecision, WaveStatus
from recovery.notify.event_kind import EventKind
from recovery.readiness.verdict import ReadinessStatus


class NotifiedExecution(Model):
    """The execution that an event or a decision belongs to.

    Attributes:
        is_portfolio: it is one of a portfolio, whose ID and name stand for the plan's.
    """

    execution_id: str
    plan_id: str
    plan_name: str
    execution_type: ExecutionType
    started_by: str
    start_time: float
    is_portfolio: bool = Field(default=False, exclude_if=lambda value: not value)

    @classmethod
    def of(cls, state: ExecutionState) -> "NotifiedExecution":
        """The execution of a state."""
        return cls.model_validate(dict(state))


class Event(Model):
    """Something that happened in an execution.

    Attributes:
        key: unique, so that nothing is reported twice.
        wave_name: of the wave that it is about, if any.
        reason: as the execution's state gives it.
        wave_status: of that wave.
        servers_up: how many servers are up, of `servers`.
        steps_succeeded: how many steps of that wave succeeded, of `steps`.
        not_tested: how many steps an execution that ended has left out, because of its type.
        outcome: how the execution ended.
        seconds: how long it took.
        rto_seconds: the plan's RTO, to compare with.
        readiness: of a plan whose readiness changed.
        isolation: where a drill is isolated; at its end, whether everything was put back.
    """

    kind: EventKind
    key: str
    time: float
    wave_name: str | None = None
    wave_status: WaveStatus | None = None
    reason: str = ""
    servers_up: int = 0
    servers: int = 0
    steps_succeeded: int = 0
    steps: int = 0
    not_tested: int = 0
    outcome: PlanStatus | None = None
    seconds: float | None = None
    rto_seconds: float | None = None
    readiness: ReadinessStatus | None = None
    isolation: str = Field(default="", exclude_if=lambda value: not value)


class DecisionMaker(Model):
    """Who made a decision, and what it was.

    Attributes:
        actor: None: nobody decided; its reason is gone, or its execution ended.
        is_verified: the actor is the one who signed it.
        message: the name of the message.
        effect: what it did.
        reason: as the actor gave it.
    """

    actor: str | None = None
    is_verified: bool = False
    message: str = ""
    effect: str = ""
    reason: str = ""

    @classmethod
    def of(cls, record: MessageRecord | None) -> "DecisionMaker":
        """Who sent the message that decided, if one did."""
        if record is None:
            return cls()
        return cls(
            actor=record.actor,
            is_verified=record.actor_verified,
            message=record.name,
            effect=record.effect,
            reason=record.break_glass or record.reason,
        )


class AskedDecision(Model):
    """A decision that an execution waits for.

    Attributes:
        key: of the decision, also for deduplication; one that is asked again has another.
        step_id: of the step that it is about, if any.
        plan_id: of the plan of a portfolio that it is about, if any.
        instruction: of a manual step, in Markdown, shortened.
        since: when it was first asked.
        deadline: until when somebody must decide; None: without limit.
        reason: why it is asked.
        if_unanswered: what happens if nobody decides, as a sentence without its full stop.
        acknowledged_by: who said that they take care of it.
        made_by: who made it, once it fell; None while it is open, or if that is not known.
    """

    key: str
    kind: DecisionKind
    wave_id: str | None = None
    wave_name: str | None = None
    step_id: str | None = None
    plan_id: str | None = Field(default=None, exclude_if=lambda value: value is None)
    plan_name: str | None = Field(default=None, exclude_if=lambda value: value is None)
    instruction: str = ""
    since: float
    deadline: float | None = None
    reason: str = ""
    if_unanswered: str = ""
    acknowledged_by: OperatorDecision | None = None
    made_by: DecisionMaker | None = None


class ItemKind(StrEnum):
    """Why an item is in a notification."""

    EVENT = "EVENT"
    ASKED = "ASKED"
    REMINDER = "REMINDER"
    LAST_CALL = "LAST_CALL"
    """The reminder 30 minutes before the deadline."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """Somebody said that they take care of it."""
    RESOLVED = "RESOLVED"
    """A decision fell, or its execution ended."""
    TEST = "TEST"
    """Nothing happened: somebody tests the channel."""


class NotificationItem(Model):
    """One event or decision in a notification.

    Attributes:
        execution: None for what concerns the whole installation.
        event: what happened; None for a decision or a test.
        decision: the decision; None for an event or a test.
        incident: the deduplication key in a pager: items with the same one are one incident. None
            for what opens no incident.
    """

    kind: ItemKind
    execution: NotifiedExecution | None = None
    event: Event | None = None
    decision: AskedDecision | None = None
    incident: str | None = None


class Notification(Model):
    """What is sent to a channel at one time: one item, or a digest of several.

    Attributes:
        notification_id: unique; the same when it is sent again, so that receivers can tell.
        items: most urgent first.
        omitted: events that are not among them, because too many waited.
    """

    notification_id: str
    channel: str
    time: float
    items: list[NotificationItem]
    omitted: int = 0
