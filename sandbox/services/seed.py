"""Applies the scripts of a scenario, and extends moto's services when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sandbox.recovery_control import recovery_control_backends
from sandbox.section import Section
from sandbox.services.scripts import (
    Alarm,
    Function,
    HostedZone,
    HttpPath,
    RoutingControl,
    SafetyRule,
    ServiceScripts,
    TargetGroup,
)

# Moto's package and the module that extends it. Loading all at the start would take a second.
_EXTENSIONS = {
    "awslambda": "functions",
    "cloudwatch": "alarms",
    # Moto serves both versions of Elastic Load Balancing under the name of the first.
    "elb": "target_groups",
    "route53": "hosted_zones",
}


def extend(moto_package: str) -> None:
    """Extend a service of moto, if the sandbox does. Idempotent."""
    if moto_package == "iam":
        import_module("sandbox.iam.policy_simulation").register()
    if module := _EXTENSIONS.get(moto_package):
        _module(module).register()


def apply_scripts(scripts: ServiceScripts) -> None:
    """Add the entries of a scenario, or replace those of the same name."""
    for entry in (
        *scripts.functions,
        *scripts.hosted_zones,
        *scripts.routing_controls,
        *scripts.safety_rules,
        *scripts.alarms,
        *scripts.target_groups,
        *scripts.http_paths,
    ):
        _apply(entry)


def _apply(entry: Section) -> None:
    match entry:
        case Function():
            _module("functions").add_function(entry)
        case HostedZone():
            _module("hosted_zones").add_hosted_zone(entry)
        case Alarm():
            _module("alarms").add_alarm(entry)
        case TargetGroup():
            _module("target_groups").add_target_group(entry)
        case HttpPath():
            _module("http_service").add_http_path(entry)
        case RoutingControl(routing_control_arn=arn):
            _controls(arn).add_routing_control(arn, entry.name, entry.state)
        case SafetyRule(routing_control_arns=arns):
            _controls(arns[0]).add_safety_rule(entry.name, arns, entry.at_least)


def _module(name: str) -> Any:
    return import_module(f"sandbox.services.{name}")


def _controls(arn: str) -> Any:
    return recovery_control_backends[arn.split(":")[4]]["aws"]
