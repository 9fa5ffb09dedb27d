"""DRS API operations that create, describe and delete jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from ..jobs import permissions
from ..jobs.job import Job
from ..jobs.timeline import LaunchBehavior, Outcome
from ..ledger import LedgerEvent
from ..servers import recovery_snapshots
from ..servers.oddities import spoiled
from ..servers.recovery_instances import RecoveryInstance
from ..servers.source_servers import DeadSnapshot, SourceServer
from ..simulation import simulation
from ..state import JOB, RECOVERY_INSTANCE, SOURCE_SERVER, DRSState
from ..validation import check_distinct, check_tags, is_admitted, read_date

# Returns the first of some actions that the caller of a job lacks, or None.
Lacking = Callable[[Iterable[str]], str | None]


class JobOperations(DRSState):
    """The job operations of the backend."""

    def start_recovery(
        self,
        source_servers: list[dict[str, str]],
        is_drill: bool,
        tags: dict[str, str],
        lacking: Lacking = lambda actions: None,
    ) -> Job:
        with self._lock:
            now = simulation.now()
            launches = [
                (server, _permitted(server, behavior, lacking), taken)
                for server, behavior, taken in self._prepare_launches(source_servers, tags, now)
            ]
            job = self._launch(launches, is_drill=is_drill, tags=tags, created=now)
            self._record(
                LedgerEvent.START_RECOVERY_ACCEPTED, job, IsDrill=is_drill, Tags=dict(tags)
            )
            return job

    def _prepare_launches(
        self, source_servers: list[dict[str, str]], tags: dict[str, str], now: float
    ) -> list[tuple[SourceServer, LaunchBehavior, float]]:
        self._require_initialized()
        requested = [each["sourceServerID"] for each in source_servers]
        check_distinct("sourceServers", requested)
        check_tags(tags)
        servers = [self._source_server(server_id) for server_id in requested]
        snapshots = [
            self._snapshot_taken(server, each.get("recoverySnapshotID"), now)
            for server, each in zip(servers, source_servers, strict=True)
        ]
        self._check_job_capacity(requested, now)
        return [
            (server, self._next_behavior(server, each.get("recoverySnapshotID"), taken, now), taken)
            for server, each, taken in zip(servers, source_servers, snapshots, strict=True)
        ]

    @staticmethod
    def _next_behavior(
        server: SourceServer, snapshot_id: str | None, taken: float, now: float
    ) -> LaunchBehavior:
        behavior = replace(server.next_launch_behavior(now), from_snapshot=snapshot_id is not None)
        if taken > 0:
            return behavior
        lost = f"Recovery snapshot {snapshot_id} does not exist."
        return replace(behavior, outcome=Outcome.SNAPSHOT_LOST, raw_error=lost)

    @staticmethod
    def _snapshot_taken(server: SourceServer, snapshot_id: str | None, now: float) -> float:
        """Return the time of the snapshot to launch from, or 0 if its job fails for lack of it."""
        if snapshot_id is None:
            return server.point_in_time(now)
        taken = recovery_snapshots.find(server, snapshot_id, now)
        if taken is not None:
            return taken
        match server.dead_snapshot:
            case DeadSnapshot.INVALID:
                problem = f"{snapshot_id} is not a snapshot of {server.source_server_id}"
                raise ValidationException("recoverySnapshotID", problem)
            case DeadSnapshot.NOT_FOUND:
                raise ResourceNotFoundException(snapshot_id, "RECOVERY_SNAPSHOT")
            case DeadSnapshot.FAILS_IN_JOB:
                return 0.0

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

    def terminate_recovery_instances(
        self, recovery_instance_ids: list[str], lacking: Lacking
    ) -> Job:
        self._require_initialized()
        check_distinct("recoveryInstanceIDs", recovery_instance_ids)
        with self._lock:
            now = simulation.now()
            instances = [self._instance_to_terminate(each, now) for each in recovery_instance_ids]
            servers = [instance.source_server.source_server_id for instance in instances]
            self._check_job_capacity(list(dict.fromkeys(servers)), now)
            job = self._terminate(instances, now, lacking(permissions.TERMINATION))
            self._record(
                LedgerEvent.TERMINATE_ACCEPTED,
                job,
                RecoveryInstanceIds=tuple(recovery_instance_ids),
            )
            return job

    def _instance_to_terminate(self, recovery_instance_id: str, now: float) -> RecoveryInstance:
        try:
            return self._recovery_instance(recovery_instance_id, now)
        except ResourceNotFoundException as error:
            # The model of this operation lists ConflictException only.
            message = f"Recovery instance {recovery_instance_id} cannot be terminated."
            raise ConflictException(message, recovery_instance_id, RECOVERY_INSTANCE) from error

    def describe_jobs(
        self, job_ids: list[str], from_date: str | None, to_date: str | None
    ) -> list[Job]:
        self._require_initialized()
        since = read_date("filters.fromDate", from_date, default=-math.inf)
        until = read_date("filters.toDate", to_date, default=math.inf)
        chosen = set(job_ids)
        return [
            job
            for job in list(self.jobs.values())
            if is_admitted(job.job_id, chosen) and since <= job.created <= until
        ]

    def describe_job(self, job: Job, now: float) -> dict[str, Any]:
        """Return the Job structure of a listing, odd if one of its servers is."""
        servers = [self.source_servers.get(each.source_server_id) for each in job.participants]
        odd = next((each.oddity for each in servers if each and each.oddity), None)
        return spoiled(job.describe(now), odd)

    def describe_job_log_items(self, job_id: str) -> list[dict[str, Any]]:
        self._require_initialized()
        return self._job(job_id).log(simulation.now())

    def _job(self, job_id: str) -> Job:
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


def _permitted(server: SourceServer, behavior: LaunchBehavior, lacking: Lacking) -> LaunchBehavior:
    """Return the behavior of a launch, which fails where DRS's caller lacks an action."""
    if behavior.outcome is not Outcome.LAUNCHED:
        return behavior
    key = permissions.KEY if server.encryption_key_arn else ()
    missing = lacking((*key, *permissions.CONVERSION, *permissions.LAUNCH))
    if missing is None:
        return behavior
    return replace(behavior, outcome=Outcome.MISSING_PERMISSION, missing_permission=missing)
