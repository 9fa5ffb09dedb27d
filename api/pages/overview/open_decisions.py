"""The decisions that running executions wait for, over all plans."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.tokens import Principal
from api.pages.execution.attention import AttentionItem, attention_items
from recovery.execution.state import ExecutionState, ExecutionType


@dataclass(frozen=True)
class OpenDecision:
    """A decision that an execution waits for.

    Attributes:
        item: what must be decided, about which wave and until when.
    """

    state: ExecutionState
    item: AttentionItem


def open_decisions(states: Iterable[ExecutionState], user: Principal) -> list[OpenDecision]:
    """The open decisions, most urgent first: those of recoveries, then by deadline."""
    found = [OpenDecision(state, item) for state in states for item in attention_items(state, user)]
    return sorted(found, key=_urgency)


def _urgency(decision: OpenDecision) -> tuple[bool, float]:
    deadline = decision.item.deadline
    is_drill = decision.state.execution_type is ExecutionType.DRILL
    return is_drill, math.inf if deadline is None else deadline
