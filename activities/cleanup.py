"""Clean-up after a drill: terminates exactly the recovery instances that it launched."""

import asyncio
import time
from collections.abc import Sequence

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.retry import retried_later
from aws.drs.client import DrsClient
from aws.drs.models import Job, RecoveryInstance
from aws.errors import AwsError, AwsErrorKind
from aws.targets import TargetClients
from contract.cleanup import FoundInstances, TargetScope, TerminateRequest
from recovery.execution.cleanup_state import LaunchedInstance
from recovery.plan.model import Target
from settings import Settings

JOBS_TIMEOUT_SECONDS = 24 * 3600.0
TERMINATION_TIMEOUT_SECONDS = 1800.0
_GONE = ("TERMINATED", "NOT_FOUND")


class CleanupActivities:
    """The activities of the clean-up."""

    def __init__(self, clients: TargetClients, settings: Settings) -> None:
        self._clients = clients
        self._settings = settings

    @activity.defn
    async def find_instances(self, scope: TargetScope) -> FoundInstances:
        """Await the end of the execution's jobs, then list their instances."""
        async with heartbeating():
            with retried_later(after=self._settings.scaled_poll_seconds):
                return await self._find(scope)

    @activity.defn
    async def terminate(self, request: TerminateRequest) -> list[LaunchedInstance]:
        """Terminate instances and verify that they no longer exist.

        Returns:
            Those that still exist, each with the reason.
        """
        async with heartbeating():
            with retried_later(after=self._settings.scaled_poll_seconds):
                return await self._terminate(request)

    async def _find(self, scope: TargetScope) -> FoundInstances:
        api = self._clients.drs(scope.target)
        await api.account_id()
        deadline = activity.info().scheduled_time.timestamp()
        deadline += JOBS_TIMEOUT_SECONDS / self._settings.speed
        while True:
            listed_jobs = await api.jobs(scope.job_ids)
            listed_jobs += await api.jobs_since(scope.since)
            jobs = {j.job_id: j for j in listed_jobs if _is_own(j, scope)}
            running = [job.job_id for job in jobs.values() if not job.is_over]
            if not running or time.time() > deadline:
                break
            await asyncio.sleep(self._settings.scaled_poll_seconds)
        # DRS may have deleted a job whose instance still exists; then its recorded ID counts.
        listed_ids = {job.job_id for job in listed_jobs}
        own_job_ids = {*jobs, *(i for i in scope.job_ids if i not in listed_ids)}
        found = [
            i for i in await api.recovery_instances(scope.server_ids) if i.job_id in own_job_ids
        ]
        instances = [own for i in found if (own := _launched(i, scope.target)) is not None]
        return FoundInstances(instances=instances, unfinished=running)

    async def _terminate(self, request: TerminateRequest) -> list[LaunchedInstance]:
        api = self._clients.drs(request.target)
        deadline = time.time() + TERMINATION_TIMEOUT_SECONDS / self._settings.speed
        refusals: dict[str, AwsError] = {}
        remaining: Sequence[LaunchedInstance] = request.instances
        while remaining and time.time() <= deadline:
            await self._request_termination(api, remaining, refusals)
            await asyncio.sleep(self._settings.scaled_poll_seconds)
            listed = await _still_there(api, remaining)
            # One listing without an instance proves nothing; DRS's acceptance of the call does.
            remaining = [i for i in remaining if i in listed or _is_undecided(i, refusals)]
        return [
            i.model_copy(
                update={"reason": str(refusals.get(i.recovery_instance_id, _STILL_PRESENT))}
            )
            for i in remaining
        ]

    async def _request_termination(
        self,
        api: DrsClient,
        instances: Sequence[LaunchedInstance],
        refusals: dict[str, AwsError],
    ) -> None:
        """Terminate all in one call; if one of them makes it fail, each in its own call."""
        ids = [i.recovery_instance_id for i in instances]
        try:
            await api.terminate(ids)
        except AwsError as error:
            if len(ids) > 1 and error.kind in (AwsErrorKind.CONFLICT, AwsErrorKind.UNKNOWN_SERVER):
                for instance in instances:
                    await self._request_termination(api, [instance], refusals)
                return
            refusals.update(dict.fromkeys(ids, error))
            if not error.kind.is_retryable and error.kind is not AwsErrorKind.UNKNOWN_SERVER:
                raise
        else:
            for instance_id in ids:
                refusals.pop(instance_id, None)


_STILL_PRESENT = "DRS accepted its termination, but it still exists"


def _is_undecided(instance: LaunchedInstance, refusals: dict[str, AwsError]) -> bool:
    """Whether DRS neither accepted the termination nor reported the instance as unknown."""
    error = refusals.get(instance.recovery_instance_id)
    return error is not None and error.kind is not AwsErrorKind.UNKNOWN_SERVER


async def _still_there(
    api: DrsClient, instances: Sequence[LaunchedInstance]
) -> list[LaunchedInstance]:
    """The instances that DRS still lists with the same job."""
    wanted = {(i.recovery_instance_id, i.recovery_job_id): i for i in instances}
    servers = list(dict.fromkeys(i.source_server_id for i in instances))
    found = await api.recovery_instances(servers)
    listed = [i for i in found if i.ec2_instance_state not in _GONE]
    keys = [(i.recovery_instance_id or "", i.job_id or "") for i in listed]
    return [wanted[key] for key in keys if key in wanted]


def _is_own(job: Job, scope: TargetScope) -> bool:
    """By its launch IDs; an adopted job has none, only its recorded ID."""
    if not job.launch_ids:
        return job.job_id in scope.job_ids
    return any(launch_id.startswith(scope.launch_prefix) for launch_id in job.launch_ids)


def _launched(instance: RecoveryInstance, target: Target) -> LaunchedInstance | None:
    if not instance.recovery_instance_id or instance.ec2_instance_state in _GONE:
        return None
    return LaunchedInstance(
        recovery_instance_id=instance.recovery_instance_id,
        source_server_id=instance.source_server_id or "",
        recovery_job_id=instance.job_id or "",
        region=target.region,
    )
