"""A drill that a plan's schedule starts: announced, started once, cleaned up and reported."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.schedule.schedule_activities import ScheduleActivities
    from contract.cleanup import StartCleanup
    from contract.execution import ExecutionRun, StartExecution
    from contract.identifiers import (
        TARGETS_MEMO,
        cleanup_workflow_id,
        plan_workflow_id,
        search_attributes,
    )
    from contract.schedules.drill import DrillLook, ScheduledDrill
    from contract.schedules.kinds import SCHEDULED_TIME
    from contract.temporal import HISTORY_TASK_QUEUE, PLAN_PRIORITY, PLAN_TASK_TIMEOUT
    from recovery.execution.cleanup_state import CleanupState, CleanupStatus
    from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
    from recovery.notify.event_kind import EventKind
    from recovery.notify.events import Event, NotifiedExecution
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.plan.model import PlanChannel, RecoveryPlan
    from recovery.schedule.decision import DrillEvidence, skip_of
    from recovery.schedule.grant import CATCH_UP_SECONDS
    from recovery.schedule.record import DrillRecord, DrillStatus, Skip, SkipCode
    from recovery.text_format import rounded_duration
    from workflows.activity_options import READ_RETRY, WRITE_RETRY
    from workflows.drill_cleanup import DrillCleanupWorkflow
    from workflows.notifier_report import report
    from workflows.plan.workflow import RecoveryPlanWorkflow
    from workflows.versioning import LONG_LIVED

_LOOK_SECONDS = 600.0
_RECORD_SECONDS = 3600.0


@workflow.defn(versioning_behavior=LONG_LIVED)
class ScheduledDrillWorkflow:
    """Decides whether a drill starts, has it run once, and says what became of it."""

    @workflow.init
    def __init__(self, drill: ScheduledDrill) -> None:
        self._drill = drill
        given = workflow.info().typed_search_attributes.get(SCHEDULED_TIME)
        started = workflow.info().start_time.timestamp()
        # A trigger has a fraction; only a time of the cron is exactly a minute.
        self._scheduled_time = given.timestamp() if given is not None else started
        # Somebody who has one at once knows of it.
        self._delay = 0.0 if drill.run_now else drill.announce_seconds
        self._record = DrillRecord(
            plan_id=drill.plan_id,
            scheduled_time=self._scheduled_time,
            start_time=workflow.time() + self._delay,
            execution_id=drill.execution_id(self._scheduled_time),
            started_by=drill.run_now.actor if drill.run_now else None,
            status=DrillStatus.ANNOUNCED,
        )
        self._plan_name = drill.plan_id
        self._speed = 1.0
        self._channels: list[PlanChannel] = []

    @workflow.run
    async def run(self, drill: ScheduledDrill) -> DrillRecord:
        """Run one drill, or record why it does not start."""
        if workflow.time() > self._scheduled_time + CATCH_UP_SECONDS:
            late = rounded_duration(workflow.time() - self._scheduled_time)
            await self._skip(Skip(code=SkipCode.MISSED, reason=f"No worker took it up for {late}"))
            return self._record
        plan = await self._decide()
        if plan is not None and self._delay:
            await self._announce()
            plan = await self._decide()
        if plan is None:
            return self._record
        try:
            running = await self._start(plan)
        except WorkflowAlreadyStartedError:
            text = f"Another execution of {drill.plan_id} has started meanwhile"
            await self._skip(Skip(code=SkipCode.EXECUTION_RUNS, reason=text))
            return self._record
        cleaning = await self._start_cleanup()
        await self._write(DrillStatus.RUNNING, f"{self._record.execution_id} runs")
        self._record.outcome = await self._outcome(running)
        text = f"{self._record.execution_id} ended {self._record.outcome}; its clean-up follows"
        await self._write(DrillStatus.CLEANING_UP, text)
        self._record.cleanup = await _cleanup_status(cleaning)
        cleanup = self._record.cleanup or "FAILED; see `drs-waves history`"
        text = f"{self._record.execution_id} ended {self._record.outcome}; clean-up {cleanup}"
        await self._write(DrillStatus.ENDED, text)
        await self._notify(EventKind.DRILL_ENDED)
        return self._record

    @workflow.query
    def status(self) -> DrillRecord:
        """What became of the drill so far."""
        return self._record

    async def _decide(self) -> RecoveryPlan | None:
        """The plan to start; None if it is skipped."""
        look = DrillLook(
            drill=self._drill,
            execution_id=self._record.execution_id,
            scheduled_time=self._scheduled_time,
        )
        try:
            seen = await workflow.execute_activity_method(
                ScheduleActivities.look_at_drill,
                look,
                task_queue=HISTORY_TASK_QUEUE,
                summary="Look whether the drill may start",
                schedule_to_close_timeout=timedelta(seconds=_LOOK_SECONDS),
                start_to_close_timeout=timedelta(minutes=2),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=READ_RETRY,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            seen = DrillEvidence(problem=str(error.cause or error))
        self._speed = seen.speed
        if seen.plan is not None:
            self._plan_name, self._channels = seen.plan.plan_name, seen.plan.notify
        skip = skip_of(
            seen,
            self._drill.subject,
            start_time=max(self._record.start_time, workflow.time()),
        )
        if skip is None:
            return seen.plan
        await self._skip(skip)
        return None

    async def _skip(self, skip: Skip) -> None:
        self._record.skip = skip.code
        await self._write(DrillStatus.SKIPPED, skip.reason)
        is_missed = skip.code is SkipCode.MISSED
        await self._notify(EventKind.DRILL_OVERDUE if is_missed else EventKind.DRILL_SKIPPED)

    async def _announce(self) -> None:
        await self._write(DrillStatus.ANNOUNCED, "It starts at the announced time")
        await self._notify(EventKind.DRILL_ANNOUNCED)
        left = self._record.start_time - workflow.time()
        await workflow.sleep(max(0.0, left), summary="The drill is announced")

    async def _start(
        self, plan: RecoveryPlan
    ) -> workflow.ChildWorkflowHandle[RecoveryPlanWorkflow, ExecutionState]:
        """Start the drill. Its workflow ID is the plan's, so that nothing else of it runs.

        Raises:
            WorkflowAlreadyStartedError: an execution of the plan runs.
        """
        drill, record = self._drill, self._record
        learned = await workflow.execute_activity_method(
            ScheduleActivities.learned_for_drill,
            plan,
            task_queue=HISTORY_TASK_QUEUE,
            summary="Read how long its servers took before",
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=READ_RETRY,
        )
        run_now = drill.run_now
        start = StartExecution(
            execution_id=record.execution_id,
            plan=plan,
            execution_type=ExecutionType.DRILL,
            started_by=drill.started_by,
            start_time=run_now.time if run_now else workflow.time(),
            learned=learned,
            signed=run_now.signed_start if run_now else drill.signed,
            scheduled_time=None if run_now else self._scheduled_time,
        )
        return await workflow.start_child_workflow(
            RecoveryPlanWorkflow.run,
            start,
            id=plan_workflow_id(drill.plan_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            task_timeout=PLAN_TASK_TIMEOUT,
            priority=PLAN_PRIORITY,
            static_summary=start.summary,
            static_details=start.details,
            memo={TARGETS_MEMO: start.targets_memo},
            search_attributes=search_attributes(
                drill.plan_id, record.execution_id, ExecutionType.DRILL, PlanStatus.IN_PROGRESS
            ),
        )

    async def _start_cleanup(
        self,
    ) -> workflow.ChildWorkflowHandle[DrillCleanupWorkflow, CleanupState] | None:
        """Start the clean-up, which waits for the drill's end; None if somebody started one."""
        drill, execution_id = self._drill, self._record.execution_id
        run_now = drill.run_now
        start = StartCleanup(
            execution_id=execution_id,
            plan_id=drill.plan_id,
            actor=drill.started_by,
            after_seconds=drill.cleanup_seconds,
            signed=run_now.signed_cleanup if run_now else drill.signed,
            scheduled_time=None if run_now else self._scheduled_time,
        )
        try:
            return await workflow.start_child_workflow(
                DrillCleanupWorkflow.run,
                start,
                id=cleanup_workflow_id(execution_id),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                static_summary=f"Clean up after {execution_id}"[:190],
                search_attributes=search_attributes(drill.plan_id, execution_id),
            )
        except WorkflowAlreadyStartedError:
            return None

    async def _outcome(
        self, running: workflow.ChildWorkflowHandle[RecoveryPlanWorkflow, ExecutionState]
    ) -> PlanStatus:
        """Await the drill's end."""
        try:
            return (await running).status
        except ChildWorkflowError:
            return await workflow.execute_activity_method(
                ScheduleActivities.read_outcome,
                ExecutionRun(
                    execution_id=self._record.execution_id,
                    workflow_id=plan_workflow_id(self._drill.plan_id),
                    run_id=running.first_execution_run_id or "",
                ),
                task_queue=HISTORY_TASK_QUEUE,
                summary="Read how the drill ended",
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=READ_RETRY,
            )

    async def _write(self, status: DrillStatus, reason: str) -> None:
        """Record what became of the drill; without the history it goes on all the same."""
        self._record.status, self._record.reason = status, reason
        workflow.set_current_details(f"**{status}** {reason}")
        try:
            await workflow.execute_activity_method(
                ScheduleActivities.record_drill,
                self._record,
                task_queue=HISTORY_TASK_QUEUE,
                summary=f"Record that it is {status}",
                schedule_to_close_timeout=timedelta(seconds=_RECORD_SECONDS),
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=WRITE_RETRY,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.error("A scheduled drill is not recorded: %s", error)

    async def _notify(self, kind: EventKind) -> None:
        record = self._record
        execution = NotifiedExecution(
            execution_id=record.execution_id,
            plan_id=record.plan_id,
            plan_name=self._plan_name,
            execution_type=ExecutionType.DRILL,
            started_by=self._drill.started_by,
            start_time=record.start_time,
        )
        event = Event(
            kind=kind,
            key=f"{kind}/{record.execution_id}",
            time=record.start_time if kind is EventKind.DRILL_ANNOUNCED else workflow.time(),
            reason=record.reason,
            outcome=record.outcome,
        )
        update = NotifyUpdate(
            execution=execution, speed=self._speed, events=[event], is_after_end=True
        )
        await report(update, self._channels, within_seconds=_RECORD_SECONDS)


async def _cleanup_status(
    cleaning: workflow.ChildWorkflowHandle[DrillCleanupWorkflow, CleanupState] | None,
) -> CleanupStatus | None:
    """How a clean-up ended; None if that is not known."""
    if cleaning is None:
        return None
    try:
        return (await cleaning).status
    except ChildWorkflowError:
        return CleanupStatus.PARTIAL
