"""The activities of steps: start, watch and stop those that act, try those that check."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.access.audit_events import started_event, step_event
from activities.access.step_check import StepCheck
from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from activities.retry import retried_later
from activities.steps.checks.registry import CHECKS
from activities.steps.instance_check import InstanceCheck
from activities.steps.interface import ActingStep, StepRefusedError
from activities.steps.kinds.registry import ACTING_KINDS
from activities.steps.resolving import CallResolver
from activities.steps.step_clients import StepClients
from activities.steps.step_start import StepStart, not_started
from activities.steps.step_watch import StepCheckRun, StepWatch, finished, not_checked
from activities.watch.steady_clock import SteadyClock
from aws.errors import TargetRefusedError
from aws.role_credentials import acting_for
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.steps import StartedStep, StepCall, StepHeartbeat, StepResult, WatchedStep
from recovery.access.grants import AccessRefusedError, Grant
from recovery.steps.model import StepKind
from settings import Settings


class StepActivities:
    """The activities of steps."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        verifier: RequestVerifier | None = None,
    ) -> None:
        self._settings = settings
        self._verifier = verifier or RequestVerifier(settings)
        self._check = StepCheck(self._verifier) if self._verifier.is_required else None
        services = ServiceClient(clients)
        shared = StepClients(services, settings)
        instances = InstanceCheck(clients) if self._verifier.is_required else None
        self._resolver = CallResolver(services, clients.allow_list, instances)
        self._acting = {kind: make(shared) for kind, make in ACTING_KINDS.items()}
        self._checks = {kind: make(shared) for kind, make in CHECKS.items()}

    @activity.defn
    async def start_step(self, call: StepCall) -> StartedStep:
        """Start a step that acts, at most once for each attempt ID.

        Raises:
            ApplicationError: retryable; it could not be started or looked up now.
        """
        heartbeat, clock, grant = _last_heartbeat(call), _clock(), None
        async with heartbeating(lambda: heartbeat):
            try:
                call, grant = await self._signed(call)
                kind = self._kind(call.step.kind)
                with acting_for(call.acting_for):
                    start = StepStart(
                        kind,
                        call,
                        self._resolver,
                        heartbeat=heartbeat,
                        clock=clock,
                        settings=self._settings,
                    )
                    started = await start.run()
            except AccessRefusedError as refused:
                self._verifier.report_refusal(step_event(call, grant), refused)
                return not_started(heartbeat, str(refused))
            except ApplicationError:
                if heartbeat.sent:
                    text = "sent; whether it had its effect is not known yet"
                    self._verifier.audit.write(step_event(call, grant, text))
                raise
        self._verifier.audit.write(started_event(call, started, grant))
        if started.result is None:
            return started
        return started.model_copy(update={"result": finished(call, started.result)})

    @activity.defn
    async def watch_step(self, watched: WatchedStep) -> StepResult:
        """Watch a started step until it has ended, or its time is over."""
        call, started = watched.call, watched.started
        if started.result is not None:
            return started.result
        kind, clock = self._kind(call.step.kind), _clock()
        async with heartbeating():
            with acting_for(call.acting_for):
                step = await self._resolver.resolve(call, clock.now, is_started=True)
                return await StepWatch(kind, step, started, self._settings).run()

    @activity.defn
    async def stop_step(self, watched: WatchedStep) -> str:
        """Stop a started step; what became of it, as a sentence.

        Raises:
            ApplicationError: retryable, unless AWS refuses it for good, or nothing was stopped.
        """
        pause, clock = self._settings.scaled_poll_seconds, _clock()
        call, grant = watched.call, None
        async with heartbeating():
            try:
                call, grant = await self._signed(call)
            except AccessRefusedError as refused:
                self._verifier.report_refusal(step_event(call, grant), refused)
                raise _not_stopped(refused) from refused
            with acting_for(call.acting_for), retried_later(after=pause):
                step = await self._resolver.resolve(call, clock.now, is_started=True)
                try:
                    text = await self._kind(call.step.kind).stop(step, watched.started)
                except StepRefusedError as refused:
                    raise _not_stopped(refused) from refused
        self._verifier.audit.write(step_event(call, grant, text))
        return text

    @activity.defn
    async def check_step(self, call: StepCall) -> StepResult:
        """Try a check until it has passed as often in a row as it must, or its time is over."""
        kind = self._checks.get(call.step.kind)
        if kind is None:
            raise _unknown_kind(call.step.kind)
        clock = _clock()
        async with heartbeating():
            try:
                call, _ = await self._signed(call)
                run = StepCheckRun(kind, call, self._resolver, clock, self._settings)
                with acting_for(call.acting_for):
                    return await run.run()
            except AccessRefusedError as refused:
                self._verifier.report_refusal(step_event(call), refused)
                return not_checked(call, str(refused))
            except TargetRefusedError as refused:
                return not_checked(call, str(refused))

    async def _signed(self, call: StepCall) -> tuple[StepCall, Grant | None]:
        """The step for the actor who signed the start, where only signed ones run.

        Raises:
            AccessRefusedError: it must not run.
        """
        return (call, None) if self._check is None else await self._check.allowed(call)

    def _kind(self, kind: StepKind) -> ActingStep:
        if kind not in self._acting:
            raise _unknown_kind(kind)
        return self._acting[kind]


def _clock() -> SteadyClock:
    return SteadyClock(activity.info().started_time)


def _last_heartbeat(call: StepCall) -> StepHeartbeat:
    """What the last attempt noted; without that, it may have asked for the step's effect."""
    info = activity.info()
    if info.heartbeat_details:
        return StepHeartbeat.model_validate(info.heartbeat_details[0])
    return StepHeartbeat(sent=call.possibly_sent or info.attempt > 1)


def _not_stopped(refused: Exception) -> ApplicationError:
    return ApplicationError(str(refused), non_retryable=True)


def _unknown_kind(kind: StepKind) -> ApplicationError:
    # Retried, because a newer worker may know it.
    return ApplicationError(f"This worker runs no steps of the kind {kind}: update it")
