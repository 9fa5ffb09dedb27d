"""Whether targets of a load balancer are healthy."""

from collections import defaultdict
from typing import Any, cast

from activities.steps.checks.all_servers import NO_SERVER, verdict
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.steps.model import TargetHealth
from recovery.steps.state import CheckResult

_HEALTHY = "healthy"
# Source: the API reference of TargetHealth: health checks are disabled.
_NOT_KNOWN = ("unavailable",)


class TargetHealthCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        spec = cast(TargetHealth, step.spec)
        answer = await self._services.read(
            step.call.target,
            "elbv2",
            "describe_target_health",
            TargetGroupArn=spec.target_group_arn,
        )
        # By target, which may be registered with several ports.
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for each in answer.get("TargetHealthDescriptions", []):
            found[str(each["Target"]["Id"])].append(each)
        if spec.servers is not None:
            probes = [_judged(found[s.instance_id] + found[s.private_ip]) for s in step.servers]
            return verdict(step.servers, probes) if probes else NO_SERVER
        if not found:
            return Probe(CheckResult.FAILED, "the target group has no targets")
        return _group_verdict({name: _judged(some) for name, some in found.items()})


def _judged(targets: list[dict[str, Any]]) -> Probe:
    if not targets:
        return Probe(CheckResult.FAILED, "is not registered in the target group")
    for each in targets:
        health = each.get("TargetHealth") or {}
        state = str(health.get("State"))
        if state != _HEALTHY:
            known = state not in _NOT_KNOWN
            why = health.get("Description") or health.get("Reason")
            evidence = f"is {state} at port {each['Target'].get('Port')}"
            return Probe(
                CheckResult.FAILED if known else CheckResult.INCONCLUSIVE,
                f"{evidence}: {why}" if why else evidence,
            )
    return Probe(CheckResult.PASSED, "is healthy")


def _group_verdict(probes: dict[str, Probe]) -> Probe:
    healthy = sum(each.result is CheckResult.PASSED for each in probes.values())
    for result in (CheckResult.FAILED, CheckResult.INCONCLUSIVE):
        for name, probe in probes.items():
            if probe.result is result:
                evidence = f"{name} {probe.evidence} ({healthy} of {len(probes)} are healthy)"
                return Probe(result, evidence)
    return Probe(CheckResult.PASSED, f"all {len(probes)} targets are healthy")
