"""The activities that report to the notifier, and that send its messages."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeat import heartbeating
from activities.notify.delivery import DeliveryError, Sender
from contract.identifiers import (
    EXECUTION_ID_KEY,
    NOTIFIER_WORKFLOW_ID,
    STATUS_KEY,
)
from contract.notify import (
    DeliveryResult,
    EndedExecution,
    NotifierInput,
    NotifyReport,
    workflow_id_of,
)
from contract.temporal import CHANNELS_TASK_QUEUE, RPC_TIMEOUT, TASK_QUEUE
from recovery.execution.state import PlanStatus
from recovery.notify.channels import Channel
from recovery.notify.events import Notification, NotifiedExecution
from recovery.notify.notifier_state import NotifyUpdate
from recovery.notify.routes import routes_of

_ATTEMPTS_FOR_ROUTES = 5
_PAUSE_FOR_ROUTES = timedelta(seconds=0.5)
# For so long it is taken as known whether other workers have channels.
_KNOWN_SECONDS = 10.0


class NotifyActivities:
    """The activities of notifications."""

    def __init__(self, channels: Sequence[Channel], sender: Sender) -> None:
        """Create the activities; `channels` are those of the installation."""
        self._channels = {each.name: each for each in channels}
        self._sender = sender
        self._looking = asyncio.Lock()
        self._known_until = 0.0
        self._is_left_to_others = False

    @activity.defn
    async def report(self, report: NotifyReport) -> bool:
        """Report to the notifier, which starts if it is not running.

        A worker without channels leaves the report to one that has some, and at last, or if there
        is none, passes it on: the notifier keeps the routes of an execution.

        Returns:
            Whether the notifier has it; False where none runs, as no worker has started it.

        Raises:
            ApplicationError: retryable; Temporal did not accept it.
        """
        update = report.update
        kind = update.execution.execution_type
        now = time.time()
        update.routes = routes_of(
            list(self._channels.values()), report.plan_channels, kind, now=now
        )
        try:
            if not self._channels:
                is_late = update.is_over or activity.info().attempt > _ATTEMPTS_FOR_ROUTES
                if not is_late and await self._others_have_channels():
                    raise ApplicationError(
                        "this worker has no channels; another has some",
                        next_retry_delay=_PAUSE_FOR_ROUTES,
                        category=ApplicationErrorCategory.BENIGN,
                    )
                return await _pass_on(update)
            await activity.client().start_workflow(
                "NotifierWorkflow",
                NotifierInput(),
                id=NOTIFIER_WORKFLOW_ID,
                task_queue=TASK_QUEUE,
                start_signal="notify",
                start_signal_args=[update],
                static_summary="Sends notifications of all executions",
                rpc_timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            raise ApplicationError(f"Temporal did not accept it: {error.message}") from error
        return True

    async def _others_have_channels(self) -> bool:
        """Whether workers with channels poll, or did until a few minutes ago.

        Raises:
            RPCError: Temporal did not respond.
        """
        client = activity.client()
        async with self._looking:
            if time.monotonic() >= self._known_until:
                queue = await client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=client.namespace,
                        task_queue=TaskQueue(name=CHANNELS_TASK_QUEUE),
                        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                    ),
                    timeout=RPC_TIMEOUT,
                )
                self._is_left_to_others = bool(queue.pollers)
                self._known_until = time.monotonic() + _KNOWN_SECONDS
        return self._is_left_to_others

    @activity.defn
    async def deliver(self, notification: Notification) -> DeliveryResult:
        """Send a message once; if this worker is lost meanwhile, it is sent once more."""
        channel = self._channels.get(notification.channel)
        if channel is None:
            known = ", ".join(self._channels) or "none"
            return DeliveryResult(
                error=f"the file of this worker has no channel {notification.channel}; it has "
                f"{known}"
            )
        try:
            # So that another worker soon sends what a lost one may not have sent.
            async with heartbeating():
                await self._sender.send(channel, notification)
        except DeliveryError as error:
            structlog.get_logger().warning(f"a message to {channel.name} failed: {error}")
            return DeliveryResult(error=str(error))
        return DeliveryResult()

    @activity.defn
    async def ended_executions(self, executions: list[NotifiedExecution]) -> list[EndedExecution]:
        """Which of these executions no longer run in Temporal, and how they ended.

        What cannot be looked up now is left out.
        """
        found = await asyncio.gather(*(_ended(each) for each in executions))
        return [each for each in found if each is not None]


async def _pass_on(update: NotifyUpdate) -> bool:
    """Report to the notifier, if it runs, without routes; first another worker may add them.

    Raises:
        RPCError: Temporal did not respond.
    """
    handle = activity.client().get_workflow_handle(NOTIFIER_WORKFLOW_ID)
    try:
        await handle.signal("notify", update, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _ended(execution: NotifiedExecution) -> EndedExecution | None:
    """How an execution ended; None if it runs, or if that is not known now."""
    handle = activity.client().get_workflow_handle(workflow_id_of(execution))
    ended = EndedExecution(execution_id=execution.execution_id)
    try:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        return ended if error.status is RPCStatusCode.NOT_FOUND else None
    known = described.typed_search_attributes
    if known.get(EXECUTION_ID_KEY) != execution.execution_id:
        return ended
    if described.status is WorkflowExecutionStatus.RUNNING:
        return None
    status = known.get(STATUS_KEY)
    if status in (PlanStatus.COMPLETED, PlanStatus.PARTIAL, PlanStatus.CANCELLED):
        ended.outcome = PlanStatus(status)
    return ended
