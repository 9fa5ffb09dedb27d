"""What a wave's workflow was told from outside, and how it waits."""

import asyncio
from collections.abc import Callable

from temporalio import workflow


class WaveControl:
    """Orders to a wave, and waiting that obeys them.

    Attributes:
        stop_reason: why nothing more is launched or waited for; None while the wave goes on.
        paused: the plan is paused, so what DRS has not accepted is not launched.
        superseded: another attempt has taken over what this one launched.
        plan_closed: the plan's workflow has ended; what is seen from now on is only recorded.
    """

    def __init__(self, *, paused: bool) -> None:
        self.stop_reason: str | None = None
        self.paused = paused
        self.superseded = False
        self.plan_closed = False

    @property
    def stopped(self) -> bool:
        """Whether nothing more is launched or waited for."""
        return self.stop_reason is not None

    async def wait_until(
        self,
        done: Callable[[], bool],
        *,
        seconds: float | None = None,
        summary: str | None = None,
        ignore_stop: bool = False,
    ) -> bool:
        """Wait until `done`, the end of `seconds` or the order to stop.

        An operator who cancels the workflow in Temporal gives that order too.

        Args:
            done: the condition.
            seconds: how long to wait at most; None: without a limit.
            summary: of the timer, for the Web UI.
            ignore_stop: go on waiting although the wave was stopped.

        Returns:
            False at the end of `seconds`.
        """
        try:
            await workflow.wait_condition(
                lambda: done() or (not ignore_stop and self.stopped),
                timeout=None if seconds is None else max(0.0, seconds),
                timeout_summary=summary,
            )
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            self.stop_reason = "Cancelled by an operator in Temporal"
            if ignore_stop:
                await workflow.wait_condition(done)
        return True
