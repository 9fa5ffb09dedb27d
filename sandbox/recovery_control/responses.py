"""Handles incoming requests of both services, invokes methods, returns responses."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from sandbox import effects

from .exceptions import AccessDeniedException, ResourceNotFoundException
from .models import (
    ENDPOINT_REGIONS,
    RecoveryControlBackend,
    RoutingControl,
    recovery_control_backends,
)

ENDPOINT_PATH = "/_recovery-cluster/"
_ENDPOINT = re.compile(rf"{ENDPOINT_PATH}([a-z0-9-]+)/v1")
_CONFIG_REGION = "us-west-2"


class _RecoveryControlResponse(BaseResponse):
    def __init__(self, service_name: str) -> None:
        super().__init__(service_name=service_name)
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> RecoveryControlBackend:
        """Return the backend of the account. Routing controls are in no Region."""
        return recovery_control_backends[self.current_account]["aws"]

    @property
    def host(self) -> str:
        """The scheme, the host and the port that the client uses."""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc}"

    def endpoint_region(self) -> str | None:
        """Return the Region that requests must be signed for; None: there is no endpoint."""
        raise NotImplementedError

    def call_action(self) -> TYPE_RESPONSE:
        """Refuse what is signed for another Region, as AWS's endpoints do."""
        expected = self.endpoint_region()
        if self._get_action() and expected != self.region:
            problem = f"Credential should be scoped to a valid Region, not {self.region}."
            if expected is None:
                problem = "Use an endpoint of the cluster, as DescribeCluster names them."
            status, headers, body = self.serialized(ActionResult(AccessDeniedException(problem)))
            return status, *self._enrich_response(headers, body)
        return super().call_action()


class RecoveryClusterResponse(_RecoveryControlResponse):
    """Handler for requests to an endpoint of the cluster."""

    def __init__(self) -> None:
        super().__init__("route53-recovery-cluster")

    def endpoint_region(self) -> str | None:
        found = _ENDPOINT.match(urlsplit(self.uri).path)
        return found[1] if found and found[1] in ENDPOINT_REGIONS else None

    def get_routing_control_state(self) -> ActionResult:
        control = self.backend.get_routing_control(self._get_param("RoutingControlArn"))
        return ActionResult(_state(control))

    def list_routing_controls(self) -> ActionResult:
        controls = self.backend.list_routing_controls(self._get_param("ControlPanelArn"))
        listed = [
            {
                **_state(control),
                "ControlPanelArn": control.control_panel_arn,
                "ControlPanelName": _last(control.control_panel_arn),
                "Owner": self.current_account,
            }
            for control in controls
        ]
        return ActionResult({"RoutingControls": listed})

    def update_routing_control_state(self) -> ActionResult:
        keys = ("RoutingControlArn", "RoutingControlState")
        return self._update([{key: self._get_param(key) for key in keys}])

    def update_routing_control_states(self) -> ActionResult:
        return self._update(self._get_param("UpdateRoutingControlStateEntries", []))

    def _update(self, entries: list[dict[str, Any]]) -> ActionResult:
        overridden = self._get_param("SafetyRulesToOverride", [])
        self.backend.update_routing_control_states(entries, overridden)
        for entry in entries:
            effects.record(
                f"route53-recovery-cluster.{self._get_action()}",
                account_id=self.current_account,
                region=self.region,
                key="",
                details={**entry, "SafetyRulesToOverride": overridden},
            )
        return EmptyResult()


class RecoveryControlConfigResponse(_RecoveryControlResponse):
    """Handler for requests to the service that describes clusters; it is in us-west-2 only."""

    def __init__(self) -> None:
        super().__init__("route53-recovery-control-config")

    def endpoint_region(self) -> str | None:
        return _CONFIG_REGION

    def _cluster(self) -> dict[str, Any]:
        return {
            "ClusterArn": self.backend.cluster_arn,
            "Name": "sandbox",
            "Status": "DEPLOYED",
            "Owner": self.current_account,
            "NetworkType": "IPV4",
            "ClusterEndpoints": [
                {"Endpoint": f"{self.host}{ENDPOINT_PATH}{region}/v1", "Region": region}
                for region in ENDPOINT_REGIONS
            ],
        }

    def _control_panel(self, arn: str) -> dict[str, Any]:
        return {
            "ClusterArn": self.backend.cluster_arn,
            "ControlPanelArn": arn,
            "DefaultControlPanel": False,
            "Name": _last(arn),
            "RoutingControlCount": len(self.backend.list_routing_controls(arn)),
            "Status": "DEPLOYED",
            "Owner": self.current_account,
        }

    def _routing_control(self, control: RoutingControl) -> dict[str, Any]:
        return {
            "ControlPanelArn": control.control_panel_arn,
            "RoutingControlArn": control.arn,
            "Name": control.name,
            "Status": "DEPLOYED",
            "Owner": self.current_account,
        }

    def list_clusters(self) -> ActionResult:
        return ActionResult({"Clusters": [self._cluster()] if self.backend.controls else []})

    def describe_cluster(self) -> ActionResult:
        arn = self._get_param("ClusterArn")
        if arn != self.backend.cluster_arn or not self.backend.controls:
            raise ResourceNotFoundException(arn, "Cluster")
        return ActionResult({"Cluster": self._cluster()})

    def list_control_panels(self) -> ActionResult:
        panels = self.backend.list_control_panels()
        return ActionResult({"ControlPanels": [self._control_panel(each) for each in panels]})

    def describe_control_panel(self) -> ActionResult:
        return ActionResult(
            {"ControlPanel": self._control_panel(self._get_param("ControlPanelArn"))}
        )

    def list_routing_controls(self) -> ActionResult:
        controls = self.backend.list_routing_controls(self._get_param("ControlPanelArn"))
        return ActionResult({"RoutingControls": [self._routing_control(each) for each in controls]})

    def describe_routing_control(self) -> ActionResult:
        control = self.backend.get_routing_control(self._get_param("RoutingControlArn"))
        return ActionResult({"RoutingControl": self._routing_control(control)})


def _state(control: RoutingControl) -> dict[str, Any]:
    return {
        "RoutingControlArn": control.arn,
        "RoutingControlName": control.name,
        "RoutingControlState": control.state,
    }


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
