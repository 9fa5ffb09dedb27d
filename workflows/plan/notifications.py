"""Reports what happens in an execution to the notifier, in the background."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from recovery.execution.state import ExecutionState
    from recovery.notify.execution_events import ExecutionEvents
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.plan.model import RecoveryPlan
    from workflows.history_share import slowed
    from workflows.notifier_report import report
    from workflows.waiting import wait_at_most

_PAUSE_SECONDS = 1.0


class Notifications:
    """Reports events and open decisions; the plan never waits for it but a moment at its end."""

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self._plan = plan
        self._state = state
        self._events = ExecutionEvents(state, rto_minutes=plan.rto)
        self._is_requested = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, break_glass: str | None) -> None:
        """Start reporting in the background.

        Args:
            break_glass: the reason for starting the execution with an offline key.
        """
        self._events.break_glass = break_glass
        self._is_requested = True
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Request a report after a change."""
        self._is_requested = True

    async def finish(self, *, within_seconds: float) -> None:
        """Report the end; the notifier itself looks for an end that was not reported."""
        if self._task is None:
            return
        task, self._is_requested = self._task, True
        if not await wait_at_most(within_seconds, task.done, summary="Stop reporting"):
            task.cancel()

    async def _run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._is_requested)
            self._is_requested = False
            found = self._events.unsent(now=workflow.time())
            is_over = self._state.is_over
            if found is not None:
                events, decisions = found
                self._is_requested = self._events.has_more
                await report(
                    NotifyUpdate(
                        execution=self._events.execution,
                        speed=self._state.speed,
                        events=events,
                        decisions=decisions,
                        is_over=is_over and not self._events.has_more,
                    ),
                    self._plan.notify,
                )
            if is_over and not self._is_requested:
                return
            if found is not None and not is_over:
                await workflow.sleep(slowed(_PAUSE_SECONDS), summary="Gather events to report")
