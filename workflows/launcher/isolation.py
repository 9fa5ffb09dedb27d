"""The launch of one batch of a drill that isolates servers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.isolation.isolation_activities import IsolationActivities
    from contract.identifiers import guard_workflow_id, lease_workflow_id
    from contract.launch import BatchRequest, BatchResult
    from contract.launch_settings.lease import Isolation, LeaseInput, LeaseOutcome
    from workflows.activity_options import LAUNCH_RETRY
    from workflows.launcher.batch_call import launched, start_launch
    from workflows.lease.guard import TemplateGuardWorkflow
    from workflows.lease.workflow import LeaseWorkflow

# A recovery of the same servers waits for it.
_LONGEST = timedelta(seconds=90)


class IsolatedBatch:
    """The launch of a batch: versions created, lease started, templates switched, launched.

    The lease begins before the first switch, so that whatever becomes of the launcher, the
    templates are restored.
    """

    def __init__(self, request: BatchRequest) -> None:
        self._request = request.model_copy(update={"lease_id": workflow.uuid4().hex[:12]})
        self._running: workflow.ActivityHandle[Any] | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """Stop: what is not sent yet is not sent."""
        self._is_cancelled = True
        if self._running is not None:
            self._running.cancel()

    async def run(self) -> BatchResult:
        """Launch."""
        isolation = await self._prepared()
        lease = await self._begun(isolation) if isolation.leases else None
        if lease is not None and not self._is_cancelled:
            isolation = await self._switched(isolation)
        result = BatchResult()
        if not self._is_cancelled:
            result = await self._launched(isolation)
        if lease is not None:
            await self._settle(lease, result)
        return result

    async def _prepared(self) -> Isolation:
        try:
            return await self._call(
                IsolationActivities.prepare_isolation, self._request, "Create template versions"
            )
        except ActivityError as error:
            return self._held(_reason(error))

    async def _switched(self, isolation: Isolation) -> Isolation:
        request = self._request.model_copy(update={"isolation": isolation})
        try:
            return await self._call(
                IsolationActivities.switch_templates, request, "Switch launch templates"
            )
        except ActivityError as error:
            return self._held(_reason(error), refused=isolation.refused)

    async def _launched(self, isolation: Isolation) -> BatchResult:
        # Without any lease too: a job that was started before is found, and launches are refused.
        self._running = start_launch(self._request.model_copy(update={"isolation": isolation}))
        if self._is_cancelled:
            self._running.cancel()
        return await launched(self._running)

    async def _call(
        self, activity: Callable[..., Any], request: BatchRequest, summary: str
    ) -> Isolation:
        call: workflow.ActivityHandle[Isolation] = workflow.start_activity_method(
            activity,
            request,
            summary=f"{summary} of {sum(len(r.server_ids) for r in request.requests)} servers",
            schedule_to_close_timeout=_LONGEST,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=LAUNCH_RETRY,
        )
        self._running = call
        return await call

    async def _begun(
        self, isolation: Isolation
    ) -> workflow.ChildWorkflowHandle[LeaseWorkflow, Any] | None:
        requests = self._request.requests
        lease_id = self._request.lease_id
        executions = list(dict.fromkeys(request.execution_id for request in requests))
        try:
            return await workflow.start_child_workflow(
                LeaseWorkflow.run,
                LeaseInput(
                    target=requests[0].target,
                    lease_id=lease_id,
                    leases=isolation.leases,
                    execution_ids=executions,
                    launch_ids=[request.launch_id for request in requests],
                    since=min(request.since for request in requests),
                    expires_time=isolation.expires_time,
                    acting_for=requests[0].acting_for if len(executions) == 1 else None,
                ),
                id=lease_workflow_id(requests[0].target.region, lease_id),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"Launch templates of {', '.join(executions)}"[:200],
            )
        except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
            # Somebody has started one of this ID, which restores them.
            workflow.logger.error("The lease cannot be started: %s", error)
            self._is_cancelled = True
            return None

    async def _settle(
        self, lease: workflow.ChildWorkflowHandle[LeaseWorkflow, Any], result: BatchResult
    ) -> None:
        jobs = {
            server.source_server_id: server.recovery_job_id
            for each in result.results
            for server in each.servers
            if server.recovery_job_id
        }
        outcome = LeaseOutcome(jobs=jobs, in_doubt=result.in_doubt)
        try:
            await lease.signal(LeaseWorkflow.launch_settled, outcome)
        except ApplicationError:
            workflow.logger.error("The lease %s has ended before the launch", lease.id)

    def _held(self, reason: str, *, refused: dict[str, str] | None = None) -> Isolation:
        servers = [i for request in self._request.requests for i in request.drill_settings]
        return Isolation(
            refused=refused or {},
            held=dict.fromkeys(servers, reason),
            expires_time=workflow.time() + _LONGEST.total_seconds(),
        )


async def begin_guard(result: BatchResult) -> None:
    """Start what keeps drills' versions away from the job of a recovery, where one may come."""
    guard = result.guard
    if guard is None:
        return
    region = guard.target.region
    job_id = result.job_id or next(iter(guard.jobs.values()))
    try:
        await workflow.start_child_workflow(
            TemplateGuardWorkflow.run,
            guard,
            id=guard_workflow_id(region, job_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"Launch templates of {job_id}",
        )
    except (ChildWorkflowError, WorkflowAlreadyStartedError):
        workflow.logger.info("%s is guarded already", job_id)


def _reason(error: ActivityError) -> str:
    if is_cancelled_exception(error):
        return "the launch was withdrawn"
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else "EC2 and DRS did not answer"
