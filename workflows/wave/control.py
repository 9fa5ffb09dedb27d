"""The control state of a wave's workflow, set by signals, and its waiting."""

import asyncio
from collections.abc import Callable

from temporalio import workflow

from workflows.waiting import wait_at_most


class WaveControl:
    """The control state of a wave, and waiting that respects it.

    Attributes:
        stop_reason: why the wave is stopped; None while it continues.
        paused: the plan is paused, so launches that DRS has not accepted are withdrawn.
        superseded: another attempt has taken over what this one launched.
        plan_closed: the plan's workflow has ended; changes are only recorded.
    """

    def __init__(self, *, paused: bool) -> None:
        self.stop_reason: str | None = None
        self.paused = paused
        self.superseded = False
        self.plan_closed = False

    @property
    def stopped(self) -> bool:
        """Whether the wave is stopped."""
        return self.stop_reason is not None

    async def wait_until(
        self,
        done: Callable[[], bool],
        *,
        seconds: float | None = None,
        summary: str | None = None,
        ignore_stop: bool = False,
    ) -> bool:
        """Wait until `done`, the end of `seconds` or the stop of the wave.

        A cancellation of the workflow in Temporal stops the wave too.

        Args:
            done: the condition.
            seconds: the maximum wait; None: without limit.
            summary: of the timer, for the Web UI.
            ignore_stop: continue to wait after the wave is stopped.

        Returns:
            False at the end of `seconds`.
        """
        try:
            return await wait_at_most(
                None if seconds is None else max(0.0, seconds),
                lambda: done() or (not ignore_stop and self.stopped),
                summary=summary,
            )
        except asyncio.CancelledError:
            self.stop_reason = "Cancelled by an operator in Temporal"
            if ignore_stop:
                await workflow.wait_condition(done)
        return True
