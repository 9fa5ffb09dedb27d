"""Runs workflows of the user's own Temporal workers, in any language: their payloads are JSON."""

import time
from typing import cast

from pydantic import JsonValue
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.steps.interface import OutcomeUnknownError, ResolvedCall, StepRefusedError
from contract.steps import StartedStep, StartOutcome, StepResult
from contract.temporal import CHANNELS_TASK_QUEUE, RPC_TIMEOUT, TASK_QUEUES
from recovery.steps.model import Workflow
from recovery.steps.outputs import as_object
from recovery.steps.state import StepStatus

# A worker polls once a minute at least; Temporal lists a killed one for longer.
_POLLER_SECONDS = 75.0
_OUR_QUEUES = (*TASK_QUEUES, CHANNELS_TASK_QUEUE)
_TEMPORALS_OWN = ("temporal-sys", "/_sys/")
_REFUSED = (
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.UNAUTHENTICATED,
)


class WorkflowStep:
    """See `ActingStep`. A workflow ID begins one workflow, however often it is asked for."""

    may_repeat = True

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`."""
        spec, call = cast(Workflow, step.spec), step.call
        if spec.task_queue in _OUR_QUEUES or spec.task_queue.startswith(_TEMPORALS_OWN):
            # A plan could otherwise begin what only drs-waves, or a schedule of Temporal, may.
            raise StepRefusedError(
                f"{spec.task_queue} is a task queue of drs-waves or Temporal itself"
            )
        workflow_id = _workflow_id(step)
        try:
            await _client().start_workflow(
                spec.type,
                spec.input,
                id=workflow_id,
                task_queue=spec.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=f"Step {call.step.step_id} of {call.wave_id}, {call.execution_id}",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            activity.logger.info("%s was started before", workflow_id)
        except RPCError as error:
            text = f"Temporal did not accept the workflow: {error.message}"
            if error.status in _REFUSED:
                raise StepRefusedError(text) from error
            raise OutcomeUnknownError(text) from error
        return StartedStep(outcome=StartOutcome.STARTED, reference=workflow_id, link=workflow_id)

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`: the same start finds it."""
        return await self.start(step)

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        client = _client()
        handle = client.get_workflow_handle(started.reference)
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
            if described.status is WorkflowExecutionStatus.RUNNING:
                return await _running(client, cast(Workflow, step.spec).task_queue)
            value: JsonValue = await handle.result(rpc_timeout=RPC_TIMEOUT)
            reason = f"workflow {started.reference} completed"
            return StepResult(status=StepStatus.SUCCEEDED, reason=reason, outputs=as_object(value))
        except WorkflowFailureError as error:
            reason = f"{started.reference} failed: {_causes(error)}"
            return StepResult(status=StepStatus.FAILED, reason=reason)
        except RPCError as error:
            return f"Temporal does not say how the workflow is: {error.message}"
        except (RuntimeError, TypeError, ValueError) as error:
            reason = f"{started.reference} ended, but its result is not plain JSON: {error}"
            return StepResult(status=StepStatus.FAILED, reason=reason)

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        # Not what the call names: it could be any workflow.
        handle = _client().get_workflow_handle(_workflow_id(step))
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        if described.status is not WorkflowExecutionStatus.RUNNING:
            raise StepRefusedError(f"{handle.id} had ended")
        await handle.cancel(rpc_timeout=RPC_TIMEOUT)
        return f"{handle.id} is asked to cancel"


def _workflow_id(step: ResolvedCall) -> str:
    return f"drs-step/{step.call.attempt_id}"


def _client() -> Client:
    """The worker's client with payloads that workers in any language read."""
    client = activity.client()
    return Client(
        client.service_client, namespace=client.namespace, data_converter=DataConverter.default
    )


async def _running(client: Client, task_queue: str) -> str:
    """What a workflow that runs does, or that no worker is there for it."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=RPC_TIMEOUT,
    )
    oldest = time.time() - _POLLER_SECONDS
    if any(each.last_access_time.seconds >= oldest for each in answer.pollers):
        return "its workflow runs"
    return f"no worker polls task queue {task_queue}: start one"


def _causes(error: BaseException) -> str:
    """The causes of a failed workflow, each with its text."""
    found, cause = [], error.__cause__ or getattr(error, "cause", None)
    while cause is not None:
        found.append(str(cause) or type(cause).__name__)
        cause = cause.__cause__
    return ": ".join(found)
