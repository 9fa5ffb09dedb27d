"""Worker Versioning: off unless a deployment name and a build ID are set.

With it, Temporal starts nothing until a version is current. This is easily forgotten and looks like
a worker that does nothing, so the worker logs a warning until one is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from contract.temporal import RPC_TIMEOUT, TASK_QUEUES
from settings import Settings

_CHECK_SECONDS = 5.0
_SOON_SECONDS = 1.0
_REPEAT_SECONDS = 300.0
R = TypeVar("R")
_LOG = logging.getLogger(__name__)


def deployment_config(settings: Settings) -> WorkerDeploymentConfig | None:
    """The deployment configuration of a worker; None if versioning is off."""
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def set_current(deployment_name: str, build_id: str, namespace: str) -> str:
    """The command that makes a version current."""
    where = "" if namespace == "default" else f" --namespace {namespace}"
    return (
        "temporal worker deployment set-current-version "
        f"--deployment-name {deployment_name} --build-id {build_id}{where} --yes"
    )


@asynccontextmanager
async def logging_current_version(client: Client, settings: Settings) -> AsyncIterator[None]:
    """Inside the block, log which version is current, and warn while none is."""
    config = deployment_config(settings)
    if config is None:
        yield
        return
    task = asyncio.create_task(_log_changes(client, config.version))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _log_changes(client: Client, ours: WorkerDeploymentVersion) -> None:
    logged, logged_at = None, 0.0
    while True:
        pause = _CHECK_SECONDS
        try:
            current = await _current_build(client, ours.deployment_name)
            # Before, Temporal would refuse the command that makes it current.
            known = current == ours.build_id or await _is_known(client, ours)
        except RPCError as error:
            if error.status is RPCStatusCode.UNIMPLEMENTED:
                _LOG.warning("This Temporal server does not support Worker Versioning")
                return
            # The worker's own polls report a Temporal that cannot be reached.
            known, current = False, ""
        now = time.monotonic()
        overdue = current == "" and now - logged_at > _REPEAT_SECONDS
        if not known:
            pause = _SOON_SECONDS
        elif current != logged or overdue:
            _log_current(current, ours, client.namespace)
            logged, logged_at = current, now
        await asyncio.sleep(pause)


async def _current_build(client: Client, deployment_name: str) -> str:
    """The build ID of the current version; empty if there is none."""
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=deployment_name
    )
    answer = await _found(
        client.workflow_service.describe_worker_deployment(request, timeout=RPC_TIMEOUT)
    )
    if answer is None:
        return ""
    routing = answer.worker_deployment_info.routing_config
    return routing.current_deployment_version.build_id


async def _is_known(client: Client, ours: WorkerDeploymentVersion) -> bool:
    """Whether Temporal has the task queues registered with this version."""
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=DeploymentVersion(
            deployment_name=ours.deployment_name, build_id=ours.build_id
        ),
    )
    answer = await _found(
        client.workflow_service.describe_worker_deployment_version(request, timeout=RPC_TIMEOUT)
    )
    served = {queue.name for queue in answer.version_task_queues} if answer else set()
    return served.issuperset(TASK_QUEUES)


async def _found(call: Awaitable[R]) -> R | None:
    """The response to a call; None if Temporal does not have what it is about."""
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _log_current(current: str, ours: WorkerDeploymentVersion, namespace: str) -> None:
    name, build = ours.deployment_name, ours.build_id
    command = set_current(name, build, namespace)
    if not current:
        _LOG.warning(
            "Nothing will start: deployment %s has no current version. To run plans on this "
            "worker's build %s: %s", name, build, command,
        )  # fmt: skip
    elif current == build:
        _LOG.info("Build %s of deployment %s is current: new plans start here", build, name)
    else:
        _LOG.info(
            "Build %s of deployment %s is current: new plans start there, and this worker's build "
            "%s only finishes its own. To run new ones here: %s", current, name, build, command,
        )  # fmt: skip
