"""The start of a step that acts: its effect at most once, and what is not known said so."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from activities.fence import confirm_attempt, is_plan_open
from activities.heartbeat import send_heartbeat
from activities.retry import retry_later
from activities.steps.interface import (
    ActingStep,
    CannotFindError,
    OutcomeUnknownError,
    ReplacingStep,
    ResolvedCall,
    StepRefusedError,
)
from activities.steps.progress import ProgressReports, short_reason
from activities.steps.resolving import CallResolver
from activities.watch.steady_clock import SteadyClock
from aws.errors import AwsError, AwsErrorKind
from contract.steps import StartedStep, StartOutcome, StepCall, StepHeartbeat
from recovery.access.grants import AccessRefusedError
from recovery.steps.references import UnknownValueError
from settings import Settings

T = TypeVar("T")
# More than the time-out of most calls.
_FINISH_SECONDS = 30.0


def not_started(heartbeat: StepHeartbeat, reason: str) -> StartedStep:
    """The outcome of a step that does not start now: that it had no effect may not be known."""
    return _settled(heartbeat, StartOutcome.NOT_STARTED, reason)


def _settled(heartbeat: StepHeartbeat, outcome: StartOutcome, reason: str) -> StartedStep:
    if not heartbeat.sent:
        return StartedStep(outcome=outcome, reason=short_reason(reason))
    reason = f"it may have had its effect, which cannot be looked up: {reason}"
    return StartedStep(outcome=StartOutcome.UNKNOWN, reason=short_reason(reason))


class StepStart:
    """One attempt of the activity that starts a step.

    An effect that may have been asked for before is asked for again at once only if it is the same
    then. Otherwise it is looked up; where that is impossible, the step says if it does no harm.

    Attributes:
        heartbeat: what the next attempt must know.
    """

    def __init__(
        self,
        kind: ActingStep,
        call: StepCall,
        resolver: CallResolver,
        *,
        heartbeat: StepHeartbeat,
        clock: SteadyClock,
        settings: Settings,
    ) -> None:
        self._kind = kind
        self._call = call
        self._resolver = resolver
        self.heartbeat = heartbeat
        self._settings = settings
        self._clock = clock

    async def run(self) -> StartedStep:
        """Start the step, or find it.

        Raises:
            AccessRefusedError: the worker's allow-list does not have what it calls.
            ApplicationError: retryable; it could not be started or found now.
        """
        try:
            return await self._run()
        except AccessRefusedError:
            raise
        except UnknownValueError as error:
            return self._not_started(str(error))
        except AwsError as error:
            if self._is_over:
                return self._not_started(f"it did not start in its time: {error}")
            if not error.kind.is_retryable:
                return self._not_started(str(error))
            await self._report(str(error))
            raise retry_later(error, after=self._settings.scaled_poll_seconds) from error
        except Exception as error:
            if self._is_over:
                return self._not_started(f"it did not start in its time: {type(error).__name__}")
            raise

    async def _run(self) -> StartedStep:
        step = await self._resolver.resolve(self._call, self._clock.now)
        if self.heartbeat.sent and not (self._kind.may_repeat and await self._is_plan_open()):
            try:
                found = await self._find(step)
            except CannotFindError as error:
                if not self._call.step.idempotent:
                    return self._not_started(self.heartbeat.problem or str(error))
            else:
                if found is not None:
                    return found
                self.heartbeat.sent = False
        if self._is_over:
            problem = self.heartbeat.problem
            return self._not_started(f"it did not start in its time: {problem or 'no time left'}")
        return await self._send(step)

    async def _find(self, step: ResolvedCall) -> StartedStep | None:
        try:
            return await self._kind.find(step)
        except AwsError as error:
            if error.kind.is_retryable:
                raise
            raise CannotFindError(str(error)) from error

    async def _send(self, step: ResolvedCall) -> StartedStep:
        sent_before = self.heartbeat.sent
        try:
            if isinstance(self._kind, ReplacingStep) and not sent_before:
                self.heartbeat.before = await self._kind.state_before(step)
        except StepRefusedError as error:
            return self._not_started(str(error))
        if not await self._is_plan_open():
            return _settled(self.heartbeat, StartOutcome.PLAN_CLOSED, "the plan has ended")
        step = replace(step, is_repeat=sent_before, before=self.heartbeat.before)
        self._note(sent=True)
        try:
            not_after = await confirm_attempt(self.heartbeat)
        except AwsError:
            self._note(sent=sent_before)
            raise
        try:
            started = await _finished(self._kind.start(replace(step, not_after=not_after)))
            return started.model_copy(update={"before": self.heartbeat.before})
        except StepRefusedError as error:
            self._note(sent=sent_before)
            return self._not_started(str(error))
        except OutcomeUnknownError as error:
            raise AwsError(AwsErrorKind.UNCLEAR, str(error)) from error
        except AwsError as error:
            if error.kind.had_no_effect:
                self._note(sent=sent_before)
            raise

    async def _is_plan_open(self) -> bool:
        return await is_plan_open(self._call.plan_id, self._call.execution_id)

    def _not_started(self, reason: str) -> StartedStep:
        return not_started(self.heartbeat, reason)

    @property
    def _is_over(self) -> bool:
        return self._clock.now() >= self._call.deadline

    def _note(self, *, sent: bool) -> None:
        # Also before it is confirmed: details that wait to be sent must not replace these later.
        self.heartbeat.sent = sent
        send_heartbeat(self.heartbeat)

    async def _report(self, problem: str) -> None:
        known = self.heartbeat
        reports = ProgressReports(
            self._call,
            speed=self._settings.speed,
            said=known.problem,
            after=known.report_after,
        )
        await reports.report(problem, now=self._clock.now())
        known.problem, known.report_after = short_reason(problem), reports.after
        send_heartbeat(known)


async def _finished(start: Coroutine[Any, Any, T]) -> T:
    """Await a start for a while even if the activity is cancelled, so that it can be stopped."""
    task = asyncio.create_task(start)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_FINISH_SECONDS)
        if not task.done():
            task.cancel()
            raise
        return task.result()
