"""How people's tools (the command line, the API) start and look at executions."""

import asyncio
import getpass
import re
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
)
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from client.errors import RefusedError, UnreachableError
from contract.cleanup import StartCleanup
from contract.execution import StartExecution, Takeover
from contract.execution_end import ExecutionRun
from contract.identifiers import (
    EXECUTION_ID_KEY,
    EXECUTION_TYPE_KEY,
    PLAN_ID_KEY,
    STATUS_KEY,
    cleanup_workflow_id,
    new_execution_id,
    plan_id_of,
    plan_workflow_id,
)
from contract.readiness import Readiness
from contract.task_queues import TASK_QUEUE
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import Experience
from recovery.plan.model import RecoveryPlan
from runtime.deployment import set_current
from workflows.drill_cleanup import DrillCleanupWorkflow
from workflows.plan.workflow import RECORD_PATIENCE_SECONDS, RecoveryPlanWorkflow
from workflows.readiness import ReadinessWorkflow

REQUEST_MEMO = "Request"


_CONNECT_SECONDS = 10.0


_RPC = timedelta(seconds=10)


_READINESS_SECONDS = 150.0


# Running waves answer a cancellation within a minute; then the history has its patience.
_DRILL_ENDS_SECONDS = 90.0 + RECORD_PATIENCE_SECONDS


_DRILL_POLL_SECONDS = 0.5


_EXECUTION_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


# What a query ends with that no worker takes.
_WITHOUT_WORKER = (
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.FAILED_PRECONDITION,
)


class RecoveryClient:
    """Starts executions and looks at them, through Temporal alone."""

    def __init__(self, temporal: Client) -> None:
        self.temporal = temporal

    @classmethod
    async def connect(cls) -> "RecoveryClient":
        """Connect as the `temporal` CLI would: by the same profile and variables.

        Raises:
            RefusedError: that profile or those variables are wrong.
            UnreachableError: Temporal does not answer.
        """
        try:
            config = ClientConfig.load_client_connect_config()
        except (OSError, RuntimeError, ValueError) as error:
            raise RefusedError(
                f"The settings for Temporal cannot be read: {error}. Look at the TEMPORAL_… "
                "variables, or at `temporal config list`"
            ) from error
        address = config.setdefault("target_host", "localhost:7233")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                client = await Client.connect(**config, data_converter=pydantic_data_converter)
        except (RuntimeError, TimeoutError) as error:
            refused = "refused" in str(error)
            first = (str(error).splitlines() or ["no answer"])[0]
            why = "connection refused" if refused else first
            raise UnreachableError(
                f"Temporal at {address} cannot be reached ({why}). Set TEMPORAL_ADDRESS, or start "
                "a local one with `drs-waves sandbox up` and `source .sandbox/env`"
            ) from error
        return cls(client)

    async def start(
        self,
        plan: RecoveryPlan,
        *,
        execution_type: ExecutionType = ExecutionType.DRILL,
        confirmation: str | None = None,
        relaunch: Sequence[str] = (),
        takeover: Takeover | None = None,
        experience: Experience | None = None,
        started_by: str | None = None,
        execution_id: str | None = None,
        request: str | None = None,
    ) -> str:
        """Start an execution of a plan.

        Args:
            plan: the frozen plan.
            execution_type: a drill, or the real thing.
            confirmation: the PlanId, typed; a recovery is refused without it.
            relaunch: servers that may lose a live recovery instance.
            takeover: an earlier execution whose servers are taken over.
            experience: what is known of how long servers take.
            started_by: who starts it; default: this user on this machine.
            execution_id: its ID, of `new_execution_id`; default: a new one.
            request: what was asked for, kept beside it to know the same request again.

        Returns:
            The execution's ID.

        Raises:
            RefusedError: the plan runs already, or Temporal refused the start.
            UnreachableError: Temporal did not answer.
        """
        execution_id = execution_id or new_execution_id(plan.plan_id)
        start = StartExecution(
            execution_id=execution_id,
            plan=plan,
            execution_type=execution_type,
            started_by=started_by or whoami(),
            start_time=time.time(),
            confirmation=confirmation,
            relaunch=list(relaunch),
            takeover=takeover,
            experience=experience or Experience(),
        )
        try:
            async with _answered():
                await self.temporal.start_workflow(
                    RecoveryPlanWorkflow.run,
                    start,
                    id=plan_workflow_id(plan.plan_id),
                    task_queue=TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    task_timeout=timedelta(seconds=60),
                    rpc_timeout=_RPC,
                    static_summary=f"{execution_type} of {plan.plan_name}"[:190],
                    static_details=_static_details(start),
                    memo={REQUEST_MEMO: request} if request else None,
                    search_attributes=TypedSearchAttributes(
                        [
                            SearchAttributePair(PLAN_ID_KEY, plan.plan_id),
                            SearchAttributePair(EXECUTION_ID_KEY, execution_id),
                            SearchAttributePair(EXECUTION_TYPE_KEY, execution_type),
                            SearchAttributePair(STATUS_KEY, "IN_PROGRESS"),
                        ]
                    ),
                )
        except WorkflowAlreadyStartedError as error:
            raise RefusedError(await self.why_not_now(plan.plan_id)) from error
        return execution_id

    async def why_not_now(self, plan_id: str) -> str:
        """Why a plan cannot be started, and what to do."""
        look = f"Watch it with `drs-waves watch {plan_id}`"
        try:
            running = await self.state(plan_id)
        except (RefusedError, UnreachableError):
            return f"{plan_id} is running already; one execution of a plan runs at a time. {look}"
        what = f"{plan_id} is running already ({running.execution_type} {running.execution_id})"
        if running.end_time is not None:
            return (
                f"{what}: it ended {running.status} and closes within "
                f"{RECORD_PATIENCE_SECONDS:g} s; start it again then"
            )
        hint = ""
        if running.execution_type is ExecutionType.DRILL:
            hint = "; a real recovery takes its place with `--recovery --replace-drill`"
        return f"{what}; one execution of a plan runs at a time{hint}. {look}"

    async def replace_drill(self, plan_id: str) -> bool:
        """Cancel the running drill of a plan and its pending clean-up, and await its end.

        Returns:
            Whether there was one.

        Raises:
            RefusedError: a real recovery is running, or the drill does not end.
            UnreachableError: Temporal did not answer.
        """
        running = await self.running(plan_id)
        await self._cancel_cleanups(plan_id)
        if running is None:
            return False
        if running.execution_type is ExecutionType.RECOVERY and running.end_time is None:
            raise RefusedError(
                f"A real recovery of {plan_id} is running; --replace-drill replaces drills only. "
                f"Watch it with `drs-waves watch {plan_id}`"
            )
        handle = self._plan(plan_id)
        run_id = (await self._describe(handle)).run_id
        async with _answered():
            await self.temporal.get_workflow_handle(handle.id, run_id=run_id).cancel(
                reason="Replaced by a real recovery", rpc_timeout=_RPC
            )
        give_up = asyncio.get_running_loop().time() + _DRILL_ENDS_SECONDS
        while (await self._describe(handle, run_id)).status is WorkflowExecutionStatus.RUNNING:
            if asyncio.get_running_loop().time() > give_up:
                raise RefusedError(
                    f"The drill of {plan_id} was asked to stop but still runs after "
                    f"{_DRILL_ENDS_SECONDS:g} s. Is a worker running? Try again once it has ended"
                )
            await asyncio.sleep(_DRILL_POLL_SECONDS)
        return True

    async def _cancel_cleanups(self, plan_id: str) -> None:
        """Cancel clean-ups of a plan's drills: they would hold servers that are needed now."""
        query = (
            f"WorkflowType = 'DrillCleanupWorkflow' AND {PLAN_ID_KEY.name} = '{plan_id}' "
            "AND ExecutionStatus = 'Running'"
        )
        async with _answered():
            async for found in self.temporal.list_workflows(query, rpc_timeout=_RPC):
                await self.temporal.get_workflow_handle(found.id, run_id=found.run_id).cancel(
                    reason="A real recovery begins", rpc_timeout=_RPC
                )

    async def start_cleanup(self, start: StartCleanup) -> str:
        """Start the clean-up after an execution, a workflow of its own.

        Returns:
            Its workflow ID.

        Raises:
            RefusedError: it runs already.
            UnreachableError: Temporal did not answer.
        """
        workflow_id = cleanup_workflow_id(start.execution_id)
        try:
            async with _answered():
                await self.temporal.start_workflow(
                    DrillCleanupWorkflow.run,
                    start,
                    id=workflow_id,
                    task_queue=TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    rpc_timeout=_RPC,
                    static_summary=f"Clean up after {start.execution_id}"[:190],
                    search_attributes=TypedSearchAttributes(
                        [
                            SearchAttributePair(PLAN_ID_KEY, start.plan_id),
                            SearchAttributePair(EXECUTION_ID_KEY, start.execution_id),
                        ]
                    ),
                )
        except WorkflowAlreadyStartedError as error:
            raise RefusedError(
                f"The clean-up after {start.execution_id} is running already; look at it with "
                f"`temporal workflow describe --workflow-id {workflow_id}`"
            ) from error
        return workflow_id

    async def cleanup(self, execution_id: str) -> CleanupState:
        """How the clean-up after an execution stands."""
        workflow_id = cleanup_workflow_id(execution_id)
        async with _answered(f"Temporal knows no clean-up after {execution_id!r}"):
            handle = self.temporal.get_workflow_handle_for(DrillCleanupWorkflow.run, workflow_id)
            return await handle.query(DrillCleanupWorkflow.status, rpc_timeout=_RPC)

    async def running(self, plan_id: str) -> ExecutionState | None:
        """The running execution of a plan, or None."""
        handle = self._plan(plan_id)
        try:
            described = await self._describe(handle)
        except RefusedError:
            return None
        if described.status is not WorkflowExecutionStatus.RUNNING:
            return None
        return await self.state(plan_id)

    async def state(self, plan_id: str) -> ExecutionState:
        """The whole state of a plan's running execution, or of its last one.

        Raises:
            RefusedError: Temporal knows no execution of this plan.
            UnreachableError: neither Temporal nor a worker answered.
        """
        async with _answered(f"Temporal knows no execution of plan {plan_id!r}"):
            return await self._plan(plan_id).query(RecoveryPlanWorkflow.status, rpc_timeout=_RPC)

    async def runs(self, execution_id: str | None = None) -> list[ExecutionRun]:
        """The executions that Temporal still knows, the newest first; after a reset, the last run.

        Args:
            execution_id: only this one.

        Raises:
            RefusedError: that is no execution ID.
            UnreachableError: Temporal did not answer.
        """
        query = f"WorkflowType = 'RecoveryPlanWorkflow' AND {EXECUTION_ID_KEY.name} IS NOT NULL"
        if execution_id is not None:
            if not _EXECUTION_ID.fullmatch(execution_id):
                raise RefusedError(f"{execution_id!r} is no execution ID")
            query += f" AND {EXECUTION_ID_KEY.name} = '{execution_id}'"
        async with _answered():
            listed = [each async for each in self.temporal.list_workflows(query, rpc_timeout=_RPC)]
        listed.sort(key=lambda each: each.start_time, reverse=True)
        found: dict[str, ExecutionRun] = {}
        for each in listed:
            known = each.typed_search_attributes.get(EXECUTION_ID_KEY, "")
            run = ExecutionRun(execution_id=known, workflow_id=each.id, run_id=each.run_id)
            found.setdefault(known, run)
        return list(found.values())

    async def request_of(self, execution_id: str) -> str | None:
        """What was asked for when an execution was started, as it was said to `start`.

        Returns:
            "" where it was not said; None where Temporal does not know the execution.

        Raises:
            RefusedError: that is no execution ID.
            UnreachableError: Temporal did not answer.
        """
        # What runs is asked for by its workflow, because what was just started is not listed yet.
        workflow_id = plan_workflow_id(plan_id_of(execution_id))
        try:
            described = await self._describe(self._plan(plan_id_of(execution_id)))
        except RefusedError:
            return None
        if described.typed_search_attributes.get(EXECUTION_ID_KEY) != execution_id:
            runs = await self.runs(execution_id)
            if not runs:
                return None
            async with _answered(f"Temporal knows no workflow {workflow_id}"):
                handle = self.temporal.get_workflow_handle(workflow_id, run_id=runs[0].run_id)
                described = await handle.describe(rpc_timeout=_RPC)
        return str((await described.memo()).get(REQUEST_MEMO, ""))

    async def readiness(self, plan: RecoveryPlan) -> Readiness:
        """What the worker sees of a plan's servers and targets; launches nothing.

        Raises:
            UnreachableError: no worker answered.
        """
        await self.require_worker()
        async with _answered():
            try:
                return await self.temporal.execute_workflow(
                    ReadinessWorkflow.run,
                    plan,
                    id=f"drs-readiness/{plan.plan_id}/{uuid4().hex[:8]}",
                    task_queue=TASK_QUEUE,
                    static_summary=f"Readiness of {plan.plan_name}"[:190],
                    execution_timeout=timedelta(seconds=_READINESS_SECONDS),
                )
            except WorkflowFailureError as error:
                raise UnreachableError(f"The check did not end: {error.cause}") from error

    async def require_worker(self) -> None:
        """Raises UnreachableError when nobody would take up a new execution."""
        if idle := await self.why_idle():
            raise UnreachableError(idle)

    async def require_namespace(self) -> None:
        """Raises RefusedError when Temporal does not have the namespace that is set."""
        namespace = self.temporal.namespace
        where = self.temporal.service_client.config.target_host
        unknown = f"Temporal at {where} has no namespace {namespace!r}. Set TEMPORAL_NAMESPACE"
        async with _answered(unknown):
            await self.temporal.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=namespace), timeout=_RPC
            )

    async def why_idle(self) -> str | None:
        """Why a new execution would not begin now, and what to do; None where it would."""
        namespace = self.temporal.namespace
        queue = await self._task_queue()
        if not queue.pollers:
            return (
                f"No worker serves the task queue {TASK_QUEUE!r} in namespace {namespace!r}. "
                "Start one with `drs-waves worker`"
            )
        versions = [each.deployment_options for each in queue.pollers]
        versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
        if any(each.worker_versioning_mode != versioned for each in versions):
            return None
        if queue.versioning_info.current_deployment_version.build_id:
            return None
        command = set_current(versions[0].deployment_name, versions[0].build_id, namespace)
        return (
            f"Workers run, but none of their versions is current, so nothing begins. Do: {command}"
        )

    async def has_worker(self) -> bool:
        """Whether a worker has asked for workflow tasks within the last minute."""
        return bool((await self._task_queue()).pollers)

    async def _task_queue(self) -> DescribeTaskQueueResponse:
        async with _answered():
            return await self.temporal.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=self.temporal.namespace,
                    task_queue=TaskQueue(name=TASK_QUEUE),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                ),
                timeout=_RPC,
            )

    def _plan(self, plan_id: str) -> WorkflowHandle[RecoveryPlanWorkflow, ExecutionState]:
        return self.temporal.get_workflow_handle_for(
            RecoveryPlanWorkflow.run, plan_workflow_id(plan_id)
        )

    async def _describe(
        self,
        handle: WorkflowHandle[RecoveryPlanWorkflow, ExecutionState],
        run_id: str | None = None,
    ) -> WorkflowExecutionDescription:
        async with _answered(f"Temporal knows no workflow {handle.id}"):
            one = self.temporal.get_workflow_handle(handle.id, run_id=run_id)
            return await one.describe(rpc_timeout=_RPC)


@asynccontextmanager
async def _answered(unknown: str = "Temporal does not know it") -> AsyncIterator[None]:
    """Say in our words what Temporal refused or could not answer."""
    try:
        yield
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise UnreachableError(f"The state cannot be read: {error}") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise RefusedError(unknown) from error
        if error.status in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED):
            hint = ""
            if "search attribute" in error.message.lower():
                hint = ". Register our search attributes with `drs-waves init-tables`"
            raise RefusedError(f"Temporal refused: {error.message}{hint}") from error
        hint = ""
        if error.status in _WITHOUT_WORKER:
            hint = ", nor did a worker. Is one running? `drs-waves worker` starts one"
        raise UnreachableError(f"No answer: {error.message}{hint}") from error


def whoami() -> str:
    """Who starts an execution from this machine, as `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _static_details(start: StartExecution) -> str:
    plan = start.plan
    return (
        f"{start.execution_type} `{start.execution_id}` started by {start.started_by}\n\n"
        f"{len(plan.waves)} waves, {plan.server_count} servers; plan hash `{plan.plan_hash[:12]}`"
    )
