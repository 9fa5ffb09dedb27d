"""The clean-up after a drill: terminates exactly the recovery instances that it launched."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cleanup import CleanupActivities
    from activities.executions import ExecutionActivities
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from activities.isolation.lease_activities import LeaseActivities
    from contract.cleanup import (
        CleanupScope,
        FoundInstances,
        StartCleanup,
        TargetScope,
        TemplateComparison,
        TerminateRequest,
    )
    from contract.execution import ExecutionEndRequest
    from contract.failures import FailureType
    from contract.identifiers import plan_workflow_id
    from contract.temporal import HISTORY_TASK_QUEUE, WATCH_TASK_QUEUE
    from recovery.access.grants import AccessRefusedError
    from recovery.access.session_identity import SessionIdentity
    from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
    from recovery.execution.wave import next_revision
    from recovery.history.record import HistoryRecord
    from recovery.notify.event_kind import EventKind
    from recovery.notify.events import Event
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.operator.confirmation import cleanup_refusal
    from workflows.activity_options import LAUNCH_RETRY
    from workflows.notifier_report import report
    from workflows.recorder import MAX_RECORD_SECONDS, Recorder
    from workflows.versioning import LONG_LIVED
    from workflows.waiting import wait_at_most

_LONGEST = timedelta(days=8)
_REPORT_SECONDS = 3600.0
_END_SECONDS = 60.0
_SHOWN = 3


@workflow.defn(versioning_behavior=LONG_LIVED)
class DrillCleanupWorkflow:
    """Terminates one execution's instances, verifies it, and lists what is left."""

    @workflow.init
    def __init__(self, start: StartCleanup) -> None:
        self._start = start
        self._state = CleanupState(
            execution_id=start.execution_id,
            status=CleanupStatus.WAITING,
            status_reason="Waiting for the end of the execution",
            actor=start.actor,
            start_time=workflow.time(),
        )
        self._recorder = Recorder(self._unrecorded, pause_seconds=0)

    @workflow.run
    async def run(self, start: StartCleanup) -> CleanupState:
        """Clean up.

        Raises:
            ApplicationError: CleanupRefused, or CleanupIncomplete if instances are left.
        """
        await self._wait_for_start()
        scope = await self._scope()
        self._refuse_unconfirmed(scope)
        # Recording runs in the background: an unavailable history must not delay the clean-up.
        self._recorder.begin()
        reporting = asyncio.create_task(self._report_break_glass(scope))
        self._set_status(CleanupStatus.IN_PROGRESS, "Waiting for the jobs of the execution to end")
        found = await asyncio.gather(*(self._find(target) for target in scope.targets))
        count = sum(len(each.instances) for each in found)
        self._set_status(CleanupStatus.IN_PROGRESS, f"Terminating {count} recovery instances")
        left = await asyncio.gather(*map(self._terminate, scope.targets, found))
        compared = await asyncio.gather(*map(self._compare, scope.targets))
        self._state.differences = [text for each in compared for text in each.differences]
        self._state.applied = [text for each in compared for text in each.applied]
        self._end(found, [instance for some in left for instance in some])
        await self._report(scope)
        if not reporting.done():
            await wait_at_most(_END_SECONDS, reporting.done, summary="Stop reporting")
        await self._recorder.finish(within_seconds=MAX_RECORD_SECONDS)
        if self._state.status is CleanupStatus.COMPLETED:
            return self._state
        raise ApplicationError(
            self._state.status_reason, type=FailureType.CLEANUP_INCOMPLETE, non_retryable=True
        )

    @workflow.query
    def status(self) -> CleanupState:
        """The state of the clean-up."""
        return self._state

    async def _wait_for_start(self) -> None:
        start = self._start
        await workflow.execute_activity_method(
            ExecutionActivities.await_execution_end,
            ExecutionEndRequest(
                workflow_id=plan_workflow_id(start.plan_id), execution_id=start.execution_id
            ),
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Await the end of {start.execution_id}",
            start_to_close_timeout=_LONGEST,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=LAUNCH_RETRY,
        )
        if start.after_seconds:
            await workflow.sleep(start.after_seconds, summary="Clean up after this delay")

    async def _scope(self) -> CleanupScope:
        return await workflow.execute_activity_method(
            HistoryActivities.cleanup_scope,
            self._start.execution_id,
            task_queue=HISTORY_TASK_QUEUE,
            summary="Read launched servers from the history",
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=LAUNCH_RETRY,
        )

    def _refuse_unconfirmed(self, scope: CleanupScope) -> None:
        execution = scope.execution
        refused = cleanup_refusal(
            execution.plan_id, execution.execution_type, self._start.confirmation
        )
        if refused is not None:
            raise ApplicationError(
                refused.text, type=FailureType.CLEANUP_REFUSED, non_retryable=True
            )

    @property
    def _acting_for(self) -> SessionIdentity:
        start = self._start
        return SessionIdentity.of(start.plan_id, start.execution_id, start.actor)

    async def _find(self, scope: TargetScope) -> FoundInstances:
        """The instances in a target; a target that is refused does not hold back the others."""
        try:
            return await self._look_for(scope)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            reason = f"what was launched is not known: {_reason_of(error)}"
            ids = scope.launched_ids
            maybe_launched = scope.server_ids if ids is None else ids
            left = [
                LaunchedInstance(
                    recovery_instance_id="unknown",
                    source_server_id=server_id,
                    recovery_job_id="",
                    region=scope.target.region,
                    reason=reason,
                )
                for server_id in maybe_launched
            ]
            return FoundInstances(instances=[], left=left)

    async def _look_for(self, scope: TargetScope) -> FoundInstances:
        return await workflow.execute_activity_method(
            CleanupActivities.find_instances,
            scope.model_copy(update={"acting_for": self._acting_for}),
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Find launched instances in {scope.target.region}",
            start_to_close_timeout=_LONGEST,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=LAUNCH_RETRY,
        )

    async def _terminate(self, scope: TargetScope, found: FoundInstances) -> list[LaunchedInstance]:
        if not found.instances:
            return []
        try:
            return await workflow.execute_activity_method(
                CleanupActivities.terminate,
                TerminateRequest(
                    target=scope.target,
                    instances=found.instances,
                    acting_for=self._acting_for,
                    cleanup=self._start,
                ),
                task_queue=WATCH_TASK_QUEUE,
                summary=f"Terminate {len(found.instances)} instances in {scope.target.region}",
                schedule_to_close_timeout=timedelta(hours=6),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=LAUNCH_RETRY,
            )
        except ActivityError as error:
            reason = _reason_of(error)
            return [i.left(reason) for i in found.instances]

    async def _compare(self, scope: TargetScope) -> TemplateComparison:
        """How launch templates differ from what they were before the drill, if it isolated any."""
        if not scope.isolated:
            return TemplateComparison()
        try:
            return await workflow.execute_activity_method(
                LeaseActivities.compare_templates,
                scope.model_copy(update={"acting_for": self._acting_for}),
                task_queue=WATCH_TASK_QUEUE,
                summary=f"Compare launch templates in {scope.target.region}",
                schedule_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=LAUNCH_RETRY,
            )
        except ActivityError as error:
            text = f"launch templates could not be compared: {_reason_of(error)}"
            return TemplateComparison(differences=[text])

    def _end(self, found: list[FoundInstances], left: list[LaunchedInstance]) -> None:
        left_ids = {i.recovery_instance_id for i in left}
        instances = [i for each in found for i in each.instances]
        self._state.terminated = [i for i in instances if i.recovery_instance_id not in left_ids]
        left = left + [i for each in found for i in each.left]
        self._state.leftovers = left
        self._state.end_time = workflow.time()
        unfinished = [job for each in found for job in each.unfinished]
        reason = f"{len(self._state.terminated)} recovery instances are terminated"
        if left:
            reason += f", {len(left)} are left"
        if unfinished:
            reason += f"; jobs still run: {', '.join(unfinished)}"
        if differences := self._state.differences:
            reason += f"; {'; '.join(differences[:_SHOWN])}"
            if len(differences) > _SHOWN:
                reason += f"; and {len(differences) - _SHOWN} more"
        clean = not left and not unfinished and not differences
        self._set_status(CleanupStatus.COMPLETED if clean else CleanupStatus.PARTIAL, reason)

    async def _report_break_glass(self, scope: CleanupScope) -> None:
        """Report that an offline key was used; activities verify if it is a known one."""
        signed = self._start.signed
        try:
            reason = signed.grant().break_glass if signed is not None else None
        except AccessRefusedError:
            return
        if reason is not None:
            event = Event(
                kind=EventKind.BREAK_GLASS,
                key=f"{EventKind.BREAK_GLASS}/cleanup/{self._state.start_time:.0f}",
                time=workflow.time(),
                reason=f"{self._start.actor}: clean-up: {reason}",
            )
            await self._send(event, scope, within_seconds=_REPORT_SECONDS)

    async def _send(self, event: Event, scope: CleanupScope, *, within_seconds: float) -> None:
        update = NotifyUpdate(execution=scope.execution, events=[event], is_after_end=True)
        await report(update, scope.channels, within_seconds=within_seconds)

    async def _report(self, scope: CleanupScope) -> None:
        """Report what is left."""
        if self._state.status is CleanupStatus.COMPLETED:
            return
        event = Event(
            kind=EventKind.CLEANUP_LEFT,
            key=f"{EventKind.CLEANUP_LEFT}/{self._state.start_time:.0f}",
            time=workflow.time(),
            reason=self._state.status_reason,
        )
        # Another clean-up can begin only after that.
        await self._send(event, scope, within_seconds=_END_SECONDS)

    def _set_status(self, status: CleanupStatus, reason: str) -> None:
        self._state.status, self._state.status_reason = status, reason
        self._state.revision = next_revision(self._state.revision, workflow.time())
        workflow.set_current_details(f"**Clean-up {status}** {reason}")
        self._recorder.wake()

    def _unrecorded(self) -> HistoryRecord | None:
        state = self._state
        if state.revision <= self._recorder.recorded_cleanup:
            return None
        return HistoryRecord(execution_id=state.execution_id, cleanup=state.model_copy(deep=True))


def _reason_of(error: ActivityError) -> str:
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
