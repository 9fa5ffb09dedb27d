"""Signals to a wave what its running step does."""

from activities.signals import signal_caller
from contract.steps import StepCall, StepProgress
from recovery.steps.state import CheckResult
from recovery.text_format import shortened

# Each signal adds to the wave's history, and a step may run for a day.
_FIRST_PAUSE_SECONDS = 15.0
_LONGEST_PAUSE_SECONDS = 300.0
# One may name a role, or have what an instance said.
_REASON_BYTES = 600


def short_reason(text: str) -> str:
    """A reason as a wave and its history keep it."""
    return shortened(text, max_bytes=_REASON_BYTES)


class ProgressReports:
    """Signals what a step does when that changes, and the longer it runs the more rarely."""

    def __init__(self, call: StepCall, *, speed: float, said: str = "", after: float = 0.0) -> None:
        """Prepare.

        Args:
            call: the step.
            speed: divides the pauses between two signals.
            said: the last signal, by an earlier attempt.
            after: when the next one may be sent (epoch seconds).
        """
        self._call = call
        self._speed = speed
        self._said: tuple[str, CheckResult | None] = (said, None)
        self._pause = _FIRST_PAUSE_SECONDS
        self.after = after

    async def report(self, text: str, *, now: float, result: CheckResult | None = None) -> None:
        """Signal a change, if the last signal is long enough ago (`now` in epoch seconds)."""
        if (text, result) == self._said or now < self.after:
            return
        step_id, attempt = self._call.step.step_id, self._call.attempt
        progress = StepProgress(
            step_id=step_id,
            attempt=attempt,
            result=result,
            reason=short_reason(text),
        )
        if await signal_caller("step_progress", progress):
            self._said = text, result
            self.after = now + self._pause / self._speed
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
