"""Clean-up after a drill: terminates exactly the recovery instances that it launched."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from temporalio import activity

from activities.access.audit_events import termination_event
from activities.access.cleanup_check import CleanupCheck
from activities.access.verifier import RequestVerifier
from activities.fence import confirm_attempt
from activities.heartbeat import heartbeating
from activities.retry import retried_later
from aws.drs.client import MAX_IDS, DrsClient
from aws.drs.launch_search import is_of_other_mode
from aws.drs.live_recovery import last_launch, was_terminated
from aws.drs.models import Job, RecoveryInstance, epoch
from aws.errors import AwsError, AwsErrorKind
from aws.role_credentials import acting_for
from aws.targets import TargetClients
from contract.cleanup import FoundInstances, TargetScope, TerminateRequest
from recovery.access.grants import AccessRefusedError
from recovery.access.session_identity import SessionIdentity
from recovery.execution.cleanup_state import LaunchedInstance
from recovery.plan.model import Target
from settings import Settings

JOBS_TIMEOUT_SECONDS = 24 * 3600.0
TERMINATION_TIMEOUT_SECONDS = 1800.0
LISTING_TIMEOUT_SECONDS = 120.0
_GONE = ("TERMINATED", "NOT_FOUND")


class CleanupActivities:
    """The activities of the clean-up."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        verifier: RequestVerifier | None = None,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._verifier = verifier or RequestVerifier(settings)
        self._check = CleanupCheck(self._verifier) if self._verifier.is_required else None

    @activity.defn
    async def find_instances(self, scope: TargetScope) -> FoundInstances:
        """Await the end of the execution's jobs, then list their instances."""
        async with heartbeating():
            with self._calls_for(scope.acting_for):
                return await self._find(scope)

    @activity.defn
    async def terminate(self, request: TerminateRequest) -> list[LaunchedInstance]:
        """Terminate instances and verify that they no longer exist.

        Returns:
            Those that still exist, each with the reason.
        """
        async with heartbeating():
            with self._calls_for(request.acting_for):
                refused = await self._refused(request)
                allowed = [i for i in request.instances if i.recovery_instance_id not in refused]
                self._report(request, [i.recovery_instance_id for i in allowed], refused)
                left = await self._terminate(request.model_copy(update={"instances": allowed}))
                unsigned = [i for i in request.instances if i.recovery_instance_id in refused]
                # What an earlier attempt has terminated is no longer listed, so it is unknown.
                gone = await _terminated_by_drs(self._clients.drs(request.target), unsigned)
        for instance in [i for i in unsigned if i not in gone]:
            reason = refused[instance.recovery_instance_id]
            left.append(instance.left(f"not terminated: {reason}"))
        return left

    async def _refused(self, request: TerminateRequest) -> dict[str, AccessRefusedError]:
        """By the ID of an instance, why it does not belong to a signed clean-up.

        Raises:
            AwsError: DRS cannot be read now.
        """
        if self._check is None:
            return {}
        try:
            subject = self._check.subject_of(request)
        except AccessRefusedError as error:
            return {i.recovery_instance_id: error for i in request.instances}
        return await self._check.refused(subject, request, self._clients.drs(request.target))

    def _report(
        self,
        request: TerminateRequest,
        allowed: Sequence[str],
        refused: Mapping[str, AccessRefusedError],
    ) -> None:
        """Write what is terminated, and what is not, to the audit log."""
        if allowed:
            signed = request.cleanup.signed if self._check and request.cleanup else None
            grant = self._verifier.grant_of(signed)
            self._verifier.audit.write(termination_event(request, allowed, grant))
        for reason in {str(error): error for error in refused.values()}.values():
            ids = [i for i, error in refused.items() if str(error) == str(reason)]
            self._verifier.report_refusal(termination_event(request, ids), reason)

    @contextmanager
    def _calls_for(self, identity: SessionIdentity | None) -> Iterator[None]:
        with acting_for(identity), retried_later(after=self._settings.scaled_poll_seconds):
            yield

    async def _find(self, scope: TargetScope) -> FoundInstances:
        api = self._clients.drs(scope.target)
        await api.check(changes=True)
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
        deadline = time.time() + LISTING_TIMEOUT_SECONDS / self._settings.speed
        while True:
            listed = await api.recovery_instances(scope.server_ids)
            unlisted = _unlisted(scope, jobs, listed_jobs, listed)
            if not unlisted or time.time() > deadline:
                break
            await asyncio.sleep(self._settings.scaled_poll_seconds)
        found = [i for i in listed if i.job_id in own_job_ids and i.ec2_instance_state not in _GONE]
        instances = [_launched(i, scope.target) for i in found if _may_be_terminated(i, scope)]
        untold = [
            _launched(i, scope.target, "DRS does not report its ID, or whether it is of a drill")
            for i in found
            if i.is_drill is None or not i.recovery_instance_id
        ]
        return FoundInstances(instances=instances, unfinished=running, left=unlisted + untold)

    async def _terminate(self, request: TerminateRequest) -> list[LaunchedInstance]:
        api = self._clients.drs(request.target)
        deadline = time.time() + TERMINATION_TIMEOUT_SECONDS / self._settings.speed
        refusals: dict[str, AwsError] = {}
        remaining: Sequence[LaunchedInstance] = request.instances
        while remaining and time.time() <= deadline:
            for first in range(0, len(remaining), MAX_IDS):
                some = remaining[first : first + MAX_IDS]
                await self._request_termination(api, some, refusals)
            await asyncio.sleep(self._settings.scaled_poll_seconds)
            listed = await _still_there(api, remaining)
            # One listing without an instance proves nothing. DRS's acceptance of the call does, or
            # a TERMINATE job: DRS refuses to terminate what is gone with a Conflict.
            refused = [i for i in remaining if i not in listed and _is_undecided(i, refusals)]
            terminated = await _terminated_by_drs(api, refused)
            remaining = [i for i in remaining if i in listed or i in refused]
            remaining = [i for i in remaining if i not in terminated]
        errors = await _job_errors(api, remaining)
        return [
            i.left(
                errors.get(i.source_server_id)
                or str(refusals.get(i.recovery_instance_id, _STILL_PRESENT))
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
            await api.terminate(ids, not_after=await confirm_attempt())
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


async def _job_errors(api: DrsClient, instances: Sequence[LaunchedInstance]) -> dict[str, str]:
    """By source server, the error in the log of the last TERMINATE job that had it."""
    found: dict[str, str] = {}
    if not instances:
        return found
    servers = {i.source_server_id for i in instances}
    try:
        last: dict[str, str] = {}
        for job in reversed(await api.jobs_since(time.time())):
            if job.type == "TERMINATE":
                of_job = {s.source_server_id or "" for s in job.participating_servers}
                last |= dict.fromkeys(of_job & servers, job.job_id)
        for job_id in dict.fromkeys(last.values()):
            for line in await api.job_log(job_id):
                if line.raw_error and last.get(line.source_server_id or "") == job_id:
                    found[line.source_server_id or ""] = f"{line.event}: {line.raw_error}"
    except AwsError as error:
        # It says why they are left as well as it can without.
        activity.logger.warning("The jobs of leftovers cannot be read: %s", error)
    return found


async def _terminated_by_drs(
    api: DrsClient, instances: Sequence[LaunchedInstance]
) -> list[LaunchedInstance]:
    """The instances that a TERMINATE job of DRS, after the job that launched them, terminated."""
    if not instances:
        return []
    launches = {j.job_id: j for j in await api.jobs([i.recovery_job_id for i in instances])}
    oldest = min((epoch(j.creation_date_time) or 0.0 for j in launches.values()), default=0.0)
    jobs = await api.jobs_from(oldest)
    return [
        i
        for i in instances
        if (job := launches.get(i.recovery_job_id)) is not None
        and was_terminated(job, i.source_server_id, jobs)
    ]


def _unlisted(
    scope: TargetScope,
    own_jobs: Mapping[str, Job],
    jobs: Sequence[Job],
    instances: Sequence[RecoveryInstance],
) -> list[LaunchedInstance]:
    """What own jobs launched last, which DRS neither lists nor has terminated."""
    listed = {(i.source_server_id, i.job_id) for i in instances}
    return [
        LaunchedInstance(
            recovery_instance_id="unknown",
            source_server_id=server_id,
            recovery_job_id=job.job_id,
            region=scope.target.region,
            reason="DRS launched it, but does not list it and has not terminated it",
        )
        for server_id in scope.server_ids
        if (job := last_launch(server_id, jobs)) is not None
        and job.job_id in own_jobs
        and (server_id, job.job_id) not in listed
        and not was_terminated(job, server_id, jobs)
    ]


def _is_own(job: Job, scope: TargetScope) -> bool:
    """By its type and launch IDs; an adopted job has none, only its recorded ID."""
    if is_of_other_mode(job, is_drill=scope.is_drill):
        return False
    if not job.launch_ids:
        return job.job_id in scope.job_ids
    return any(launch_id.startswith(scope.launch_prefix) for launch_id in job.launch_ids)


def _may_be_terminated(instance: RecoveryInstance, scope: TargetScope) -> bool:
    return bool(instance.recovery_instance_id) and instance.is_drill is scope.is_drill


def _launched(
    instance: RecoveryInstance, target: Target, reason: str | None = None
) -> LaunchedInstance:
    return LaunchedInstance(
        recovery_instance_id=instance.recovery_instance_id or "unknown",
        source_server_id=instance.source_server_id or "",
        recovery_job_id=instance.job_id or "",
        region=target.region,
        reason=reason,
    )
