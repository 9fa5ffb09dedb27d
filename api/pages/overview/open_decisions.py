"""The decisions that running executions wait for, over all plans."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.tokens import Principal
from api.pages.execution.attention import AttentionItem, attention_items
from api.pages.execution.controls import Control
from client.decisions.inbox import InboxDecision, decisions_of
from recovery.execution.state import ExecutionState


@dataclass(frozen=True)
class OpenDecision:
    """A decision that an execution waits for.

    Attributes:
        item: its controls.
        decision: what must be decided, about which wave and until when.
    """

    state: ExecutionState
    item: AttentionItem
    decision: InboxDecision

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls that make the decision; the first one acknowledges it."""
        own = self.item.acknowledge
        return (*([own] if own else []), *self.item.controls)


def open_decisions(states: Iterable[ExecutionState], user: Principal) -> list[OpenDecision]:
    """The open decisions, most urgent first."""
    found = [
        OpenDecision(state, item, decision)
        for state in states
        for item, decision in zip(attention_items(state, user), decisions_of(state), strict=True)
    ]
    return sorted(found, key=lambda each: each.decision.urgency)
