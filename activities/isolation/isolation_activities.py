"""The activities before the launch of an isolated drill: create its versions, switch to them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from temporalio import activity

from activities.access.launch_check import LaunchCheck
from activities.access.verifier import RequestVerifier
from activities.fence import Fence
from activities.heartbeat import heartbeating
from activities.isolation.orphans import restore_if_lost
from activities.retry import retried_later
from activities.watch.steady_clock import SteadyClock
from aws.ec2.template_leases import (
    CannotIsolateError,
    CreatedVersion,
    TemplateHeldError,
    TemplateLeases,
)
from aws.errors import AwsError
from aws.role_credentials import acting_for
from aws.targets import TargetClients
from contract.launch import BatchRequest, LaunchRequest
from contract.launch_settings.lease import Isolation
from recovery.access.grants import AccessRefusedError
from recovery.plan.model import Target
from settings import Settings

# EC2 takes some hundred calls at once and then a few a second.
_AT_ONCE = 4
_PAUSE_SECONDS = 1.0
# Less than the time that the launcher gives each of the two activities.
_WORK_SECONDS = 60.0
T = TypeVar("T")


class IsolationActivities:
    """The activities before the launch of an isolated drill."""

    def __init__(
        self,
        clients: TargetClients,
        leases: TemplateLeases,
        settings: Settings,
        verifier: RequestVerifier,
    ) -> None:
        self._clients = clients
        self._leases = leases
        self._settings = settings
        self._check = LaunchCheck(verifier) if verifier.is_required else None

    @activity.defn
    async def prepare_isolation(self, request: BatchRequest) -> Isolation:
        """Create the drill's versions of its servers' launch templates; none is the default yet.

        Servers with a job are left alone: it may be this drill's own.

        Raises:
            ApplicationError: retryable, if DRS's jobs cannot be read.
        """
        target = request.requests[0].target
        isolation, fence = Isolation(), Fence()
        clock = SteadyClock(activity.info().started_time)
        async with heartbeating():
            launches = await self._allowed(request)
            with retried_later(after=_PAUSE_SECONDS):
                busy = await self._servers_with_jobs(target, launches)
            isolation.held = busy

            async def create(server_id: str) -> CreatedVersion:
                launch = launches[server_id]
                with acting_for(launch.acting_for):
                    return await self._leases.create(
                        target,
                        server_id,
                        launch.drill_settings[server_id],
                        execution_id=launch.execution_id,
                        lease_id=request.lease_id,
                        not_after=await fence.not_after(),
                    )

            work = {i: _bound(create, i) for i in launches if i not in busy}
            for server_id, outcome in (await _each(work)).items():
                match outcome:
                    case CreatedVersion():
                        isolation.leases.append(outcome.lease)
                        await restore_if_lost(target, outcome.leftovers)
                    case CannotIsolateError():
                        isolation.refused[server_id] = _cannot(outcome)
                    case TemplateHeldError():
                        isolation.held[server_id] = str(outcome)
                        await restore_if_lost(target, [outcome.version])
                    case AwsError() if not outcome.kind.is_retryable:
                        isolation.refused[server_id] = _cannot(outcome)
                    case _:
                        isolation.held[server_id] = str(outcome)
        isolation.expires_time = clock.now() + self._settings.drill_lease_seconds
        return isolation

    @activity.defn
    async def switch_templates(self, request: BatchRequest) -> Isolation:
        """Make the drill's versions the default, of servers that have no job.

        Returns:
            The isolation, with the leases that are in force; the others are held or refused.

        Raises:
            ApplicationError: retryable, if DRS's jobs cannot be read.
        """
        target, isolation = request.requests[0].target, request.isolation or Isolation()
        held, refused, fence = dict(isolation.held), dict(isolation.refused), Fence()
        async with heartbeating():
            launches = await self._allowed(request)
            leases = {e.source_server_id: e for e in isolation.leases}
            launches = {i: launch for i, launch in launches.items() if i in leases}
            with retried_later(after=_PAUSE_SECONDS):
                held |= await self._servers_with_jobs(target, launches)

            async def switch(server_id: str) -> str:
                with acting_for(launches[server_id].acting_for):
                    not_after = await fence.not_after()
                    return await self._leases.switch(target, leases[server_id], not_after=not_after)

            work = {i: _bound(switch, i) for i in launches if i not in held}
            for server_id, reason in (await _each(work)).items():
                if isinstance(reason, AwsError) and not reason.kind.is_retryable:
                    refused[server_id] = _cannot(reason)
                elif reason:
                    held[server_id] = str(reason)
            with retried_later(after=_PAUSE_SECONDS):
                # Who started a job meanwhile, outside of drs-waves, has it launched anywhere.
                held |= await self._servers_with_jobs(target, launches)
        in_force = [e for i, e in leases.items() if i in launches and i not in {*held, *refused}]
        return isolation.model_copy(update={"leases": in_force, "held": held, "refused": refused})

    async def _allowed(self, request: BatchRequest) -> dict[str, LaunchRequest]:
        """By server that its plan isolates, its launch; launches that are not signed are left out.

        `launch_batch` refuses them.
        """
        found: dict[str, LaunchRequest] = {}
        for launch in request.requests:
            try:
                each = launch if self._check is None else (await self._check.allowed(launch))[0]
            except AccessRefusedError as error:
                activity.logger.warning("%s is not isolated: %s", launch.launch_id, error)
                continue
            if each.is_drill:
                found |= {i: each for i in each.server_ids if i in each.drill_settings}
        return found

    async def _servers_with_jobs(
        self, target: Target, launches: Mapping[str, LaunchRequest]
    ) -> dict[str, str]:
        """The servers that DRS works on, as read now; a switch could change where they launch.

        Raises:
            AwsError: DRS's jobs cannot be read.
        """
        if not launches:
            return {}
        since = min(launch.since for launch in launches.values())
        jobs = await self._clients.launches(target).jobs_since(since)
        return {
            server_id: f"{job.job_id} has {server_id}"
            for job in jobs
            if not job.is_over
            for server_id in job.server_ids
            if server_id in launches
        }


def _bound(work: Callable[[str], Awaitable[T]], server_id: str) -> Callable[[], Awaitable[T]]:
    return lambda: work(server_id)


async def _each(
    work: Mapping[str, Callable[[], Awaitable[T]]], *, within: float = _WORK_SECONDS
) -> dict[str, T | Exception]:
    """Do the work of each server, a few at once; what may pass is tried again.

    Args:
        work: by server.
        within: for how long it is tried (seconds).

    Returns:
        By server, the result, or why there is none.
    """
    slots, until = asyncio.Semaphore(_AT_ONCE), time.monotonic() + within

    async def do(one: Callable[[], Awaitable[T]]) -> T | Exception:
        while True:
            try:
                async with slots, asyncio.timeout(max(0.0, until - time.monotonic())):
                    return await one()
            except (CannotIsolateError, TemplateHeldError) as error:
                return error
            except TimeoutError:
                return TimeoutError("EC2 and DRS did not answer in time")
            except AwsError as error:
                if not error.kind.is_retryable or time.monotonic() + _PAUSE_SECONDS >= until:
                    return error
            await asyncio.sleep(_PAUSE_SECONDS)

    return dict(zip(work, await asyncio.gather(*map(do, work.values())), strict=True))


def _cannot(error: Exception) -> str:
    return f"not launched: the drill cannot isolate it as its plan asks: {error}"
