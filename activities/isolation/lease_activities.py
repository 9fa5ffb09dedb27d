"""The activities of a lease: find its job, hold the templates, restore them."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from temporalio import activity

from activities.fence import Fence
from activities.heartbeat import heartbeating
from activities.isolation.hold import TemplateHold, in_launch_phase
from activities.retry import retried_later, retry_later
from activities.watch.steady_clock import SteadyClock
from aws.drs.client import DrsClient
from aws.drs.launch_search import is_of_other_mode
from aws.drs.models import DAY_SECONDS, DRILL_JOB, RECOVERY_JOB, Job
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.role_credentials import acting_for
from aws.targets import TargetClients
from contract.cleanup import TargetScope, TemplateComparison
from contract.launch_settings.lease import HoldRequest, LeaseInput, LeaseJobsRequest, RestoreRequest
from recovery.access.session_identity import SessionIdentity
from recovery.launch_settings.lease import CurrentVersions, Lease, RestoreResult
from recovery.launch_settings.network import LaunchNetwork
from settings import Settings

_AT_ONCE = 4
# For how long a clean-up waits for the end of a lease. Divided by the speed.
COMPARE_SECONDS = 300.0


class LeaseActivities:
    """The activities of a lease.

    What they change depends on what EC2 says of the drill's versions, not on what they are asked
    for: they delete only a drill's versions, and replace only a default that is one.
    """

    def __init__(self, clients: TargetClients, leases: TemplateLeases, settings: Settings) -> None:
        self._clients = clients
        self._leases = leases
        self._settings = settings

    @activity.defn
    async def find_lease_jobs(self, request: LeaseJobsRequest) -> dict[str, str]:
        """Find the jobs of a drill whose launcher does not say what became of its launches.

        Returns:
            By server, its running job, or that of the launch, which may be over; a server without
            one certainly gets none.
        """
        lease, clock = request.lease, SteadyClock(activity.info().started_time)
        # A call that was sent in time may reach DRS, and be listed, later. The settings ensure that
        # together this is longer than UNSETTLED_SECONDS.
        settled = lease.expires_time + self._settings.heartbeat_timeout_seconds
        settled += self._settings.absent_after_seconds
        async with heartbeating():
            with self._calls_for(lease.acting_for):
                while True:
                    now = clock.now()
                    try:
                        found = await self._jobs_of(lease, request.server_ids)
                    except TargetRefusedError:
                        raise
                    except AwsError as error:
                        activity.logger.warning("The jobs of a drill cannot be read: %s", error)
                    else:
                        if now >= settled or set(found) == set(request.server_ids):
                            return found
                    await asyncio.sleep(self._settings.scaled_poll_seconds)

    @activity.defn
    async def hold_templates(self, request: HoldRequest) -> list[str]:
        """Wait until DRS no longer needs the template of a server; until then, keep it right.

        Returns:
            The servers of which that is so.
        """
        poller = self._clients.poller(request.target)
        hold = TemplateHold(self._leases, poller, request, self._settings)
        async with heartbeating():
            with self._calls_for(request.acting_for):
                return await hold.run()

    @activity.defn
    async def restore_templates(self, request: RestoreRequest) -> list[RestoreResult]:
        """Restore launch templates; a server that fails does not hold back the others.

        Returns:
            What became of each template, and who launched its server meanwhile.

        Raises:
            ApplicationError: retryable, if one could not be restored now.
        """
        slots, fence = asyncio.Semaphore(_AT_ONCE), Fence()

        async def restore(lease: Lease) -> RestoreResult | AwsError:
            async with slots:
                try:
                    result = await self._leases.restore(
                        request.target,
                        lease.template_id,
                        lease_id=lease.drill.lease_id,
                        restore_drs=request.restore_drs,
                        not_after=await fence.not_after(),
                    )
                except AwsError as error:
                    return error
            return result or RestoreResult(
                source_server_id=lease.source_server_id,
                template_id=lease.template_id,
                default_version=lease.drill.restore_version,
                is_over=True,
            )

        async with heartbeating():
            with self._calls_for(request.acting_for):
                needed = await self._still_needed(request)
                free = [e for e in request.leases if e.source_server_id not in needed]
                results = await asyncio.gather(*map(restore, free))
                outside = await self._launched_from_outside(request)
        for result in results:
            if isinstance(result, AwsError):
                raise retry_later(result, after=self._settings.scaled_poll_seconds) from result
        if needed:
            text = f"a drill's job still needs the settings of {', '.join(sorted(needed))}"
            raise retry_later(
                AwsError(AwsErrorKind.CONFLICT, text), after=self._settings.scaled_poll_seconds
            )
        restored = [result for result in results if isinstance(result, RestoreResult)]
        for result in restored:
            result.problems += outside.get(result.source_server_id, [])
        return restored

    @activity.defn
    async def compare_templates(self, scope: TargetScope) -> TemplateComparison:
        """Compare launch templates with what they were before an isolated drill.

        A lease that still restores them has some time for it.

        Returns:
            The differences; what cannot be compared is one.
        """
        found = TemplateComparison()
        until = time.monotonic() + COMPARE_SECONDS / self._settings.speed
        async with heartbeating():
            with self._calls_for(scope.acting_for):
                while True:
                    try:
                        current = await self._leases.current(scope.target)
                    except TargetRefusedError:
                        raise
                    except AwsError as error:
                        text = f"launch templates could not be compared: {error}"
                        found = TemplateComparison(differences=[text])
                    else:
                        found = _compared(scope.isolated, current)
                    if not found.differences or time.monotonic() >= until:
                        return found
                    await asyncio.sleep(self._settings.scaled_poll_seconds)

    @contextmanager
    def _calls_for(self, identity: SessionIdentity | None) -> Iterator[None]:
        with acting_for(identity), retried_later(after=self._settings.scaled_poll_seconds):
            yield

    async def _still_needed(self, request: RestoreRequest) -> set[str]:
        """The servers that a running drill still needs as they are, whatever is asked for.

        Restored before the launch phase, their templates would launch the drill into production's
        network; restored before the job's end, DRS's own settings would have it run production's
        post-launch actions.

        Raises:
            AwsError: DRS's jobs cannot be read.
        """
        poller = self._clients.poller(request.target)
        ours = {lease.source_server_id for lease in request.leases}
        changed = {e.source_server_id for e in request.leases if e.drill.changes_drs}
        until_end = changed if request.restore_drs else set()
        listed = await poller.listed(time.time() - DAY_SECONDS, seen_after=time.time())
        needed: set[str] = set()
        for job in listed.jobs:
            waiting = ours.intersection(job.server_ids)
            if waiting and not job.is_over and not is_of_other_mode(job, is_drill=True):
                begun = in_launch_phase(await poller.log(job.job_id))
                needed |= waiting - (begun - until_end)
        return needed

    async def _launched_from_outside(self, request: RestoreRequest) -> dict[str, list[str]]:
        """By server, the launches of other clients while it may have had the drill's version.

        Raises:
            AwsError: DRS's jobs cannot be read.
        """
        api = self._clients.drs(request.target)
        ours = {lease.source_server_id for lease in request.leases}
        found: dict[str, list[str]] = {}
        for job in await api.jobs_from(request.held_since):
            servers = ours.intersection(job.server_ids)
            if not servers or job.initiated_by not in (DRILL_JOB, RECOVERY_JOB):
                continue
            if not job.tags and job.arn:
                job.tags = await api.tags_of(job.arn)
            if job.launch_ids:
                continue
            kind = "recovery" if job.initiated_by == RECOVERY_JOB else "drill"
            text = (
                f"somebody else launched a {kind} of it in job {job.job_id}, while the drill's "
                "launch template was in force: check in which network its instance is"
            )
            for server_id in servers:
                found.setdefault(server_id, []).append(f"{server_id}: {text}")
        return found

    async def _jobs_of(self, lease: LeaseInput, server_ids: list[str]) -> dict[str, str]:
        api = self._clients.drs(lease.target)
        found: dict[str, str] = {}
        for job in await api.jobs_since(lease.since):
            servers = [i for i in job.server_ids if i in server_ids and i not in found]
            if servers and await _may_be_of(job, lease, api):
                found |= dict.fromkeys(servers, job.job_id)
        return found


def _compared(
    isolated: Mapping[str, LaunchNetwork], current: Mapping[str, CurrentVersions]
) -> TemplateComparison:
    found = [(i, each, current.get(each.template_id or "")) for i, each in isolated.items()]
    return TemplateComparison(
        differences=[text for i, each, now in found if (text := each.difference(now, i))],
        applied=[text for i, each, now in found if (text := each.applied(now, i))],
    )


async def _may_be_of(job: Job, lease: LeaseInput, api: DrsClient) -> bool:
    """Whether a job may be the drill's: it has its tags, or none and is not a recovery.

    One that is over counts if it is certainly that of the launch, so that nobody waits for another.
    """
    if is_of_other_mode(job, is_drill=True):
        return False
    if not job.tags and job.arn:
        job.tags = await api.tags_of(job.arn)
    if job.is_over:
        return not set(lease.launch_ids).isdisjoint(job.launch_ids)
    executions = {launch_id.partition("/")[0] for launch_id in job.launch_ids}
    return not job.tags or not executions.isdisjoint(lease.execution_ids)
