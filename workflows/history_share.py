"""How much of Temporal's limits a workflow has used, and pauses that grow with it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from recovery.plan.limits import MAX_EVENTS, MAX_HISTORY_BYTES


def used_share() -> float:
    """The used share of the history that a workflow may have, 0 to 1 and more."""
    info = workflow.info()
    events = info.get_current_history_length() / MAX_EVENTS
    return max(events, info.get_current_history_size() / MAX_HISTORY_BYTES)


def slowed(seconds: float) -> float:
    """A pause between reports or records: twice as long at a fifth of the history, 8 times at half.

    So what changes for a day, such as the errors of a DRS that answers now and then, never fills
    the history.
    """
    return seconds / max(0.01, 1.0 - used_share()) ** 3
