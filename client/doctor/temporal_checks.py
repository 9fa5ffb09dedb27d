"""Checks Temporal: its namespace, search attributes, task queues, launchers and Schedules."""

import asyncio
import time
from collections.abc import Sequence

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueResponse
from temporalio.client import Client, ScheduleDescription, ScheduleIntervalSpec
from temporalio.service import RPCError, RPCStatusCode

from client.connection import explained_errors, temporal_place
from client.health import read_launch_problems
from client.workers import describe_task_queue
from contract.identifiers import SEARCH_ATTRIBUTES
from contract.schedules.kinds import ScheduleKind
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE, TASK_QUEUES
from recovery.doctor.check import Check, Part
from recovery.doctor.temporal import (
    QueueEvidence,
    ScheduleEvidence,
    queue_check,
    retention_check,
    schedule_checks,
    search_attribute_check,
)
from runtime.deployment import set_current
from settings import Settings
from storage.plans import PlanTable

_SCHEDULES_AT_ONCE = 20


async def namespace_checks(client: Client) -> list[Check]:
    """The namespace and its retention."""
    unknown = f"{temporal_place(client)}: there is no such namespace. Set TEMPORAL_NAMESPACE"
    async with explained_errors(not_found=unknown):
        answer = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
    kept = answer.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds()
    reached = Check.ok(Part.TEMPORAL, "connection", f"{temporal_place(client)} answers")
    return [reached, retention_check(client.namespace, kept)]


async def search_attribute_checks(client: Client) -> list[Check]:
    """Our search attributes."""
    try:
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
    except RPCError as error:
        if error.status not in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
            raise
        # Temporal Cloud answers only who administers it.
        subject = "search attributes"
        return [Check.skipped(Part.TEMPORAL, subject, f"Temporal does not say: {error.message}")]
    wanted = [key.name for key in SEARCH_ATTRIBUTES]
    return [search_attribute_check(wanted, answer.custom_attributes)]


async def queue_checks(client: Client, served: Sequence[str] | None) -> list[Check]:
    """The task queues.

    Args:
        client: Temporal's.
        served: the queues on which a worker answered; None: none was asked.
    """
    kinds = {
        name: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        if name == TASK_QUEUE
        else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        for name in TASK_QUEUES
    }
    answers = await asyncio.gather(*(describe_task_queue(client, *each) for each in kinds.items()))
    queues = dict(zip(kinds, answers, strict=True))
    checks = [
        queue_check(
            QueueEvidence(
                name=name,
                pollers=len(queue.pollers),
                answered=None if served is None else name in served,
            )
        )
        for name, queue in queues.items()
    ]
    return [*checks, versioning_check(client, queues[TASK_QUEUE])]


def versioning_check(client: Client, queue: DescribeTaskQueueResponse) -> Check:
    """Whether workers poll that Temporal gives new executions to."""
    subject = "Worker Versioning"
    info = queue.versioning_info
    ours = [each.deployment_options for each in queue.pollers if each.deployment_options.build_id]
    current: WorkerDeploymentVersion = info.current_deployment_version
    if not ours and not current.build_id:
        return Check.ok(Part.WORKERS, subject, "off")
    if not current.build_id:
        command = set_current(ours[0].deployment_name, ours[0].build_id, client.namespace)
        return Check.fail(Part.WORKERS, subject, "no version is current: nothing starts", command)
    builds = sorted({each.build_id for each in ours})
    if current.build_id not in builds:
        return Check.fail(
            Part.WORKERS,
            subject,
            f"build {current.build_id} of {current.deployment_name} is current, and no worker of "
            f"it polls; workers are of {', '.join(builds) or 'no version'}",
            "Start a worker of that build, or make another one current",
        )
    text = f"build {current.build_id} of {current.deployment_name} is current"
    return Check.ok(Part.WORKERS, subject, f"{text}; workers are of {', '.join(builds)}")


async def launcher_checks(client: Client) -> list[Check]:
    """The launchers of accounts and Regions."""
    _, problems = await read_launch_problems(client)
    if not problems:
        return [Check.ok(Part.LAUNCHERS, "launchers", "none is lost or stuck")]
    return [Check.fail(Part.LAUNCHERS, name, problem) for name, problem in problems.items()]


async def readiness_schedule_checks(client: Client, settings: Settings) -> list[Check]:
    """The Schedules that have registered plans looked at."""
    slots = asyncio.Semaphore(_SCHEDULES_AT_ONCE)
    try:
        registered = await PlanTable(settings).latest()
    except Exception as error:
        # A check of the tables says what is wrong.
        why = f"the registered plans are not known: {error}"
        return [Check.skipped(Part.SCHEDULES, "readiness", why)]
    async with explained_errors():
        found = await asyncio.gather(*(_schedule(client, e.plan_id, slots) for e in registered))
    return list(schedule_checks(found))


async def _schedule(client: Client, plan_id: str, slots: asyncio.Semaphore) -> ScheduleEvidence:
    handle = client.get_schedule_handle(ScheduleKind.READINESS.schedule_id(plan_id))
    async with slots:
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return ScheduleEvidence(plan_id=plan_id, exists=False)
    intervals: Sequence[ScheduleIntervalSpec] = described.schedule.spec.intervals
    return ScheduleEvidence(
        plan_id=plan_id,
        paused=described.schedule.state.paused,
        every_seconds=max((i.every.total_seconds() for i in intervals), default=0.0),
        last_seconds=time.time() - _last_time(described),
    )


def _last_time(described: ScheduleDescription) -> float:
    """When a Schedule last started something, or was changed or created (epoch seconds)."""
    info = described.info
    times = [info.created_at, info.last_updated_at]
    times += [each.started_at for each in info.recent_actions]
    return max(each.timestamp() for each in times if each is not None)
