"""Reviews what earlier attempts, or an earlier execution, did with a wave's servers.

It runs before every retry and every run with a takeover: servers that are up stay up, servers in a
running job are still watched, and only servers whose job ended without launching them, or that
never had a job, are launched again.
"""

import time
from collections.abc import Iterable

from activities.retry import retried_later
from aws.drs.client import DrsClient
from aws.drs.live_recovery import was_terminated
from aws.drs.models import Job, RecoveryInstance, epoch
from contract.launch import ReviewRequest
from recovery.execution.server import LaunchStatus, PostLaunch, ServerResult, Verified

_GONE = ("TERMINATED", "SHUTTING-DOWN")
_UP = ("RUNNING", "STOPPED", "STOPPING", "PENDING")


class Review:
    """Compares the recorded results of servers with DRS's current state."""

    def __init__(self, api: DrsClient, request: ReviewRequest, *, poll_seconds: float) -> None:
        self._api = api
        self._request = request
        self._poll_seconds = poll_seconds
        self._terminations: list[Job] = []

    async def run(self) -> list[ServerResult]:
        """The servers: with a job to watch, or without one, to be launched.

        Raises:
            ApplicationError: retryable, while DRS cannot be read.
        """
        request = self._request
        with retried_later(after=self._poll_seconds):
            jobs = await self._earlier_jobs()
            ids = [s.source_server_id for s in request.servers]
            instances = await self._api.recovery_instances(ids)
        return [self._review(server, jobs, instances) for server in request.servers]

    async def _earlier_jobs(self) -> list[Job]:
        """All jobs of the earlier attempts, newest first."""
        request = self._request
        recent_jobs = await self._api.jobs_since(request.since)
        self._terminations = [job for job in recent_jobs if job.type == "TERMINATE"]
        prefixes = tuple(request.launch_prefixes)
        found = [j for j in recent_jobs if any(i.startswith(prefixes) for i in j.launch_ids)]
        known = {job.job_id for job in found}
        named = {s.recovery_job_id for s in request.servers if s.recovery_job_id}
        if missing := sorted(named - known):
            found += await self._api.jobs(missing)
        return found

    def _review(
        self, server: ServerResult, jobs: list[Job], instances: Iterable[RecoveryInstance]
    ) -> ServerResult:
        server_id = server.source_server_id
        blank = ServerResult(
            source_server_id=server_id,
            impact=server.impact,
            taken_over=server.taken_over,
            network=server.network,
        )
        own = [job for job in jobs if server_id in job.server_ids]
        theirs = [i for i in instances if i.source_server_id == server_id]
        job_ids = [job.job_id for job in own]
        if server.recovery_job_id:
            job_ids.append(server.recovery_job_id)
        running = self._instance_of(theirs, job_ids)
        if own and not own[0].is_over:
            return self._keep_watching(blank, own[0])
        if running is not None:
            # Still watched, so that its job and its instance decide its status, as for others.
            is_up = server.launch_status is LaunchStatus.LAUNCHED
            is_up &= running.ec2_instance_state == "RUNNING"
            return blank.model_copy(
                update={
                    "recovery_job_id": running.job_id,
                    "recovery_instance_id": running.recovery_instance_id,
                    "recovery_point": epoch(running.point_in_time_snapshot_date_time),
                }
                | (_still_up(server, has_job=bool(own)) if is_up else {})
            )
        if (
            own
            and _reports_launched(own[0], server_id)
            and not self._is_gone(own[0], server_id, theirs)
        ):
            # Its instance is not listed, or without a job. It may still exist, and another launch
            # could destroy it. The watch ends with it verified, contradicted or UNKNOWN.
            return self._keep_watching(blank, own[0])
        without_servers = [job for job in jobs if not job.server_ids]
        if not own and without_servers:
            # A job without servers may have this one.
            return self._keep_watching(blank, without_servers[0])
        if server.recovery_job_id and not own and server.launch_status is not LaunchStatus.FAILED:
            # DRS does not report it. It is not launched again; the watch ends with it up or
            # timed out.
            return blank.model_copy(update={"recovery_job_id": server.recovery_job_id})
        return blank.model_copy(update={"taken_over": False})

    def _keep_watching(self, server: ServerResult, job: Job) -> ServerResult:
        """The server with a job to watch."""
        ids, own = job.launch_ids, self._request.own_prefix
        ownership = {"taken_over": not any(i.startswith(own) for i in ids)} if ids else {}
        return server.model_copy(update={"recovery_job_id": job.job_id} | ownership)

    def _is_gone(self, job: Job, server_id: str, instances: list[RecoveryInstance]) -> bool:
        """Whether DRS reports that a job's instance of a server no longer exists."""
        ours = [i for i in instances if i.job_id == job.job_id]
        if ours:
            return all(i.ec2_instance_state in _GONE for i in ours)
        if any(i.job_id and i.ec2_instance_state not in _GONE for i in instances):
            return True
        return was_terminated(job, server_id, self._terminations)

    def _instance_of(
        self, instances: list[RecoveryInstance], job_ids: list[str]
    ) -> RecoveryInstance | None:
        for instance in instances:
            same_mode = bool(instance.is_drill) is self._request.is_drill
            if instance.job_id in job_ids and same_mode and instance.ec2_instance_state in _UP:
                return instance
        return None


def _reports_launched(job: Job, server_id: str) -> bool:
    reported = [s for s in job.participating_servers if s.source_server_id == server_id]
    return any(s.launch_status == "LAUNCHED" for s in reported)


def _still_up(server: ServerResult, *, has_job: bool) -> dict[str, object]:
    """The results to keep of a server that is up; verified by its job, if DRS still has that."""
    in_isolation = server.network is not None and server.network.is_verified
    return {
        "launch_status": LaunchStatus.LAUNCHED,
        # Where its instance is, is looked at again.
        "verified": None if has_job or in_isolation else Verified.YES,
        "post_launch": None if has_job else _known_actions(server.post_launch),
        "reason": None if has_job or server.post_launch is None else server.reason,
        "launch_time": server.launch_time,
        "end_time": server.end_time or time.time(),
    }


def _known_actions(recorded: PostLaunch | None) -> PostLaunch | None:
    """The outcome of post-launch actions whose job DRS no longer has."""
    return PostLaunch.UNKNOWN if recorded and not recorded.is_over else recorded
