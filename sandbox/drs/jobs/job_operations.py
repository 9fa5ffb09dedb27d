"""DRS API operations that create, describe and delete jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from ..jobs.job import Job
from ..jobs.timeline import LaunchBehavior
from ..ledger import LedgerEvent
from ..servers import recovery_snapshots
from ..servers.source_servers import SourceServer
from ..simulation import simulation
from ..state import JOB, SOURCE_SERVER, DRSState
from ..validation import (
    JOB_ID,
    RECOVERY_INSTANCE_ID,
    RECOVERY_SNAPSHOT_ID,
    SOURCE_SERVER_ID,
    check_id,
    check_ids,
    check_new_job_ids,
    check_tags,
    is_admitted,
    read_date,
)


class JobOperations(DRSState):
    """The job operations of the backend."""

    def start_recovery(
        self, source_servers: list[dict[str, str]], is_drill: bool, tags: dict[str, str]
    ) -> Job:
        with self._lock:
            now = simulation.now()
            launches = self._prepare_launches(source_servers, tags, now)
            job = self._launch(launches, is_drill=is_drill, tags=tags, created=now)
            self._record(
                LedgerEvent.START_RECOVERY_ACCEPTED, job, IsDrill=is_drill, Tags=dict(tags)
            )
            return job

    def _prepare_launches(
        self, source_servers: list[dict[str, str]], tags: dict[str, str], now: float
    ) -> list[tuple[SourceServer, LaunchBehavior, float]]:
        self._require_initialized()
        requested = [each.get("sourceServerID", "") for each in source_servers]
        check_new_job_ids("sourceServers", requested, SOURCE_SERVER_ID)
        check_tags(tags)
        servers = [self._source_server(server_id) for server_id in requested]
        snapshots = [
            self._snapshot_taken(server, each.get("recoverySnapshotID"), now)
            for server, each in zip(servers, source_servers, strict=True)
        ]
        self._check_job_capacity(requested, now)
        return [
            (server, server.next_launch_behavior(now), snapshot)
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
        busy = self._busy_servers(now)
        for server_id in source_server_ids:
            if server_id in busy:
                raise ConflictException(SERVERS_IN_A_JOB, server_id, SOURCE_SERVER)
        self.quotas.check(
            self.account_id,
            requested=len(source_server_ids),
            jobs=len(self.jobs_in_progress(now)),
            servers=len(busy),
        )

    def terminate_recovery_instances(self, recovery_instance_ids: list[str]) -> Job:
        self._require_initialized()
        check_new_job_ids("recoveryInstanceIDs", recovery_instance_ids, RECOVERY_INSTANCE_ID)
        with self._lock:
            now = simulation.now()
            instances = [self._recovery_instance(each, now) for each in recovery_instance_ids]
            servers = [instance.source_server.source_server_id for instance in instances]
            self._check_job_capacity(list(dict.fromkeys(servers)), now)
            job = self._terminate(instances, now)
            self._record(
                LedgerEvent.TERMINATE_ACCEPTED,
                job,
                RecoveryInstanceIds=tuple(recovery_instance_ids),
            )
            return job

    def describe_jobs(
        self, job_ids: list[str], from_date: str | None, to_date: str | None
    ) -> list[Job]:
        self._require_initialized()
        check_ids("filters.jobIDs", job_ids, JOB_ID, maximum=1000)
        since = read_date("filters.fromDate", from_date, default=-math.inf)
        until = read_date("filters.toDate", to_date, default=math.inf)
        chosen = set(job_ids)
        return [
            job
            for job in list(self.jobs.values())
            if is_admitted(job.job_id, chosen) and since <= job.created <= until
        ]

    def describe_job_log_items(self, job_id: str) -> list[dict[str, Any]]:
        self._require_initialized()
        return self._job(job_id).log(simulation.now())

    def _job(self, job_id: str) -> Job:
        check_id("jobID", job_id, JOB_ID)
        job = self.jobs.get(job_id)
        if job is None:
            raise ResourceNotFoundException(job_id, JOB)
        return job

    def delete_job(self, job_id: str) -> None:
        self._require_initialized()
        with self._lock:
            if self._job(job_id).in_progress(simulation.now()):
                message = f"Job {job_id} is not COMPLETED and cannot be deleted."
                raise ConflictException(message, job_id, JOB)
            del self.jobs[job_id]
