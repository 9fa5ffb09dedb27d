"""RecoveryControlBackend class with methods for supported APIs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend

from .exceptions import ConflictException, ResourceNotFoundException, ValidationException

# Source: "Components of routing control": a cluster has an endpoint in each of these Regions.
ENDPOINT_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")
ON, OFF = "On", "Off"


@dataclass
class RoutingControl:
    """A routing control."""

    arn: str
    name: str
    state: str

    @property
    def control_panel_arn(self) -> str:
        """The ARN of its control panel, which is a part of its own."""
        return self.arn.partition("/routingcontrol/")[0]


@dataclass(frozen=True)
class SafetyRule:
    """An assertion rule: at least so many of its routing controls are On after each change."""

    arn: str
    name: str
    asserted_controls: tuple[str, ...]
    threshold: int


class RecoveryControlBackend(BaseBackend):
    """Implementation of both APIs. All routing controls of an account are of one cluster."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.controls: dict[str, RoutingControl] = {}
        self.safety_rules: dict[str, SafetyRule] = {}
        self._lock = Lock()

    @property
    def cluster_arn(self) -> str:
        """The ARN of the cluster."""
        digits = hashlib.sha256(self.account_id.encode()).hexdigest()
        cluster = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
        return f"arn:aws:route53-recovery-control::{self.account_id}:cluster/{cluster}"

    def add_routing_control(self, arn: str, name: str, state: str) -> None:
        self.controls[arn] = RoutingControl(arn, name, state)

    def add_safety_rule(self, name: str, controls: tuple[str, ...], threshold: int) -> None:
        panel = controls[0].partition("/routingcontrol/")[0]
        arn = f"{panel}/safetyrule/{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        self.safety_rules[arn] = SafetyRule(arn, name, controls, threshold)

    def get_routing_control(self, arn: str) -> RoutingControl:
        if arn not in self.controls:
            raise ResourceNotFoundException(arn, "RoutingControl")
        return self.controls[arn]

    def list_routing_controls(self, control_panel_arn: str | None) -> list[RoutingControl]:
        if control_panel_arn is not None and control_panel_arn not in self.list_control_panels():
            raise ResourceNotFoundException(control_panel_arn, "ControlPanel")
        return [
            control
            for control in self.controls.values()
            if control_panel_arn in (None, control.control_panel_arn)
        ]

    def list_control_panels(self) -> list[str]:
        return list(dict.fromkeys(each.control_panel_arn for each in self.controls.values()))

    def update_routing_control_states(
        self, entries: Sequence[dict[str, Any]], overridden_rules: Sequence[str]
    ) -> None:
        """Change the states of all entries, or of none."""
        with self._lock:
            states = {arn: control.state for arn, control in self.controls.items()}
            for entry in entries:
                control = self.get_routing_control(entry["RoutingControlArn"])
                if entry["RoutingControlState"] not in (ON, OFF):
                    raise ValidationException(f"RoutingControlState must be {ON} or {OFF}.")
                states[control.arn] = entry["RoutingControlState"]
            changed = {entry["RoutingControlArn"] for entry in entries}
            for rule in self.safety_rules.values():
                if rule.arn in overridden_rules or not changed & set(rule.asserted_controls):
                    continue
                up = sum(states.get(arn) == ON for arn in rule.asserted_controls)
                if up < rule.threshold:
                    message = (
                        f"The safety rule {rule.name} requires at least {rule.threshold} routing "
                        f"controls to be On; {up} would be."
                    )
                    raise ConflictException(message, rule.arn)
            for arn in changed:
                self.controls[arn].state = states[arn]


recovery_control_backends = BackendDict(
    RecoveryControlBackend,
    "route53-recovery-control-config",
    use_boto3_regions=False,
    additional_regions=["aws"],
)
