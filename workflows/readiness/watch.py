"""The look at a registered plan: recorded, and reported when it changes."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.readiness.results import ReadinessResultActivities
    from contract.identifiers import new_execution_id
    from contract.readiness import ReadinessRecord, RegisteredLook
    from contract.schedules.kinds import SCHEDULED_TIME
    from contract.temporal import READINESS_TASK_QUEUE, TASK_QUEUE
    from recovery.execution.state import ExecutionType
    from recovery.notify.event_kind import EventKind
    from recovery.notify.events import Event, NotifiedExecution
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.plan.model import RecoveryPlan
    from recovery.readiness.result import PlanReadiness
    from recovery.time_text import read_duration
    from workflows.activity_options import READ_RETRY, WRITE_RETRY
    from workflows.notifier_report import report
    from workflows.readiness.look import look_at

# The next look comes.
_LOOK_SECONDS = 1800.0
_REPORT_SECONDS = 3600.0


@workflow.defn
class WatchReadinessWorkflow:
    """Looks at a registered plan, as its Schedule or a person asks; launches nothing."""

    @workflow.run
    async def run(self, plan_id: str) -> PlanReadiness | None:
        """Look, record what was found, and report that readiness was lost or regained.

        A look of a Schedule does not disturb a recovery that runs in an account of the plan. For
        any other somebody waits, so everything is read now.

        Returns:
            The result; None if the plan is not registered, or a recovery comes first.
        """
        scheduled = workflow.info().typed_search_attributes.get(SCHEDULED_TIME)
        is_fresh = scheduled is None
        queue = TASK_QUEUE if is_fresh else READINESS_TASK_QUEUE
        registered: RegisteredLook = await workflow.execute_activity_method(
            ReadinessResultActivities.find_registered_plan,
            plan_id,
            task_queue=queue,
            summary=f"Read the registered plan {plan_id}",
            start_to_close_timeout=timedelta(minutes=1),
            schedule_to_close_timeout=timedelta(seconds=_LOOK_SECONDS),
            retry_policy=READ_RETRY,
        )
        plan = registered.plan
        if plan is None or (registered.recoveries and not is_fresh):
            return None
        found = await look_at(plan, is_fresh=is_fresh)
        found = found.with_findings([*registered.findings, *found.findings])
        result: PlanReadiness = await workflow.execute_activity_method(
            ReadinessResultActivities.record_readiness,
            ReadinessRecord(
                plan_id=plan_id,
                period_seconds=read_duration(plan.readiness_every),
                readiness=found,
            ),
            task_queue=queue,
            summary=f"Record that {plan.plan_name} is {found.status}"[:190],
            start_to_close_timeout=timedelta(minutes=1),
            schedule_to_close_timeout=timedelta(seconds=_LOOK_SECONDS),
            retry_policy=WRITE_RETRY,
        )
        if result.is_lost or result.is_regained:
            await _notify(plan, result)
        return result


async def _notify(plan: RecoveryPlan, result: PlanReadiness) -> None:
    kind = EventKind.READINESS_LOST if result.is_lost else EventKind.READINESS_REGAINED
    unique = new_execution_id(plan.plan_id, key=f"readiness {result.looked_time}")
    execution = NotifiedExecution(
        execution_id=unique,
        plan_id=plan.plan_id,
        plan_name=plan.plan_name,
        execution_type=ExecutionType.RECOVERY,
        started_by="readiness",
        start_time=result.looked_time,
    )
    event = Event(
        kind=kind,
        key=f"{kind}/{unique}",
        time=result.looked_time,
        reason=result.reason,
        readiness=result.status,
    )
    update = NotifyUpdate(execution=execution, events=[event], is_after_end=True)
    await report(update, plan.notify, within_seconds=_REPORT_SECONDS)
