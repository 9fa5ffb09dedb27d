"""DRSBackend class with methods for supported APIs."""

from __future__ import annotations

import math
from typing import Any

from moto.core.base_backend import BackendDict

from .exceptions import (
    SERVERS_IN_A_JOB,
    ConflictException,
    ResourceNotFoundException,
)
from .jobs.job import Job
from .jobs.job_operations import JobOperations
from .ledger import ConfigurationChange
from .servers import recovery_snapshots
from .servers.initial_state import InitialState
from .servers.launch_actions import in_order
from .servers.recovery_instances import RecoveryInstance
from .servers.source_servers import SourceServer
from .simulation import simulation
from .state import RECOVERY_INSTANCE, SOURCE_SERVER
from .validation import check_tags, is_admitted, read_date


class DRSBackend(JobOperations, InitialState):
    """Implementation of DRS APIs."""

    def initialize_service(self) -> None:
        self.initialized = True

    # Source servers

    def describe_source_servers(
        self,
        source_server_ids: list[str],
        hardware_id: str | None,
        staging_account_ids: list[str],
    ) -> list[SourceServer]:
        self._require_initialized()
        return [
            server
            for server in list(self.source_servers.values())
            if is_admitted(server.source_server_id, source_server_ids)
            and is_admitted(server.account_id, staging_account_ids)
            and (
                not hardware_id
                or hardware_id == server.properties()["identificationHints"]["awsInstanceID"]
            )
        ]

    def disconnect_source_server(self, source_server_id: str) -> SourceServer:
        self._require_initialized()
        with self._lock:
            server = self._idle_server(source_server_id)
            if server.listed_instances(simulation.now()):
                raise ConflictException(
                    "A Source Server with a Recovery Instance cannot be disconnected",
                    source_server_id,
                    SOURCE_SERVER,
                )
            server.replicate("DISCONNECTED", None)
        return server

    def delete_source_server(self, source_server_id: str) -> None:
        self._require_initialized()
        with self._lock:
            server = self._idle_server(source_server_id)
            if server.replication_state != "DISCONNECTED":
                raise ConflictException(
                    "The Source Server must be disconnected first", source_server_id, SOURCE_SERVER
                )
            del self.source_servers[source_server_id]

    def _idle_server(self, source_server_id: str) -> SourceServer:
        server = self._source_server(source_server_id)
        if source_server_id in self._busy_servers(simulation.now()):
            raise ConflictException(SERVERS_IN_A_JOB, source_server_id, SOURCE_SERVER)
        return server

    def describe_recovery_snapshots(
        self, source_server_id: str, from_date: str | None, to_date: str | None
    ) -> tuple[SourceServer, list[float]]:
        self._require_initialized()
        server = self._source_server(source_server_id)
        since = read_date("filters.fromDateTime", from_date, default=-math.inf)
        until = read_date("filters.toDateTime", to_date, default=math.inf)
        times = recovery_snapshots.taken_at(server, simulation.now())
        return server, [taken for taken in times if since <= taken <= until]

    def get_launch_configuration(self, source_server_id: str) -> dict[str, Any]:
        self._require_initialized()
        return dict(self._source_server(source_server_id).launch_configuration)

    def get_replication_configuration(self, source_server_id: str) -> dict[str, Any]:
        self._require_initialized()
        return self._source_server(source_server_id).replication_configuration()

    def update_launch_configuration(
        self, source_server_id: str, changes: dict[str, Any]
    ) -> dict[str, Any]:
        self._require_initialized()
        server = self._source_server(source_server_id)
        with self._lock:
            now = simulation.now()
            configuration = {**server.launch_configuration, **changes}
            server.settings.configuration.change(now, configuration)
            self.configuration_changes.append(ConfigurationChange(now, source_server_id, changes))
        return dict(configuration)

    def list_launch_actions(self, resource_id: str, action_ids: list[str]) -> list[dict[str, Any]]:
        self._require_initialized()
        actions = in_order(self._source_server(resource_id).launch_actions)
        described = [action.describe(resource_id) for action in actions]
        return [each for each in described if is_admitted(each["actionId"], action_ids)]

    # Recovery instances

    def describe_recovery_instances(
        self, recovery_instance_ids: list[str], source_server_ids: list[str]
    ) -> list[RecoveryInstance]:
        self._require_initialized()
        now = simulation.now()
        return [
            instance
            for instance in list(self.recovery_instances.values())
            if instance.is_listed(now)
            and is_admitted(instance.recovery_instance_id, recovery_instance_ids)
            and is_admitted(instance.source_server.source_server_id, source_server_ids)
        ]

    def _idle_instance(self, recovery_instance_id: str) -> RecoveryInstance:
        now = simulation.now()
        instance = self._recovery_instance(recovery_instance_id, now)
        if instance.source_server.source_server_id in self._busy_servers(now):
            raise ConflictException(SERVERS_IN_A_JOB, recovery_instance_id, RECOVERY_INSTANCE)
        return instance

    def disconnect_recovery_instance(self, recovery_instance_id: str) -> None:
        self._require_initialized()
        with self._lock:
            self._idle_instance(recovery_instance_id).disconnected = True

    def delete_recovery_instance(self, recovery_instance_id: str) -> None:
        self._require_initialized()
        with self._lock:
            instance = self._idle_instance(recovery_instance_id)
            if not instance.disconnected:
                message = f"Recovery instance {recovery_instance_id} must be disconnected first."
                raise ConflictException(message, recovery_instance_id, RECOVERY_INSTANCE)
            # DRS removes the instance from its inventory; the EC2 instance keeps running.
            instance.deleted = True

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
        now = simulation.now()
        resources: list[SourceServer | Job | RecoveryInstance] = [
            *self.source_servers.values(),
            *self.jobs.values(),
            *(each for each in list(self.recovery_instances.values()) if each.is_listed(now)),
        ]
        for resource in resources:
            if resource.arn == resource_arn:
                return resource
        raise ResourceNotFoundException(resource_arn, "RESOURCE")


drs_backends = BackendDict(DRSBackend, "drs")
