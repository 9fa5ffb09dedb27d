"""Reports of a wave to its plan's workflow."""

import math
from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.wave import WaveInput
    from recovery.execution.wave import WaveReport, WaveState
    from recovery.history.record import records_itself
    from workflows.signals import signal_workflow
    from workflows.waiting import wait_at_most
    from workflows.wave.control import WaveControl
    from workflows.wave.tracker import WaveTracker


# Then each interval is half as long again, so that a day has no more than 40 reports of progress.
_REGULAR_REPORTS = 20
_GROWTH = 1.5
# A wave that ends takes fewer steps of its workflow until its end.
_STEPS_TO_END = 10


class PlanReporter:
    """Reports a change of status at once, and progress at intervals, which grow.

    Temporal takes 10,000 signals for the plan, of all its waves.

    Attributes:
        has_reported_late: the plan knows that the wave came up late.
    """

    def __init__(
        self,
        start: WaveInput,
        tracker: WaveTracker,
        control: WaveControl,
        *,
        pause_seconds: float,
        on_plan_closed: Callable[[], None],
    ) -> None:
        self._execution_id = start.execution_id
        self._plan = start.plan_workflow_id
        self._tracker = tracker
        self._control = control
        self._pause_seconds = pause_seconds
        self._on_plan_closed = on_plan_closed
        self._reported_revision = start.revision
        self._progress_reports = 0
        self._progress_time = -math.inf
        self._is_sending = False
        self.has_reported_late = False

    async def run(self) -> None:
        """Report until cancelled."""
        tracker = self._tracker
        while True:
            await workflow.wait_condition(lambda: not self._is_current)
            if not tracker.report_now:
                await self._gather()
            # First, what follows from the change: if the wave ends, its result is its last report.
            for _ in range(_STEPS_TO_END):
                await workflow.wait_condition(lambda: True)
            self._is_sending = True
            wave = tracker.take_unreported()
            if not self._control.plan_closed:
                report = self._report_of(wave)
                if not await signal_workflow(self._plan, "wave_report", report):
                    self._on_plan_closed()
                elif not self._control.plan_closed:
                    self.has_reported_late |= wave.late
            self._reported_revision = wave.revision
            self._is_sending = False

    def for_watch(self) -> WaveReport | None:
        """The report of an acceptance, if the wave's watch is to send it to the plan.

        Of a wave that its plan records: the next report has its servers again, also if this one
        comes too late.
        """
        tracker = self._tracker
        if self._control.plan_closed or self._is_sending or records_itself(tracker.state):
            return None
        wave = tracker.take_unreported(again=True)
        self._reported_revision = wave.revision
        return self._report_of(wave)

    async def finish(self, *, by_result: bool) -> None:
        """Report the rest.

        Args:
            by_result: the wave's result will be the last report.
        """
        if by_result:
            await workflow.wait_condition(lambda: not self._is_sending)
            # Meanwhile, the plan may have ended.
            if not self._control.plan_closed:
                return
        self._tracker.report_now = True
        await workflow.wait_condition(lambda: self._is_current)

    def _report_of(self, wave: WaveState) -> WaveReport:
        known = self._tracker.step_outputs
        outputs = {
            each.step_id: known[each.step_id] for each in wave.steps if each.step_id in known
        }
        return WaveReport(execution_id=self._execution_id, wave=wave, outputs=outputs)

    async def _gather(self) -> None:
        """Wait until an interval has passed since the last progress."""
        self._progress_reports += 1
        further = max(0, self._progress_reports - _REGULAR_REPORTS)
        left = self._progress_time + self._pause_seconds * _GROWTH**further - workflow.time()
        if left > 0:
            summary = "Gather progress for the plan"
            await wait_at_most(left, lambda: self._tracker.report_now, summary=summary)
        self._progress_time = workflow.time()

    @property
    def _is_current(self) -> bool:
        return self._reported_revision >= self._tracker.state.revision
