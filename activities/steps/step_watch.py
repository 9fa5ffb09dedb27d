"""The watch of a started step until its result, and the tries of a check until its verdict."""

import asyncio
import random

from temporalio import activity

from activities.steps.interface import ActingStep, CheckStep, Probe, ResolvedCall
from activities.steps.progress import ProgressReports, short_reason
from activities.steps.resolving import CallResolver
from activities.watch.steady_clock import SteadyClock
from aws.errors import AwsError, TargetRefusedError
from contract.steps import StartedStep, StepCall, StepResult
from recovery.access.grants import AccessRefusedError
from recovery.steps.model import Check
from recovery.steps.outputs import OutputError, selected_outputs
from recovery.steps.references import UnknownValueError
from recovery.steps.state import CheckResult, StepStatus
from recovery.text_format import count, rounded_duration
from settings import Settings

# A probe that begins right before the deadline still gets an answer.
_SHORTEST_PROBE_SECONDS = 2.0


def finished(call: StepCall, result: StepResult) -> StepResult:
    """A step's result with the outputs that it selects from all of it, and with its instances.

    A result without one of them is a failure: a later step would go on with nothing.
    """
    outputs, status, reason = {}, result.status, result.reason
    if status is StepStatus.SUCCEEDED:
        try:
            outputs = selected_outputs(call.step.outputs, result.outputs)
        except OutputError as error:
            status, reason = StepStatus.FAILED, f"it succeeded, but {error}"
    return result.model_copy(
        update={"status": status, "reason": short_reason(reason), "outputs": outputs}
    )


def not_checked(call: StepCall, reason: str) -> StepResult:
    """The result of a check that could not be carried out."""
    reason = f"could not be checked: {reason}"
    failed = StepResult(status=StepStatus.FAILED, result=CheckResult.INCONCLUSIVE, reason=reason)
    return finished(call, failed)


class StepWatch:
    """The watch of a started step. An error of a poll never ends it."""

    def __init__(
        self, kind: ActingStep, step: ResolvedCall, started: StartedStep, settings: Settings
    ) -> None:
        self._kind = kind
        self._step = step
        self._started = started
        self._settings = settings
        self._reports = ProgressReports(step.call, speed=settings.speed)

    async def run(self) -> StepResult:
        """Watch until it has ended, or its time is over."""
        while True:
            seen = await self._poll()
            if isinstance(seen, StepResult):
                return finished(self._step.call, seen)
            left = self._step.seconds_left
            if left <= 0:
                return finished(self._step.call, self._timed_out(seen))
            await self._reports.report(seen, now=self._step.clock())
            pause = self._settings.scaled_poll_seconds * random.uniform(0.8, 1.2)
            await asyncio.sleep(min(pause, left))

    async def _poll(self) -> StepResult | str:
        try:
            return await self._kind.poll(self._step, self._started)
        except AwsError as error:
            return f"it cannot be polled now: {error}"
        except Exception as error:
            activity.logger.exception("The poll of a step failed")
            return f"it cannot be polled now: unexpected {type(error).__name__}"

    def _timed_out(self, seen: str) -> StepResult:
        seconds = rounded_duration(self._step.call.step.timeout_seconds)
        reason = f"it did not end within {seconds}, and may still run: {seen}"
        return StepResult(status=StepStatus.TIMED_OUT, reason=reason)


class StepCheckRun:
    """The tries of a check."""

    def __init__(
        self,
        kind: CheckStep,
        call: StepCall,
        resolver: CallResolver,
        clock: SteadyClock,
        settings: Settings,
    ) -> None:
        assert isinstance(call.step.spec, Check)
        self._kind = kind
        self._call = call
        self._resolver = resolver
        self._spec = call.step.spec
        self._clock = clock
        self._speed = settings.speed
        self._reports = ProgressReports(call, speed=settings.speed)

    async def run(self) -> StepResult:
        """Try until it has passed as often in a row as it must, or its time is over.

        Raises:
            AccessRefusedError: the worker must not try it.
            TargetRefusedError: it must not act there.
        """
        passed, threshold = 0, self._spec.healthy_threshold
        while True:
            probe = await self._probe()
            passed = passed + 1 if probe.result is CheckResult.PASSED else 0
            if passed >= threshold:
                return self._result(StepStatus.SUCCEEDED, CheckResult.PASSED, probe.evidence)
            if self._left <= 0:
                return self._failure(probe, passed)
            await self._reports.report(probe.evidence, now=self._clock.now(), result=probe.result)
            await asyncio.sleep(min(self._spec.interval_seconds / self._speed, self._left))

    @property
    def _left(self) -> float:
        return max(0.0, self._call.deadline - self._clock.now())

    async def _probe(self) -> Probe:
        """Try once. What could not be tried is inconclusive, whatever kept it."""
        try:
            # Each time: an address may be known only later.
            step = await self._resolver.resolve(self._call, self._clock.now)
            async with asyncio.timeout(max(self._left, _SHORTEST_PROBE_SECONDS)):
                return await self._kind.probe(step)
        except (AccessRefusedError, TargetRefusedError):
            raise
        except (AwsError, UnknownValueError) as error:
            return Probe(CheckResult.INCONCLUSIVE, str(error))
        except TimeoutError:
            return Probe(CheckResult.INCONCLUSIVE, "no answer when its time was over")
        except Exception as error:
            activity.logger.exception("The probe of a check failed")
            return Probe(CheckResult.INCONCLUSIVE, f"unexpected {type(error).__name__}")

    def _failure(self, last: Probe, passed: int) -> StepResult:
        seconds = rounded_duration(self._call.step.timeout_seconds)
        if last.result is CheckResult.INCONCLUSIVE:
            return not_checked(self._call, f"{last.evidence} (tried for {seconds})")
        often = f"{count(passed, 'time')} in a row of {self._spec.healthy_threshold}"
        reason = f"passed {often} within {seconds}, last: {last.evidence}"
        return self._result(StepStatus.FAILED, CheckResult.FAILED, reason)

    def _result(self, status: StepStatus, result: CheckResult, reason: str) -> StepResult:
        return finished(self._call, StepResult(status=status, result=result, reason=reason))
