"""Handles incoming drs requests, invokes methods, returns responses."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionContext, ActionResult, BaseResponse, EmptyResult

from sandbox.iam.authorization import first_lacked

from .exceptions import ValidationException
from .models import DRSBackend, drs_backends
from .pagination import Item, Key, paginate
from .servers import recovery_snapshots
from .simulation import simulation
from .validation import check_request


class _NamedResult(ActionResult):
    """A result of dictionaries with DRS's own names.

    Moto would look for each under several other names, which takes long for hundreds of servers.
    """

    def execute_result(self, context: ActionContext) -> Any:
        serializer = context.serializer_class(context.operation_model)
        response = serializer.serialize(self.result)
        return response["status_code"], response["headers"], response["body"]


class DRSResponse(BaseResponse):
    """Handler for DRS requests and responses."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")
        self.automated_parameter_parsing = True

    @property
    def drs_backend(self) -> DRSBackend:
        """Return backend instance specific for this region."""
        return drs_backends[self.current_account][self.region]

    def call_action(self) -> TYPE_RESPONSE:
        if action := self._get_action():
            try:
                check_request(action, self.params)
            except ValidationException as error:
                status, headers, body = self.serialized(ActionResult(error))
                return status, *self._enrich_response(headers, body)
        return super().call_action()

    def _lacking(self, actions: Iterable[str]) -> str | None:
        return first_lacked(self.access_key, self.current_account, actions, "drs")

    def _page(
        self,
        items: Sequence[Item],
        *,
        key: Callable[[Item], Key],
        describe: Callable[[Item], dict[str, Any]],
    ) -> ActionResult:
        page, next_token = paginate(
            # A token is valid for the log of one job only.
            f"{self._get_action()}/{self._get_param('jobID', '')}",
            items,
            key,
            self._get_int_param("maxResults"),
            self._get_param("nextToken"),
        )
        return _NamedResult({"items": [describe(item) for item in page], "nextToken": next_token})

    def initialize_service(self) -> ActionResult:
        self.drs_backend.initialize_service()
        return EmptyResult()

    def describe_source_servers(self) -> ActionResult:
        now = simulation.now()
        filters = self._get_param("filters", {})
        servers = self.drs_backend.describe_source_servers(
            source_server_ids=filters.get("sourceServerIDs", []),
            hardware_id=filters.get("hardwareId"),
            staging_account_ids=filters.get("stagingAccountIDs", []),
        )
        return self._page(
            servers,
            key=lambda server: (server.source_server_id,),
            describe=lambda server: server.describe(now),
        )

    def disconnect_source_server(self) -> ActionResult:
        server = self.drs_backend.disconnect_source_server(self._get_param("sourceServerID"))
        return _NamedResult(server.describe(simulation.now()))

    def delete_source_server(self) -> ActionResult:
        self.drs_backend.delete_source_server(self._get_param("sourceServerID"))
        return EmptyResult()

    def describe_recovery_snapshots(self) -> ActionResult:
        filters = self._get_param("filters", {})
        server, snapshots = self.drs_backend.describe_recovery_snapshots(
            source_server_id=self._get_param("sourceServerID"),
            from_date=filters.get("fromDateTime"),
            to_date=filters.get("toDateTime"),
        )
        sign = 1 if self._get_param("order") == "ASC" else -1
        return self._page(
            snapshots,
            key=lambda taken: (sign * taken,),
            describe=lambda taken: recovery_snapshots.describe(server, taken),
        )

    def start_recovery(self) -> ActionResult:
        job = self.drs_backend.start_recovery(
            source_servers=self._get_param("sourceServers", []),
            is_drill=bool(self._get_bool_param("isDrill", False)),
            tags=self._get_param("tags", {}),
            lacking=self._lacking,
        )
        return _NamedResult({"job": job.describe(job.created)})

    def terminate_recovery_instances(self) -> ActionResult:
        job = self.drs_backend.terminate_recovery_instances(
            self._get_param("recoveryInstanceIDs", []), self._lacking
        )
        return _NamedResult({"job": job.describe(job.created)})

    def describe_jobs(self) -> ActionResult:
        now = simulation.now()
        filters = self._get_param("filters", {})
        jobs = self.drs_backend.describe_jobs(
            job_ids=filters.get("jobIDs", []),
            from_date=filters.get("fromDate"),
            to_date=filters.get("toDate"),
        )
        return self._page(
            jobs,
            key=lambda job: (-job.created, job.job_id),
            describe=lambda job: self.drs_backend.describe_job(job, now),
        )

    def describe_job_log_items(self) -> ActionResult:
        log = self.drs_backend.describe_job_log_items(self._get_param("jobID"))
        return self._page(
            range(len(log)), key=lambda place: (place,), describe=lambda place: log[place]
        )

    def delete_job(self) -> ActionResult:
        self.drs_backend.delete_job(self._get_param("jobID"))
        return EmptyResult()

    def describe_recovery_instances(self) -> ActionResult:
        now = simulation.now()
        filters = self._get_param("filters", {})
        instances = self.drs_backend.describe_recovery_instances(
            recovery_instance_ids=filters.get("recoveryInstanceIDs", []),
            source_server_ids=filters.get("sourceServerIDs", []),
        )
        return self._page(
            instances,
            key=lambda instance: (instance.recovery_instance_id,),
            describe=lambda instance: instance.describe(now),
        )

    def disconnect_recovery_instance(self) -> ActionResult:
        self.drs_backend.disconnect_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def delete_recovery_instance(self) -> ActionResult:
        self.drs_backend.delete_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def get_launch_configuration(self) -> ActionResult:
        server_id = self._get_param("sourceServerID")
        return _NamedResult(self.drs_backend.get_launch_configuration(server_id))

    def get_replication_configuration(self) -> ActionResult:
        server_id = self._get_param("sourceServerID")
        return _NamedResult(self.drs_backend.get_replication_configuration(server_id))

    def update_launch_configuration(self) -> ActionResult:
        changes = dict(self._get_params())
        server_id = changes.pop("sourceServerID")
        return _NamedResult(self.drs_backend.update_launch_configuration(server_id, changes))

    def list_launch_actions(self) -> ActionResult:
        actions = self.drs_backend.list_launch_actions(
            self._get_param("resourceId"), self._get_param("filters", {}).get("actionIds", [])
        )
        return self._page(
            actions, key=lambda each: (each["order"], each["actionId"]), describe=dict
        )

    def list_tags_for_resource(self) -> ActionResult:
        tags = self.drs_backend.list_tags_for_resource(self._get_param("resourceArn"))
        return _NamedResult({"tags": tags})

    def tag_resource(self) -> ActionResult:
        self.drs_backend.tag_resource(self._get_param("resourceArn"), self._get_param("tags", {}))
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        self.drs_backend.untag_resource(
            self._get_param("resourceArn"), self._get_param("tagKeys", [])
        )
        return EmptyResult()
