"""Reports of a wave to its plan's workflow."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from contract.wave import WaveInput
    from recovery.execution.wave import WaveReport
    from workflows.wave.control import WaveControl
    from workflows.wave.tracker import WaveTracker


class PlanReporter:
    """Reports a change of status at once, and progress at intervals."""

    def __init__(
        self,
        start: WaveInput,
        tracker: WaveTracker,
        control: WaveControl,
        *,
        pause_seconds: float,
    ) -> None:
        self._execution_id = start.execution_id
        self._plan = start.plan_workflow_id
        self._tracker = tracker
        self._control = control
        self._pause_seconds = pause_seconds
        self._reported_revision = start.revision

    async def run(self) -> None:
        """Report until cancelled."""
        plan = workflow.get_external_workflow_handle(self._plan)
        tracker = self._tracker
        while True:
            await workflow.wait_condition(lambda: not self._is_current)
            if not tracker.report_now:
                await self._gather()
            wave = tracker.take_unreported()
            if not self._control.plan_closed:
                report = WaveReport(execution_id=self._execution_id, wave=wave)
                try:
                    await plan.signal("wave_report", report)
                except ApplicationError:
                    self._control.plan_closed = True
            self._reported_revision = wave.revision

    async def finish(self) -> None:
        """Report the rest."""
        self._tracker.report_now = True
        await workflow.wait_condition(lambda: self._is_current)

    @property
    def _is_current(self) -> bool:
        return self._reported_revision >= self._tracker.state.revision

    async def _gather(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._tracker.report_now,
                timeout=self._pause_seconds,
                timeout_summary="Gather progress for the plan",
            )
        except TimeoutError:
            return
