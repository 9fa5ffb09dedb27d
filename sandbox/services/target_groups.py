"""Target groups of load balancers whose targets have the health of the scenario."""

from __future__ import annotations

from typing import Any

from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, elbv2_backends

from sandbox.drs.simulation import simulation
from sandbox.scenario import ScenarioError
from sandbox.services.scripts import TargetGroup
from sandbox.services.state import (
    ScriptedBackend,
    delayed,
    last_reached,
    launches,
    scripted_backends,
    terminated,
)

# Source: DescribeTargetHealth, "TargetHealth".
_REASONS = {
    "initial": "Elb.RegistrationInProgress",
    "unhealthy": "Target.FailedHealthChecks",
    "unused": "Target.NotInUse",
    "draining": "Target.DeregistrationInProgress",
    "unavailable": "Target.HealthCheckDisabled",
}

_register_targets = ELBv2Backend.register_targets
_describe_target_health = ELBv2Backend.describe_target_health


def register() -> None:
    """Make moto's DescribeTargetHealth follow the scenario. Idempotent."""
    ELBv2Backend.register_targets = _register_scripted_targets  # type: ignore[assignment, method-assign]
    ELBv2Backend.describe_target_health = _describe_scripted_health  # type: ignore[assignment, method-assign]


def add_target_group(script: TargetGroup) -> None:
    """Create a target group with its ARN, or replace its script."""
    backend = elbv2_backends[script.account_id][script.region]
    arn = script.target_group_arn
    if arn not in backend.target_groups:
        if any(group.name == script.name for group in backend.target_groups.values()):
            raise ScenarioError(f"TargetGroups: {script.name} exists with another ARN than {arn}")
        group = backend.create_target_group(
            script.name, protocol="HTTP", port=str(script.port), vpc_id="", target_type=None
        )
        del backend.target_groups[group.arn]
        group.arn = arn
        backend.target_groups[arn] = group
    scripted_backends[script.account_id][script.region].target_groups[arn] = script


def _state(backend: ELBv2Backend) -> ScriptedBackend:
    return scripted_backends[backend.account_id][backend.region_name]


def _register_scripted_targets(
    backend: ELBv2Backend, target_group_arn: str, instances: list[Any]
) -> None:
    _register_targets(backend, target_group_arn, instances)
    for target in instances:
        _state(backend).registrations[target_group_arn, target["Id"]] = simulation.now()


def _describe_scripted_health(
    backend: ELBv2Backend, target_group_arn: str, targets: list[dict[str, Any]]
) -> list[FakeHealthStatus]:
    state = _state(backend)
    script = state.target_groups.get(target_group_arn)
    if script is None:
        return _describe_target_health(backend, target_group_arn, targets)
    with state.lock:
        for instance_id, at in launches(script.account_id, script.source_server_ids):
            if (target_group_arn, instance_id) not in state.registrations:
                state.registrations[target_group_arn, instance_id] = at
                _register_targets(backend, target_group_arn, [{"Id": instance_id}])
        gone = terminated(script.account_id)
        backend.target_groups[target_group_arn].deregister_terminated_instances(gone)
    found = _describe_target_health(backend, target_group_arn, targets)
    for status in found:
        # What moto knows of itself, such as a stopped instance, stays.
        if status.status == "healthy":
            _follow_script(status, script, state)
    return found


def _follow_script(status: FakeHealthStatus, script: TargetGroup, state: ScriptedBackend) -> None:
    since = state.registrations[script.target_group_arn, status.instance_id]
    index = last_reached([delayed(since, each.after_seconds) for each in script.health])
    entry = script.health[index] if index >= 0 else None
    status.status = entry.state if entry else "initial"
    status.reason = (entry and entry.reason) or _REASONS.get(status.status)
