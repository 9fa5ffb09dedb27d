"""Handles incoming drs requests, invokes methods, returns responses."""

from typing import Any

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from .models import DRSBackend, drs_backends


class DRSResponse(BaseResponse):
    """Handler for DRS requests and responses."""

    def __init__(self) -> None:
        super().__init__(service_name="drs")
        self.automated_parameter_parsing = True

    @property
    def drs_backend(self) -> DRSBackend:
        """Return backend instance specific for this region."""
        return drs_backends[self.current_account][self.region]

    def initialize_service(self) -> ActionResult:
        self.drs_backend.initialize_service()
        return EmptyResult()

    def describe_source_servers(self) -> ActionResult:
        filters = self._get_param("filters", {})
        page = self.drs_backend.describe_source_servers(
            source_server_ids=filters.get("sourceServerIDs"),
            hardware_id=filters.get("hardwareId"),
            staging_account_ids=filters.get("stagingAccountIDs"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _page(*page)

    def describe_recovery_snapshots(self) -> ActionResult:
        filters = self._get_param("filters", {})
        page = self.drs_backend.describe_recovery_snapshots(
            source_server_id=self._get_param("sourceServerID"),
            from_date=filters.get("fromDateTime"),
            to_date=filters.get("toDateTime"),
            order=self._get_param("order"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _page(*page)

    def start_recovery(self) -> ActionResult:
        job = self.drs_backend.start_recovery(
            source_servers=self._get_param("sourceServers", []),
            is_drill=bool(self._get_bool_param("isDrill", False)),
            tags=self._get_param("tags", {}),
        )
        return ActionResult({"job": job})

    def terminate_recovery_instances(self) -> ActionResult:
        job = self.drs_backend.terminate_recovery_instances(
            self._get_param("recoveryInstanceIDs", [])
        )
        return ActionResult({"job": job})

    def describe_jobs(self) -> ActionResult:
        filters = self._get_param("filters", {})
        page = self.drs_backend.describe_jobs(
            job_ids=filters.get("jobIDs"),
            from_date=filters.get("fromDate"),
            to_date=filters.get("toDate"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _page(*page)

    def describe_job_log_items(self) -> ActionResult:
        page = self.drs_backend.describe_job_log_items(
            job_id=self._get_param("jobID"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _page(*page)

    def delete_job(self) -> ActionResult:
        self.drs_backend.delete_job(self._get_param("jobID"))
        return EmptyResult()

    def describe_recovery_instances(self) -> ActionResult:
        filters = self._get_param("filters", {})
        page = self.drs_backend.describe_recovery_instances(
            recovery_instance_ids=filters.get("recoveryInstanceIDs"),
            source_server_ids=filters.get("sourceServerIDs"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _page(*page)

    def disconnect_recovery_instance(self) -> ActionResult:
        self.drs_backend.disconnect_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def delete_recovery_instance(self) -> ActionResult:
        self.drs_backend.delete_recovery_instance(self._get_param("recoveryInstanceID"))
        return EmptyResult()

    def get_launch_configuration(self) -> ActionResult:
        server_id = self._get_param("sourceServerID")
        return ActionResult(self.drs_backend.get_launch_configuration(server_id))

    def update_launch_configuration(self) -> ActionResult:
        changes = dict(self._get_params())
        server_id = changes.pop("sourceServerID")
        return ActionResult(self.drs_backend.update_launch_configuration(server_id, changes))

    def list_tags_for_resource(self) -> ActionResult:
        tags = self.drs_backend.list_tags_for_resource(self._get_param("resourceArn"))
        return ActionResult({"tags": tags})

    def tag_resource(self) -> ActionResult:
        self.drs_backend.tag_resource(self._get_param("resourceArn"), self._get_param("tags", {}))
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        self.drs_backend.untag_resource(
            self._get_param("resourceArn"), self._get_param("tagKeys", [])
        )
        return EmptyResult()


def _page(items: list[dict[str, Any]], next_token: str | None) -> ActionResult:
    result: dict[str, Any] = {"items": items}
    if next_token:
        result["nextToken"] = next_token
    return ActionResult(result)
