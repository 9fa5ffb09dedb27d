"""Whether EC2's status checks of instances pass."""

import asyncio
from collections import defaultdict
from typing import Any

from activities.steps.checks.all_servers import verdict
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.plan.model import Target
from recovery.steps.state import CheckResult

# Source: the API reference of DescribeInstanceStatus.
_MAX_INSTANCES = 100
_OF_VOLUMES = "AttachedEbsStatus"
_CHECKS = {
    "InstanceStatus": "instance check",
    "SystemStatus": "system check",
    _OF_VOLUMES: "check of its volumes",
}
_NOT_KNOWN = ("insufficient-data", "")


class InstanceStatusCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        by_target: dict[Target, list[str]] = defaultdict(list)
        targets = {each.source_server_id: each.target for each in step.call.servers}
        for server in step.servers:
            by_target[targets[server.source_server_id]].append(server.instance_id)
        batches = [
            self._statuses(target, ids[start : start + _MAX_INSTANCES])
            for target, ids in by_target.items()
            for start in range(0, len(ids), _MAX_INSTANCES)
        ]
        found = {i: status for some in await asyncio.gather(*batches) for i, status in some.items()}
        return verdict(step.servers, [_judged(found.get(s.instance_id)) for s in step.servers])

    async def _statuses(self, target: Target, instance_ids: list[str]) -> dict[str, dict[str, Any]]:
        answer = await self._services.read(
            target,
            "ec2",
            "describe_instance_status",
            InstanceIds=instance_ids,
            IncludeAllInstances=True,
        )
        return {str(each["InstanceId"]): each for each in answer.get("InstanceStatuses", [])}


def _judged(status: dict[str, Any] | None) -> Probe:
    if status is None:
        return Probe(CheckResult.FAILED, "EC2 does not list its instance")
    state = (status.get("InstanceState") or {}).get("Name")
    if state != "running":
        return Probe(CheckResult.FAILED, f"its instance is {state}")
    for key, name in _CHECKS.items():
        result = str((status.get(key) or {}).get("Status") or "")
        # EC2 does not check the volumes of each type of instance.
        if result == "ok" or (key == _OF_VOLUMES and result in ("", "not-applicable")):
            continue
        is_known = result not in _NOT_KNOWN
        failed = CheckResult.FAILED if is_known else CheckResult.INCONCLUSIVE
        return Probe(failed, f"EC2's {name} is {result or 'not in its answer'}")
    return Probe(CheckResult.PASSED, "EC2's status checks are ok")
