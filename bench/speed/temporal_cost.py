"""Counts the Temporal events and billable actions of an execution, by workflow type."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

# Maximum per workflow type; the others count as the average. To read the histories of 1,000 waves
# takes longer than to run them.
_MAX_HISTORIES = 50
# Events that Temporal Cloud bills as actions. Heartbeats and queries are not in histories. A child
# workflow is one action for the parent, and its start is another action.
# Source: https://docs.temporal.io/cloud/actions
_ACTIONS = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
)
# Events that wake a workflow.
_NEWS = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_TIMER_FIRED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
)


@dataclass
class TemporalCost:
    """Events and actions by workflow type.

    Attributes:
        events: the number of history events.
        actions: the number of billable actions.
        causes: the events by workflow type and what causes them.
        longest_task: seconds of the longest workflow task.
    """

    events: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    longest_task: float = 0.0

    def __add__(self, other: "TemporalCost") -> "TemporalCost":
        """The sum."""
        return TemporalCost(
            self.events + other.events,
            self.actions + other.actions,
            self.causes + other.causes,
            max(self.longest_task, other.longest_task),
        )


async def cost_of(client: Client, query: str, *, since: float = 0.0) -> TemporalCost:
    """Count the histories of the workflows that a query finds.

    Args:
        client: the Temporal client.
        query: the list filter of the workflows.
        since: earlier events do not count (epoch seconds).
    """
    cost, seen, read = TemporalCost(), Counter[str](), Counter[str]()
    async for found in client.list_workflows(query):
        kind = found.workflow_type
        seen[kind] += 1
        if read[kind] >= _MAX_HISTORIES:
            continue
        read[kind] += 1
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        task_started = 0.0
        causes = _Causes()
        async for event in handle.fetch_history_events():
            time = event.event_time.ToDatetime(UTC).timestamp()
            cause = causes.of(event)
            if time < since:
                continue
            cost.causes[kind, cause] += 1
            cost.events[kind] += 1
            cost.actions[kind] += event.event_type in _ACTIONS or _is_signal_from_outside(event)
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                task_started = time
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                cost.longest_task = max(cost.longest_task, time - task_started)
    for kind, count in seen.items():
        for counter in (cost.events, cost.actions):
            counter[kind] = round(counter[kind] * count / read[kind])
    for key, events in cost.causes.items():
        cost.causes[key] = round(events * seen[key[0]] / read[key[0]])
    return cost


class _Causes:
    """What causes each event of one history, in its order.

    A workflow task counts by what woke it: the first event since the task before.
    """

    def __init__(self) -> None:
        # By event ID, of the events that later ones refer to.
        self._known: dict[int, str] = {}
        self._woken_by = "the start"

    def of(self, event: HistoryEvent) -> str:
        """The cause of an event."""
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        if name.startswith("WORKFLOW_TASK"):
            cause = f"tasks: {self._woken_by}"
            if name == "WORKFLOW_TASK_COMPLETED":
                self._woken_by = ""
            return cause
        cause = self._known[event.event_id] = self._named(event, name)
        is_news = event.event_type in _NEWS
        if is_news and not self._woken_by:
            self._woken_by = f"{cause} ends" if "ACTIVITY" in name else cause
        return cause

    def _named(self, event: HistoryEvent, name: str) -> str:
        attributes = getattr(event, event.WhichOneof("attributes") or "")
        for earlier in ("scheduled_event_id", "started_event_id", "initiated_event_id"):
            if found := self._known.get(getattr(attributes, earlier, 0)):
                return found
        if name.startswith("ACTIVITY"):
            return f"activity {attributes.activity_type.name}"
        if name.startswith("TIMER"):
            summary = json.loads(event.user_metadata.summary.data or '""')
            return f"timer {summary}" if summary else "timer"
        if "CHILD_WORKFLOW" in name:
            return f"child {attributes.workflow_type.name}"
        if "SIGNAL" in name:
            way = "received" if event.event_type in _NEWS else "sent"
            return f"signal {way}: {attributes.signal_name}"
        return "the start" if name.endswith("EXECUTION_STARTED") else name.lower()


def _is_signal_from_outside(event: HistoryEvent) -> bool:
    """Whether a client or an activity sent the signal. Workflow signals count for the sender."""
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return False
    signaled = event.workflow_execution_signaled_event_attributes
    return not signaled.external_workflow_execution.workflow_id
