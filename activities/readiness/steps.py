"""Looks up what the steps of a plan use in a target; runs nothing, and connects to no host."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.readiness.look import Look, failed_read
from activities.steps.interface import StepRefusedError
from activities.steps.kinds.routing_control import current_state
from aws.errors import AwsError
from contract.temporal import RPC_TIMEOUT
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.steps import (
    ResourceKind,
    ResourceState,
    StepResource,
    UsedResource,
    steps_findings,
    used_resources,
)
from recovery.steps.model import RoutingControl

_AT_ONCE = 5
_MISSING = ResourceState(missing=True)
_USABLE = ResourceState()
# Source: botocore's models of SSM, Lambda, Route 53, Elastic Load Balancing and ARC.
_MISSING_CODES = (
    "InvalidDocument",
    "InvalidDocumentVersion",
    "ResourceNotFoundException",
    "NoSuchHostedZone",
    "TargetGroupNotFound",
)
_SERVICES = {
    ResourceKind.AUTOMATION: "ssm",
    ResourceKind.COMMAND: "ssm",
    ResourceKind.FUNCTION: "lambda",
    ResourceKind.HOSTED_ZONE: "route53",
    ResourceKind.ROUTING_CONTROL: "route53-recovery-cluster",
    ResourceKind.ALARM: "cloudwatch",
    ResourceKind.TARGET_GROUP: "elasticloadbalancing",
}
_DOCUMENT_TYPES = {ResourceKind.AUTOMATION: "Automation", ResourceKind.COMMAND: "Command"}


async def steps(look: Look) -> list[Finding]:
    """The findings about what the steps that act in a target use."""
    used = {each.resource: each for each in used_resources(look.planned)}
    slots, client = asyncio.Semaphore(_AT_ONCE), activity.client() if used else None

    async def state_of(each: UsedResource) -> ResourceState:
        try:
            async with slots:
                return await look.shared(each.resource, lambda: _read(look, each, client))
        except AwsError as error:
            failed = failed_read(_SERVICES[each.resource.kind], error)
        except RPCError as error:
            failed = FailedRead(action="Temporal's DescribeTaskQueue", error=error.message)
        return ResourceState(failed=failed)

    found = await asyncio.gather(*map(state_of, used.values()))
    return list(steps_findings(look.planned, dict(zip(used, found, strict=True))))


async def _read(look: Look, used: UsedResource, client: Client | None) -> ResourceState:
    """Look something up.

    Raises:
        AwsError: AWS does not say it.
        RPCError: Temporal does not say it.
    """
    if used.resource.kind is ResourceKind.TASK_QUEUE:
        return await _task_queue(cast(Client, client), used.resource)
    try:
        return await _READERS[used.resource.kind](look, used)
    except StepRefusedError as error:
        return ResourceState(unusable=f"cannot be read: {error}")
    except AwsError as error:
        if error.code not in _MISSING_CODES:
            raise
        return _MISSING


async def _document(look: Look, used: UsedResource) -> ResourceState:
    resource = used.resource
    version: Any = {"DocumentVersion": resource.detail} if resource.detail else {}
    answer = await look.services.read(
        look.target, "ssm", "describe_document", Name=resource.name, **version
    )
    document = _part(answer, "Document")
    wanted, kind = _DOCUMENT_TYPES[resource.kind], document.get("DocumentType")
    if kind not in (wanted, None):
        return ResourceState(unusable=f"is of the type {kind}, not {wanted}")
    # Source: the API reference of DocumentDescription.
    status = document.get("Status")
    return _USABLE if status in ("Active", "Updating", None) else _not_active(status)


async def _function(look: Look, used: UsedResource) -> ResourceState:
    resource = used.resource
    answer = await look.services.read(
        look.target, "lambda", "get_function_configuration", FunctionName=resource.name
    )
    # Inactive: it was idle, and becomes Active when it is invoked.
    state = answer.get("State")
    return _not_active(state) if state == "Failed" else _USABLE


async def _hosted_zone(look: Look, used: UsedResource) -> ResourceState:
    resource = used.resource
    answer = await look.services.read(look.target, "route53", "get_hosted_zone", Id=resource.name)
    zone, record = _name(_part(answer, "HostedZone").get("Name")), _name(resource.detail)
    if not zone or "${" in record or record == zone or record.endswith(f".{zone}"):
        return _USABLE
    return ResourceState(unusable=f"is of {zone}, in which {record} cannot be")


async def _alarm(look: Look, used: UsedResource) -> ResourceState:
    resource = used.resource
    answer = await look.services.read(
        look.target,
        "cloudwatch",
        "describe_alarms",
        AlarmNames=[resource.name],
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
    )
    return _USABLE if answer.get("MetricAlarms") or answer.get("CompositeAlarms") else _MISSING


async def _target_group(look: Look, used: UsedResource) -> ResourceState:
    arns = [used.resource.name]
    await look.services.read(look.target, "elbv2", "describe_target_groups", TargetGroupArns=arns)
    return _USABLE


async def _routing_control(look: Look, used: UsedResource) -> ResourceState:
    await current_state(look.services, look.target, cast(RoutingControl, used.step.spec))
    return _USABLE


_READERS = {
    ResourceKind.AUTOMATION: _document,
    ResourceKind.COMMAND: _document,
    ResourceKind.FUNCTION: _function,
    ResourceKind.HOSTED_ZONE: _hosted_zone,
    ResourceKind.ALARM: _alarm,
    ResourceKind.TARGET_GROUP: _target_group,
    ResourceKind.ROUTING_CONTROL: _routing_control,
}


async def _task_queue(client: Client, resource: StepResource) -> ResourceState:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=resource.name),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    queue = await client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
    return _USABLE if queue.pollers else _MISSING


def _not_active(state: Any) -> ResourceState:
    return ResourceState(unusable=f"is {state}")


def _part(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = answer.get(key)
    return part if isinstance(part, Mapping) else {}


def _name(name: Any) -> str:
    """A DNS name as it is compared."""
    return str(name or "").removesuffix(".").lower()
