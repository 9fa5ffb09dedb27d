"""The activities of a launch: queue launches, launch a batch, find a launch's job."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.access.audit_events import launch_event, launch_events
from activities.access.launch_check import LaunchCheck
from activities.access.verifier import RequestVerifier
from activities.fence import ended_executions
from activities.heartbeat import heartbeating
from activities.launch.attempt import LaunchAttempt
from activities.launch.isolation import LaunchIsolation
from activities.launch.launch import Launch
from activities.launch.launcher_problem import launcher_problem
from activities.signals import Delivery, deliver, signal_other
from activities.watch.steady_clock import SteadyClock
from aws.drs.gathered_reads import GatheredReads
from aws.drs.models import DAY_SECONDS, Job
from aws.ec2.template_leases import TemplateLeases
from aws.errors import TargetRefusedError
from aws.role_credentials import acting_for
from aws.targets import TargetClients
from contract.identifiers import launcher_workflow_id
from contract.launch import (
    BatchRequest,
    BatchResult,
    LauncherInput,
    LaunchesSettled,
    LaunchHeartbeat,
    LaunchRequest,
    LaunchResult,
    LaunchWaiting,
    QueueLaunches,
    SendResults,
    settled_by_wave,
)
from contract.temporal import LAUNCHER_PRIORITY, RPC_TIMEOUT, TASK_QUEUE
from recovery.access.grants import AccessRefusedError, Grant
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Target
from settings import Settings

# For how long results wait for the start of their wave, and between attempts to send them.
_COMING_SECONDS = 60.0
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 1.0, 4.0


class LaunchActivities:
    """The activities of a launch."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        verifier: RequestVerifier | None = None,
        leases: TemplateLeases | None = None,
    ) -> None:
        self._clients = clients
        self._leases = leases or TemplateLeases(clients)
        self._settings = settings
        self._verifier = verifier or RequestVerifier(settings)
        self._check = LaunchCheck(self._verifier) if self._verifier.is_required else None

    @activity.defn
    async def queue_launches(self, request: QueueLaunches) -> str:
        """Queue launches with the launcher of their account and Region, and start it if necessary.

        Queuing a launch again has no effect.

        Returns:
            The launcher's workflow ID.

        Raises:
            ApplicationError: not retryable, if the worker acts in another account than the plan
                names, or they have several targets; retryable, if Temporal does not accept it.
        """
        targets = {each.target for each in request.requests}
        if len(targets) != 1:
            # Each has a role of its own.
            reason = f"launches of {len(targets)} targets came together"
            raise ApplicationError(reason, non_retryable=True)
        (target,) = targets
        async with heartbeating():
            account_id = await self._account_of(target)
            resolved = target.model_copy(update={"account_id": account_id})
            request = _with_target(request, resolved)
            workflow_id = launcher_workflow_id(account_id or "unknown", target.region)
            if request.is_repeated:
                return workflow_id
            try:
                await activity.client().start_workflow(
                    "LauncherWorkflow",
                    LauncherInput(account_id=account_id or "unknown", region=target.region),
                    id=workflow_id,
                    task_queue=TASK_QUEUE,
                    priority=LAUNCHER_PRIORITY,
                    start_signal="queue_launches",
                    start_signal_args=[request],
                    rpc_timeout=RPC_TIMEOUT,
                )
            except RPCError as error:
                raise ApplicationError(f"Temporal did not accept it: {error.message}") from error
            waves = dict.fromkeys(each.wave_workflow_id for each in request.requests)
            await _report_launcher_problem(workflow_id, waves)
        return workflow_id

    @activity.defn
    async def launch_batch(self, request: BatchRequest) -> BatchResult:
        """Start exactly one job for several launches, after the guard.

        Until it ends, it signals to the launcher what the launches wait for.

        Raises:
            ApplicationError: retryable, for temporary errors (throttling, network).
        """
        refused: list[LaunchResult] = []
        grants: dict[str, Grant] = {}
        batch = request
        if self._check is not None:
            async with heartbeating(_last_heartbeat):
                request, grants, refused = await self._allowed(request, self._check)
        if not request.requests:
            return BatchResult(results=refused)
        poller = self._clients.poller(request.requests[0].target)

        async def list_jobs(since: float) -> list[Job]:
            listing = await poller.listed(since - DAY_SECONDS, seen_after=request.jobs_read_after)
            return listing.jobs

        before, is_retry = _last_heartbeat(), activity.info().attempt > 1
        unanswered = any(r.possibly_sent and r.answer is None for r in request.requests)
        api = self._clients.launches(request.requests[0].target)
        clock = SteadyClock(activity.info().started_time)
        isolation = LaunchIsolation(self._leases, api, request, clock)
        attempt = LaunchAttempt(
            api,
            self._settings,
            request.requests,
            before or LaunchHeartbeat(),
            in_doubt=before.unanswered if before else is_retry or unanswered,
            # An earlier attempt may have read newer jobs than the last listing.
            # Who forges a batch could name an old one.
            listing=None if is_retry or self._check is not None else list_jobs,
            isolation=isolation,
            ended=ended_executions,
        )
        identities = {each.acting_for for each in request.requests}
        # A job of several executions is the worker's own session's; its tags name each launch.
        identity = identities.pop() if len(identities) == 1 else None
        async with heartbeating(lambda: attempt.heartbeat):
            try:
                with acting_for(identity):
                    results = await attempt.run()
            except ApplicationError as error:
                if not error.non_retryable:
                    raise
                results = attempt.failed(error.message)
            except asyncio.CancelledError:
                # Return what is settled.
                if not _is_cancelled_by_temporal():
                    raise
                results = attempt.settled()
            for event in launch_events(
                request.requests, results, grants, in_doubt=attempt.in_doubt
            ):
                self._verifier.audit.write(event)
            result = BatchResult(
                job_id=attempt.job_id,
                results=refused + results,
                postponed=attempt.postponed,
                split=attempt.split,
                in_doubt=attempt.in_doubt,
                guard=isolation.guard(results),
            )
            try:
                result.sent_to = await _send_accepted(batch, result)
            except asyncio.CancelledError:
                # The launcher signals what is settled.
                if not _is_cancelled_by_temporal():
                    raise
        return result

    @activity.defn
    async def send_results(self, request: SendResults) -> None:
        """Signal to waves the results of their launches, as soon as each has started.

        One that does not start within a minute requests its launches again when it does.
        """
        left: Mapping[str, LaunchesSettled] = request.settled
        pause = _FIRST_PAUSE_SECONDS
        async with heartbeating():
            with suppress(TimeoutError):
                async with asyncio.timeout(_COMING_SECONDS):
                    while left := await _unsent(left):
                        await asyncio.sleep(pause)
                        pause = min(_LAST_PAUSE_SECONDS, 2 * pause)

    @activity.defn
    async def find_launch(self, request: LaunchRequest) -> LaunchResult | None:
        """Search the job of a withdrawn launch; None if there is none."""
        api = self._clients.launches(request.target)
        heartbeat = _last_heartbeat() or LaunchHeartbeat()
        attempt = LaunchAttempt(api, self._settings, [request], heartbeat, in_doubt=True)
        async with heartbeating(lambda: attempt.heartbeat):
            with acting_for(request.acting_for):
                found = await attempt.find()
        for event in launch_events([request], [found] if found else [], {}, in_doubt=False):
            self._verifier.audit.write(event)
        return found

    async def _allowed(
        self, batch: BatchRequest, check: LaunchCheck
    ) -> tuple[BatchRequest, dict[str, Grant], list[LaunchResult]]:
        """The launches of a batch that belong to signed starts, these, and the others' results."""
        allowed, grants, refused = [], {}, []
        for request in batch.requests:
            try:
                signed, grants[request.launch_id] = await check.allowed(request)
                allowed.append(signed)
            except AccessRefusedError as error:
                self._verifier.report_refusal(launch_event(request), error)
                refused.append(await self._refused(request, str(error)))
        return batch.model_copy(update={"requests": allowed}), grants, refused

    async def _refused(self, request: LaunchRequest, reason: str) -> LaunchResult:
        """The result of a launch that is refused; its job, if it was sent before."""
        if request.possibly_sent or activity.info().attempt > 1:
            heartbeat = _last_heartbeat() or LaunchHeartbeat()
            api = self._clients.launches(request.target)
            attempt = LaunchAttempt(api, self._settings, [request], heartbeat, in_doubt=True)
            if (found := await attempt.find()) is not None:
                return found
        launch = Launch(request)
        for server_id in request.server_ids:
            launch.refuse(server_id, f"not launched: {reason}")
        return launch.result(None)

    async def _account_of(self, target: Target) -> str | None:
        """The account; if STS fails, the one that the plan or the role names."""
        try:
            known = await self._clients.launches(target).known_account()
        except TargetRefusedError as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from refused
        return known or target.account_id or target.role_account_id


def _is_cancelled_by_temporal() -> bool:
    """Whether a cancellation is Temporal's, and not of the worker's shutdown."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


async def _send_accepted(batch: BatchRequest, result: BatchResult) -> list[str]:
    """Signal to waves at once that DRS accepted their launches: the launcher needs more events.

    Only what another attempt would find too, as this one's job: a refusal may not be its last.

    Returns:
        The workflow IDs of those that know it; the launcher signals the others.
    """
    requests = {each.launch_id: each for each in batch.requests}
    accepted = {
        wave: settled
        for wave, settled in settled_by_wave(result.results, requests).items()
        if all(
            server.recovery_job_id is not None
            and server.recovery_job_id == result.job_id
            and not (server.taken_over or server.has_failed)
            for launch in settled.results
            for server in launch.servers
        )
    }
    coming = {each.wave_workflow_id for each in batch.requests if each.by_plan}
    unsent = await _unsent(accepted, coming=coming)
    return [wave for wave in accepted if wave not in unsent]


async def _unsent(
    settled: Mapping[str, LaunchesSettled], *, coming: Collection[str] | None = None
) -> dict[str, LaunchesSettled]:
    """Signal results to waves.

    Args:
        settled: the results, by wave.
        coming: the waves that may not have started yet; by default all.

    Returns:
        Those of waves that did not get them, and may.
    """
    sending = [deliver(wave, "launches_settled", each) for wave, each in settled.items()]
    sent = dict(zip(settled, await asyncio.gather(*sending), strict=True))
    return {
        wave: each
        for wave, each in settled.items()
        if sent[wave] is Delivery.FAILED
        or (sent[wave] is Delivery.ENDED and (coming is None or wave in coming))
    }


def _with_target(request: QueueLaunches, target: Target) -> QueueLaunches:
    waves = [
        wave.model_copy(
            update={"requests": [r.model_copy(update={"target": target}) for r in wave.requests]}
        )
        for wave in request.waves
    ]
    return request.model_copy(update={"waves": waves})


async def _report_launcher_problem(workflow_id: str, waves: Iterable[str]) -> None:
    """Signal to waves what is wrong with their launcher, if anything."""
    try:
        problem = await _looks(workflow_id).get()
    except RPCError as error:
        activity.logger.warning("The launcher cannot be described: %s", error)
        return
    if problem is not None:
        reason = WaitingFor.LAUNCH.text(problem)
        waiting = LaunchWaiting(launch_id="", waiting_for=WaitingFor.LAUNCH, reason=reason)
        await asyncio.gather(*(signal_other(wave, "launch_waiting", waiting) for wave in waves))


@lru_cache(1000)
def _looks(workflow_id: str) -> GatheredReads[str, str | None]:
    return GatheredReads(lambda _: _look(workflow_id))


async def _look(workflow_id: str) -> str | None:
    """What is wrong with a launcher."""
    handle = activity.client().get_workflow_handle(workflow_id)
    return launcher_problem(await handle.describe(rpc_timeout=RPC_TIMEOUT))


def _last_heartbeat() -> LaunchHeartbeat | None:
    """The previous attempt's last heartbeat details, if any."""
    details = activity.info().heartbeat_details
    return LaunchHeartbeat.model_validate(details[0]) if details else None
