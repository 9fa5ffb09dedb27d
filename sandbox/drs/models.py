"""DRSBackend class with methods for supported APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.exceptions import ServiceException

from . import recovery_snapshots
from .exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from .jobs import Job
from .ledger import LedgerEvent
from .pagination import paginate
from .recovery_instances import RecoveryInstance
from .source_servers import SourceServer
from .state import DRSState
from .timeline import Conduct
from .validation import (
    JOB_ID,
    RECOVERY_INSTANCE_ID,
    RECOVERY_SNAPSHOT_ID,
    SOURCE_SERVER_ID,
    check_id,
    check_ids,
    check_launch_configuration,
    check_tags,
    read_date,
)

SOURCE_SERVER = "SOURCE_SERVER"
RECOVERY_INSTANCE = "RECOVERY_INSTANCE"
JOB = "JOB"

Page = tuple[list[dict[str, Any]], str | None]


class DRSBackend(DRSState):
    """Implementation of DRS APIs."""

    def initialize_service(self) -> None:
        self.initialized = True

    # Source servers

    def describe_source_servers(
        self,
        source_server_ids: list[str] | None,
        hardware_id: str | None,
        staging_account_ids: list[str] | None,
        max_results: int | None,
        next_token: str | None,
    ) -> Page:
        self._require_initialized()
        wanted = source_server_ids or []
        check_ids("filters.sourceServerIDs", wanted, SOURCE_SERVER_ID, most=200)
        now = self.simulation.now()
        servers = [
            server
            for server in list(self.source_servers.values())
            if (not wanted or server.source_server_id in wanted)
            and (not staging_account_ids or server.account_id in staging_account_ids)
            and (
                not hardware_id
                or hardware_id == server.properties()["identificationHints"]["awsInstanceID"]
            )
        ]
        page, token = paginate(
            "DescribeSourceServers",
            servers,
            lambda server: (server.source_server_id,),
            max_results,
            next_token,
        )
        return [self._describe_server(server, now) for server in page], token

    def _describe_server(self, server: SourceServer, now: float) -> dict[str, Any]:
        instances = self.instances_of(server.source_server_id, now)
        return server.describe(now, instances[0].recovery_instance_id if instances else None)

    def _source_server(self, source_server_id: str) -> SourceServer:
        check_id("sourceServerID", source_server_id, SOURCE_SERVER_ID)
        server = self.source_servers.get(source_server_id)
        if server is None:
            raise ResourceNotFoundException(source_server_id, SOURCE_SERVER)
        return server

    def describe_recovery_snapshots(
        self,
        source_server_id: str,
        *,
        from_date: str | None,
        to_date: str | None,
        order: str | None,
        max_results: int | None,
        next_token: str | None,
    ) -> Page:
        self._require_initialized()
        server = self._source_server(source_server_id)
        if order not in (None, "ASC", "DESC"):
            raise ValidationException("order", "must be one of ASC, DESC")
        since = read_date("filters.fromDateTime", from_date)
        until = read_date("filters.toDateTime", to_date)
        sign = 1 if order == "ASC" else -1
        page, token = paginate(
            "DescribeRecoverySnapshots",
            [
                taken
                for taken in recovery_snapshots.taken_at(server, self.simulation.now())
                if (since is None or taken >= since) and (until is None or taken <= until)
            ],
            lambda taken: (sign * taken,),
            max_results,
            next_token,
        )
        return [recovery_snapshots.describe(server, taken) for taken in page], token

    def get_launch_configuration(self, source_server_id: str) -> dict[str, Any]:
        self._require_initialized()
        return dict(self._source_server(source_server_id).launch_configuration)

    def update_launch_configuration(
        self, source_server_id: str, changes: dict[str, Any]
    ) -> dict[str, Any]:
        self._require_initialized()
        server = self._source_server(source_server_id)
        check_launch_configuration(changes)
        with self._lock:
            server.launch_configuration = {**server.launch_configuration, **changes}
        return dict(server.launch_configuration)

    # Jobs

    def start_recovery(
        self, source_servers: list[dict[str, str]], is_drill: bool, tags: dict[str, str]
    ) -> dict[str, Any]:
        asked = [each.get("sourceServerID", "") for each in source_servers]
        with self._lock:
            now = self.simulation.now()
            facts: dict[str, Any] = {
                "SourceServerIds": tuple(asked),
                "IsDrill": is_drill,
                "Tags": dict(tags),
            }
            try:
                launches = self._admit_recovery(source_servers, asked, tags, now)
            except ServiceException as error:
                self._record(
                    LedgerEvent.START_RECOVERY_REJECTED, Error=_error_facts(error), **facts
                )
                raise
            job = self._launch(launches, is_drill=is_drill, tags=tags, created=now)
            self._record(LedgerEvent.START_RECOVERY_ACCEPTED, JobId=job.job_id, **facts)
            return job.describe(now)

    def _admit_recovery(
        self,
        source_servers: list[dict[str, str]],
        asked: list[str],
        tags: dict[str, str],
        now: float,
    ) -> list[tuple[SourceServer, Conduct, float]]:
        self._require_initialized()
        check_ids("sourceServers", asked, SOURCE_SERVER_ID, least=1, most=200)
        check_tags(tags)
        if len(set(asked)) != len(asked):
            raise ValidationException("sourceServers", "must not contain a source server twice")
        servers = [self._source_server(server_id) for server_id in asked]
        snapshots = [
            self._snapshot_taken(server, each.get("recoverySnapshotID"), now)
            for server, each in zip(servers, source_servers, strict=True)
        ]
        self._check_room_for_job(asked, now)
        return [
            (
                server,
                server.next_conduct(
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

    def _check_room_for_job(self, source_server_ids: Sequence[str], now: float) -> None:
        if busy := self._busy(source_server_ids, now):
            raise ConflictException(SERVERS_IN_A_JOB, busy[0], SOURCE_SERVER)
        running = self.jobs_in_progress(now)
        self.quotas.check(
            self.account_id,
            asked=len(source_server_ids),
            jobs=len(running),
            servers=sum(len(job.participants) for job in running),
        )

    def terminate_recovery_instances(self, recovery_instance_ids: list[str]) -> dict[str, Any]:
        with self._lock:
            now = self.simulation.now()
            try:
                instances = self._admit_termination(recovery_instance_ids, now)
            except ServiceException as error:
                self._record(
                    LedgerEvent.TERMINATE_REJECTED,
                    RecoveryInstanceIds=tuple(recovery_instance_ids),
                    Error=_error_facts(error),
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

    def _admit_termination(
        self, recovery_instance_ids: list[str], now: float
    ) -> list[RecoveryInstance]:
        self._require_initialized()
        check_ids(
            "recoveryInstanceIDs", recovery_instance_ids, RECOVERY_INSTANCE_ID, least=1, most=200
        )
        if len(set(recovery_instance_ids)) != len(recovery_instance_ids):
            raise ValidationException("recoveryInstanceIDs", "must not contain an instance twice")
        instances = [self._recovery_instance(each, now) for each in recovery_instance_ids]
        servers = [instance.source_server.source_server_id for instance in instances]
        self._check_room_for_job(list(dict.fromkeys(servers)), now)
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
        check_ids("filters.jobIDs", wanted, JOB_ID, most=1000)
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
        # The job is part of the token's name: a token continues the log of that job only.
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

    # Recovery instances

    def describe_recovery_instances(
        self,
        recovery_instance_ids: list[str] | None,
        source_server_ids: list[str] | None,
        max_results: int | None,
        next_token: str | None,
    ) -> Page:
        self._require_initialized()
        instances, servers = recovery_instance_ids or [], source_server_ids or []
        check_ids("filters.recoveryInstanceIDs", instances, RECOVERY_INSTANCE_ID, most=200)
        check_ids("filters.sourceServerIDs", servers, SOURCE_SERVER_ID, most=200)
        now = self.simulation.now()
        page, token = paginate(
            "DescribeRecoveryInstances",
            [
                instance
                for instance in list(self.recovery_instances.values())
                if instance.known(now)
                and (not instances or instance.recovery_instance_id in instances)
                and (not servers or instance.source_server.source_server_id in servers)
            ],
            lambda instance: (instance.recovery_instance_id,),
            max_results,
            next_token,
        )
        return [instance.describe(now) for instance in page], token

    def _recovery_instance(self, recovery_instance_id: str, now: float) -> RecoveryInstance:
        check_id("recoveryInstanceID", recovery_instance_id, RECOVERY_INSTANCE_ID)
        instance = self.recovery_instances.get(recovery_instance_id)
        if instance is None or not instance.known(now):
            raise ResourceNotFoundException(recovery_instance_id, RECOVERY_INSTANCE)
        return instance

    def _idle_instance(self, recovery_instance_id: str) -> RecoveryInstance:
        now = self.simulation.now()
        instance = self._recovery_instance(recovery_instance_id, now)
        if self._busy([instance.source_server.source_server_id], now):
            raise ConflictException(SERVERS_IN_A_JOB, recovery_instance_id, RECOVERY_INSTANCE)
        return instance

    def disconnect_recovery_instance(self, recovery_instance_id: str) -> None:
        self._require_initialized()
        with self._lock:
            self._idle_instance(recovery_instance_id).disconnected = True
            self._record(LedgerEvent.DISCONNECTED, RecoveryInstanceIds=(recovery_instance_id,))

    def delete_recovery_instance(self, recovery_instance_id: str) -> None:
        self._require_initialized()
        with self._lock:
            instance = self._idle_instance(recovery_instance_id)
            if not instance.disconnected:
                message = f"Recovery instance {recovery_instance_id} must be disconnected first."
                raise ConflictException(message, recovery_instance_id, RECOVERY_INSTANCE)
            # DRS forgets the instance; the EC2 instance itself runs on.
            instance.deleted = True
            self._record(LedgerEvent.DELETED, RecoveryInstanceIds=(recovery_instance_id,))

    # Tags

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        return dict(self._tagged_resource(resource_arn).tags)

    def tag_resource(self, resource_arn: str, tags: dict[str, str]) -> None:
        with self._lock:
            resource = self._tagged_resource(resource_arn)
            merged = {**resource.tags, **tags}
            check_tags(merged)
            resource.tags = merged

    def untag_resource(self, resource_arn: str, tag_keys: list[str]) -> None:
        with self._lock:
            resource = self._tagged_resource(resource_arn)
            resource.tags = {
                key: value for key, value in resource.tags.items() if key not in tag_keys
            }

    def _tagged_resource(self, resource_arn: str) -> SourceServer | Job | RecoveryInstance:
        now = self.simulation.now()
        resource: SourceServer | Job | RecoveryInstance | None = None
        kind, _, resource_id = resource_arn.rpartition(":")[2].partition("/")
        match kind:
            case "source-server":
                resource = self.source_servers.get(resource_id)
            case "job":
                resource = self.jobs.get(resource_id)
            case "recovery-instance":
                instance = self.recovery_instances.get(resource_id)
                resource = instance if instance and instance.known(now) else None
            case _:
                pass
        if resource is None or resource.arn != resource_arn:
            raise ResourceNotFoundException(resource_arn, "RESOURCE")
        return resource


def _error_facts(error: ServiceException) -> dict[str, str]:
    return {"Code": error.code, "Message": error.message}


drs_backends = BackendDict(DRSBackend, "drs")
