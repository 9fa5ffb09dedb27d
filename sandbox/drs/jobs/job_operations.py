"""DRS API operations that create, describe and delete jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moto.core.exceptions import ServiceException

from ..exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from ..jobs.job import Job
from ..jobs.timeline import LaunchBehavior
from ..ledger import LedgerEvent
from ..pagination import paginate
from ..servers import recovery_snapshots
from ..servers.recovery_instances import RecoveryInstance
from ..servers.source_servers import SourceServer
from ..state import JOB, SOURCE_SERVER, DRSState
from ..validation import (
    JOB_ID,
    RECOVERY_INSTANCE_ID,
    RECOVERY_SNAPSHOT_ID,
    SOURCE_SERVER_ID,
    check_id,
    check_ids,
    check_tags,
    read_date,
)

Page = tuple[list[dict[str, Any]], str | None]


class JobOperations(DRSState):
    """The job operations of the backend."""

    def start_recovery(
        self, source_servers: list[dict[str, str]], is_drill: bool, tags: dict[str, str]
    ) -> dict[str, Any]:
        requested = [each.get("sourceServerID", "") for each in source_servers]
        with self._lock:
            now = self.simulation.now()
            fields: dict[str, Any] = {
                "SourceServerIds": tuple(requested),
                "IsDrill": is_drill,
                "Tags": dict(tags),
            }
            try:
                launches = self._prepare_launches(source_servers, requested, tags, now)
            except ServiceException as error:
                self._record(
                    LedgerEvent.START_RECOVERY_REJECTED, Error=_error_json(error), **fields
                )
                raise
            job = self._launch(launches, is_drill=is_drill, tags=tags, created=now)
            self._record(LedgerEvent.START_RECOVERY_ACCEPTED, JobId=job.job_id, **fields)
            return job.describe(now)

    def _prepare_launches(
        self,
        source_servers: list[dict[str, str]],
        requested: list[str],
        tags: dict[str, str],
        now: float,
    ) -> list[tuple[SourceServer, LaunchBehavior, float]]:
        self._require_initialized()
        check_ids("sourceServers", requested, SOURCE_SERVER_ID, minimum=1, maximum=200)
        check_tags(tags)
        if len(set(requested)) != len(requested):
            raise ValidationException("sourceServers", "must not contain a source server twice")
        servers = [self._source_server(server_id) for server_id in requested]
        snapshots = [
            self._snapshot_taken(server, each.get("recoverySnapshotID"), now)
            for server, each in zip(servers, source_servers, strict=True)
        ]
        self._check_job_capacity(requested, now)
        return [
            (
                server,
                server.next_launch_behavior(
                    cleans_up=bool(self.instances_of(server.source_server_id, now))
                ),
                snapshot,
            )
            for server, snapshot in zip(servers, snapshots, strict=True)
        ]

    @staticmethod
    def _snapshot_taken(server: SourceServer, snapshot_id: str | None, now: float) -> float:
        if snapshot_id is None:
            return now
        check_id("recoverySnapshotID", snapshot_id, RECOVERY_SNAPSHOT_ID)
        taken = recovery_snapshots.find(server, snapshot_id, now)
        if taken is None:
            problem = f"{snapshot_id} is not a snapshot of {server.source_server_id}"
            raise ValidationException("recoverySnapshotID", problem)
        return taken

    def _check_job_capacity(self, source_server_ids: Sequence[str], now: float) -> None:
        if busy := self._busy(source_server_ids, now):
            raise ConflictException(SERVERS_IN_A_JOB, busy[0], SOURCE_SERVER)
        running = self.jobs_in_progress(now)
        self.quotas.check(
            self.account_id,
            requested=len(source_server_ids),
            jobs=len(running),
            servers=sum(len(job.participants) for job in running),
        )

    def terminate_recovery_instances(self, recovery_instance_ids: list[str]) -> dict[str, Any]:
        with self._lock:
            now = self.simulation.now()
            try:
                instances = self._validate_termination(recovery_instance_ids, now)
            except ServiceException as error:
                self._record(
                    LedgerEvent.TERMINATE_REJECTED,
                    RecoveryInstanceIds=tuple(recovery_instance_ids),
                    Error=_error_json(error),
                )
                raise
            job = self._terminate(instances, now)
            self._record(
                LedgerEvent.TERMINATE_ACCEPTED,
                JobId=job.job_id,
                SourceServerIds=tuple(each.source_server_id for each in job.participants),
                RecoveryInstanceIds=tuple(recovery_instance_ids),
            )
            return job.describe(now)

    def _validate_termination(
        self, recovery_instance_ids: list[str], now: float
    ) -> list[RecoveryInstance]:
        self._require_initialized()
        check_ids(
            "recoveryInstanceIDs",
            recovery_instance_ids,
            RECOVERY_INSTANCE_ID,
            minimum=1,
            maximum=200,
        )
        if len(set(recovery_instance_ids)) != len(recovery_instance_ids):
            raise ValidationException("recoveryInstanceIDs", "must not contain an instance twice")
        instances = [self._recovery_instance(each, now) for each in recovery_instance_ids]
        servers = [instance.source_server.source_server_id for instance in instances]
        self._check_job_capacity(list(dict.fromkeys(servers)), now)
        return instances

    def describe_jobs(
        self,
        job_ids: list[str] | None,
        from_date: str | None,
        to_date: str | None,
        max_results: int | None,
        next_token: str | None,
    ) -> Page:
        self._require_initialized()
        wanted = job_ids or []
        check_ids("filters.jobIDs", wanted, JOB_ID, maximum=1000)
        since = read_date("filters.fromDate", from_date)
        until = read_date("filters.toDate", to_date)
        now = self.simulation.now()
        chosen = set(wanted)
        page, token = paginate(
            "DescribeJobs",
            [
                job
                for job in list(self.jobs.values())
                if (not chosen or job.job_id in chosen)
                and (since is None or job.created >= since)
                and (until is None or job.created <= until)
            ],
            lambda job: (-job.created, job.job_id),
            max_results,
            next_token,
        )
        return [job.describe(now) for job in page], token

    def describe_job_log_items(
        self, job_id: str, max_results: int | None, next_token: str | None
    ) -> Page:
        self._require_initialized()
        log = list(enumerate(self._job(job_id).log(self.simulation.now())))
        # The token includes the job ID: it is valid for the log of that job only.
        page, token = paginate(
            f"DescribeJobLogItems/{job_id}", log, lambda item: (item[0],), max_results, next_token
        )
        return [item for _, item in page], token

    def _job(self, job_id: str) -> Job:
        check_id("jobID", job_id, JOB_ID)
        job = self.jobs.get(job_id)
        if job is None:
            raise ResourceNotFoundException(job_id, JOB)
        return job

    def delete_job(self, job_id: str) -> None:
        self._require_initialized()
        with self._lock:
            if self._job(job_id).in_progress(self.simulation.now()):
                message = f"Job {job_id} is not COMPLETED and cannot be deleted."
                raise ConflictException(message, job_id, JOB)
            del self.jobs[job_id]


def _error_json(error: ServiceException) -> dict[str, str]:
    return {"Code": error.code, "Message": error.message}
