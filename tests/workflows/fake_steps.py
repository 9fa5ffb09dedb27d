"""Fake activities instead of the systems that steps act in."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from contract.steps import StartedStep, StartOutcome, StepCall, StepResult, WatchedStep
from recovery.steps.state import CheckResult, StepStatus

SUCCEEDED = StepResult(status=StepStatus.SUCCEEDED)
PASSED = StepResult(
    status=StepStatus.SUCCEEDED, result=CheckResult.PASSED, reason="accepted after 3 ms"
)
STARTED = StartedStep(outcome=StartOutcome.STARTED, reference="run-1", link="https://console/run-1")


@dataclass
class FakeSteps:
    """Fake activities of steps.

    Attributes:
        starts: by StepId, what the successive attempts answer; STARTED where nothing is left.
        results: by StepId, the results of successive attempts; success where nothing is left.
        running: the StepIds that do not end.
        calls: the attempts that were started or checked.
        stopped: the StepIds that were stopped.
        not_stopped: why nothing can be stopped; "" if it can.
    """

    starts: dict[str, list[StartedStep]] = field(default_factory=dict)
    results: dict[str, list[StepResult]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    calls: list[StepCall] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    not_stopped: str = ""

    @property
    def activities(self) -> list[object]:
        """All of them, to be registered."""
        return [self.start_step, self.watch_step, self.stop_step, self.check_step]

    def begun(self) -> list[str]:
        """The steps in the order in which they were begun, each as `WAVE/STEP/ATTEMPT`."""
        return [f"{c.wave_id}/{c.step.step_id}/{c.attempt}" for c in self.calls]

    @activity.defn(name="start_step")
    async def start_step(self, call: StepCall) -> StartedStep:
        self.calls.append(call)
        left = self.starts.get(call.step.step_id)
        return left.pop(0) if left else STARTED

    @activity.defn(name="watch_step")
    async def watch_step(self, watched: WatchedStep) -> StepResult:
        return self._result(watched.call, SUCCEEDED)

    @activity.defn(name="stop_step")
    async def stop_step(self, watched: WatchedStep) -> str:
        if self.not_stopped:
            raise ApplicationError(self.not_stopped, non_retryable=True)
        self.stopped.append(watched.call.step.step_id)
        return "stopped"

    @activity.defn(name="check_step")
    async def check_step(self, call: StepCall) -> StepResult:
        if activity.info().attempt == 1:
            self.calls.append(call)
        return self._result(call, PASSED)

    def _result(self, call: StepCall, default: StepResult) -> StepResult:
        step_id = call.step.step_id
        if step_id in self.running:
            raise ApplicationError("not yet", next_retry_delay=timedelta(seconds=0.2))
        left = self.results.get(step_id)
        return left.pop(0) if left else default
