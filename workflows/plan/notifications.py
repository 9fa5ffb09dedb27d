"""Reports what happens in an execution to the notifier, in the background."""

import asyncio
from collections.abc import Callable, Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from recovery.execution.notification_problem import EVERY_CHANNEL, NotificationProblem
    from recovery.execution.state import ExecutionState
    from recovery.notify.event_source import EventSource
    from recovery.plan.model import PlanChannel
    from recovery.portfolio.state import PortfolioState
    from recovery.text_format import shortened
    from workflows.history_share import slowed
    from workflows.notifier_report import report
    from workflows.waiting import wait_at_most

REPORTING_FAILED = "Reporting an execution failed"
_PAUSE_SECONDS = 1.0
# A day of them is 500 of the 45,000 events of a history.
_REPEAT_SECONDS = 1800.0
# After an error; twice as long after each further one.
_ERROR_PAUSE_SECONDS = 60.0


class Notifications:
    """Reports events and open decisions; the plan never waits for it but a moment at its end.

    Open decisions are reported again every 30 minutes, for a notifier that was started since. Where
    no worker has channels, the start, other decisions, these repetitions and the end are tried.
    """

    def __init__(
        self,
        state: ExecutionState | PortfolioState,
        events: EventSource,
        channels: Sequence[PlanChannel] = (),
        *,
        on_problem: Callable[[], None],
    ) -> None:
        self._state = state
        self._channels = channels
        self._on_problem = on_problem
        self._events = events
        self._is_requested = False
        self._is_repetition = False
        self._is_heard = True
        self._errors = 0
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Start reporting in the background."""
        self._is_requested = True
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._repeat())]

    def wake(self) -> None:
        """Request a report after a change."""
        self._is_requested = True

    def set_problems(self, problems: Sequence[NotificationProblem]) -> None:
        """Show which channels the notifier does not reach."""
        self._show_problems([*problems, *self._own_problems])

    async def finish(self, *, within_seconds: float) -> None:
        """Report the end; the notifier itself looks for an end that was not reported."""
        if not self._tasks:
            return
        (reporting, repeating), self._is_requested = self._tasks, True
        repeating.cancel()
        if not await wait_at_most(within_seconds, reporting.done, summary="Stop reporting"):
            reporting.cancel()

    @property
    def _own_problems(self) -> list[NotificationProblem]:
        return [e for e in self._state.notification_problems if e.channel == EVERY_CHANNEL]

    def _show_problems(self, problems: list[NotificationProblem]) -> None:
        if problems != self._state.notification_problems:
            self._state.notification_problems = problems
            self._on_problem()

    async def _repeat(self) -> None:
        """Request a report of the open decisions now and then."""
        while True:
            await workflow.wait_condition(lambda: self._events.is_asking)
            pause = slowed(_REPEAT_SECONDS / self._state.speed)
            is_answered = await wait_at_most(
                pause, lambda: not self._events.is_asking, summary="Report decisions again"
            )
            self._is_repetition = not is_answered

    async def _run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._is_due)
            is_over, is_repetition = self._state.is_over, self._is_repetition
            self._is_requested = self._is_repetition = False
            try:
                is_sent = await self._report(repeat=is_repetition)
            except Exception as error:
                is_sent = False
                self._is_requested = not is_over
                await self._handle_error(error)
            if is_over and not self._is_requested:
                return
            if is_sent and self._is_heard and not is_over:
                await workflow.sleep(slowed(_PAUSE_SECONDS), summary="Gather events to report")

    @property
    def _is_due(self) -> bool:
        if self._is_heard or not self._is_requested:
            return self._is_requested or self._is_repetition
        return self._state.is_over or self._is_repetition or self._events.asks_anew

    async def _report(self, *, repeat: bool) -> bool:
        """Report what is new; whether anything was."""
        update = self._events.unsent(now=workflow.time(), repeat=repeat)
        if update is not None:
            self._is_heard = await report(update, self._channels)
            if self._is_heard:
                self._is_requested |= self._events.has_more
            else:
                self._events.take_back(update)
        self._errors = 0
        others = [e for e in self._state.notification_problems if e.channel != EVERY_CHANNEL]
        self._show_problems(others)
        return update is not None

    async def _handle_error(self, error: Exception) -> None:
        """Show an error of reporting, which must never end the execution, and pause after it."""
        workflow.logger.error(REPORTING_FAILED, exc_info=error)
        text = shortened(f"{type(error).__name__}: {error}")
        own = self._own_problems
        since = own[0].since if own else workflow.time()
        problem = NotificationProblem(channel=EVERY_CHANNEL, since=since, error=text)
        self._show_problems(
            [*(e for e in self._state.notification_problems if e not in own), problem]
        )
        pause = min(_ERROR_PAUSE_SECONDS * 2**self._errors, _REPEAT_SECONDS)
        self._errors += 1
        await wait_at_most(
            slowed(pause / self._state.speed),
            lambda: self._state.is_over,
            summary="Pause after an error of reporting",
        )
