"""Waiting with a limit."""

from collections.abc import Callable

from temporalio import workflow


async def wait_at_most(
    seconds: float | None, condition: Callable[[], bool], *, summary: str | None = None
) -> bool:
    """Wait for a condition.

    Args:
        seconds: the maximum; None: without limit.
        condition: what to wait for.
        summary: of the timer, for the Web UI.

    Returns:
        False at the end of `seconds`.
    """
    try:
        await workflow.wait_condition(condition, timeout=seconds, timeout_summary=summary)
    except TimeoutError:
        return False
    return True
