"""Counts the Temporal events and billable actions of an execution, by workflow type."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

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


@dataclass
class TemporalCost:
    """Events and actions by workflow type.

    Attributes:
        events: the number of history events.
        actions: the number of billable actions.
    """

    events: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)

    def minus(self, before: "TemporalCost") -> "TemporalCost":
        """The difference."""
        return TemporalCost(self.events - before.events, self.actions - before.actions)

    def plus(self, other: "TemporalCost") -> "TemporalCost":
        """The sum."""
        return TemporalCost(self.events + other.events, self.actions + other.actions)


async def cost_of(client: Client, query: str, *, max_histories: int) -> TemporalCost:
    """Count the histories of the workflows that a query finds.

    Args:
        client: the Temporal client.
        query: the list filter of the workflows.
        max_histories: how many histories of a type to read. The others count as the average.
    """
    cost, seen, read = TemporalCost(), Counter[str](), Counter[str]()
    async for found in client.list_workflows(query):
        kind = found.workflow_type
        seen[kind] += 1
        if read[kind] >= max_histories:
            continue
        read[kind] += 1
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        events, actions = await _count(handle.fetch_history_events())
        cost.events[kind] += events
        cost.actions[kind] += actions
    for kind, count in seen.items():
        for counter in (cost.events, cost.actions):
            counter[kind] = round(counter[kind] * count / read[kind])
    return cost


async def _count(history: AsyncIterator[HistoryEvent]) -> tuple[int, int]:
    events = actions = 0
    async for event in history:
        events += 1
        actions += event.event_type in _ACTIONS or _is_signal_from_outside(event)
    return events, actions


def _is_signal_from_outside(event: HistoryEvent) -> bool:
    """Whether a client or an activity sent the signal. Workflow signals count for the sender."""
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return False
    signaled = event.workflow_execution_signaled_event_attributes
    return not signaled.external_workflow_execution.workflow_id
