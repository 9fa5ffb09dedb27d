"""DRSBackend class with methods for supported APIs."""

from __future__ import annotations

from typing import Any

from moto.core.base_backend import BackendDict

from .exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from .jobs.job import Job
from .jobs.job_operations import JobOperations, Page
from .ledger import LedgerEvent
from .pagination import paginate
from .servers import recovery_snapshots
from .servers.initial_state import InitialState
from .servers.recovery_instances import RecoveryInstance
from .servers.source_servers import SourceServer
from .state import RECOVERY_INSTANCE
from .validation import (
    RECOVERY_INSTANCE_ID,
    SOURCE_SERVER_ID,
    check_ids,
    check_launch_configuration,
    check_tags,
    read_date,
)


class DRSBackend(JobOperations, InitialState):
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
        check_ids("filters.sourceServerIDs", wanted, SOURCE_SERVER_ID, maximum=200)
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
        check_ids("filters.recoveryInstanceIDs", instances, RECOVERY_INSTANCE_ID, maximum=200)
        check_ids("filters.sourceServerIDs", servers, SOURCE_SERVER_ID, maximum=200)
        now = self.simulation.now()
        page, token = paginate(
            "DescribeRecoveryInstances",
            [
                instance
                for instance in list(self.recovery_instances.values())
                if instance.is_listed(now)
                and (not instances or instance.recovery_instance_id in instances)
                and (not servers or instance.source_server.source_server_id in servers)
            ],
            lambda instance: (instance.recovery_instance_id,),
            max_results,
            next_token,
        )
        return [instance.describe(now) for instance in page], token

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
            # DRS removes the instance from its inventory; the EC2 instance keeps running.
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
                resource = instance if instance and instance.is_listed(now) else None
            case _:
                pass
        if resource is None or resource.arn != resource_arn:
            raise ResourceNotFoundException(resource_arn, "RESOURCE")
        return resource


drs_backends = BackendDict(DRSBackend, "drs")
