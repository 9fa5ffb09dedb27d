"""The workflow of a portfolio: starts each plan once what it depends on is up."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.portfolio.portfolio_activities import PortfolioActivities
    from contract.failures import FailureType
    from contract.identifiers import STATUS_KEY
    from contract.notify import NotificationProblems
    from contract.portfolio.plans import (
        PlanExecution,
        PlansCancelRequest,
        PortfolioRecordRequest,
    )
    from contract.portfolio.start import StartPortfolio, packed_portfolio
    from contract.temporal import HISTORY_TASK_QUEUE, WATCH_TASK_QUEUE
    from recovery.execution.state import PlanStatus
    from recovery.operator.confirmation import portfolio_refusal
    from recovery.portfolio.events import PortfolioEvents
    from recovery.portfolio.messages import PortfolioMessageHandler
    from recovery.portfolio.scheduler import PortfolioScheduler
    from recovery.portfolio.state import PortfolioState
    from recovery.text_format import shortened
    from workflows.activity_options import READ_RETRY, WRITE_RETRY
    from workflows.history_share import slowed, used_share
    from workflows.plan.notifications import Notifications
    from workflows.portfolio.messages import PortfolioMessages
    from workflows.portfolio.plan_runs import PlanRuns
    from workflows.signals import model_signal
    from workflows.waiting import wait_at_most

_MIN_TIMER_SECONDS = 0.2
_RECORD_PAUSE_SECONDS = 2.0
_RECORD_TIMEOUT_SECONDS = 30.0
_PLANS_SHOWN = 100


@workflow.defn
class PortfolioWorkflow:
    """Runs one execution of a portfolio.

    It decides what is started when; `PlanRuns` starts each plan's own execution and follows it.
    """

    @workflow.init
    def __init__(self, start: StartPortfolio) -> None:
        self._start = start
        self._scheduler = PortfolioScheduler(
            PortfolioState(
                execution_id=start.execution_id,
                portfolio_id=start.portfolio_id,
                portfolio_name=start.portfolio_name,
                execution_type=start.execution_type,
                started_by=start.started_by,
                start_time=start.start_time,
                declared_time=start.declared_time,
                deadline_seconds=start.deadline_seconds,
                point_in_time=start.point_in_time,
                from_execution=start.from_execution,
                expected_seconds=start.expected_seconds,
                plans=start.plans,
            )
        )
        self._scheduler.touch(workflow.time())
        self._messages = PortfolioMessages(
            start, PortfolioMessageHandler(self._scheduler), on_change=self._mark_changed
        )
        self._messages.register()
        self._changed = True
        self._runs = PlanRuns(start, self._scheduler, on_change=self._mark_changed)
        self._notifications = Notifications(
            self._state, PortfolioEvents(self._state), on_problem=self._mark_changed
        )
        self._recorded_revision = 0
        self._are_starts_recorded = False
        self._indexed_status = PlanStatus.IN_PROGRESS

    @workflow.run
    async def run(self, start: StartPortfolio) -> str:
        """Run the portfolio to its end.

        Returns:
            Its status, COMPLETED or PARTIAL.

        Raises:
            ApplicationError: PlanRefused, before anything is started; PlanFailed at the end.
            CancelledError: it was cancelled.
        """
        _refuse_unconfirmed(start)
        handling = asyncio.create_task(self._messages.handle_signals())
        recording = asyncio.create_task(self._record())
        is_cancelled = False
        try:
            await self._read_speed()
            self._notifications.begin()
            await self._run_plans()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            is_cancelled = True
            await self._cancel()
        await workflow.wait_condition(
            lambda: self._messages.all_handled and workflow.all_handlers_finished()
        )
        handling.cancel()
        self._scheduler.close(now=workflow.time())
        await self._runs.stop()
        self._mark_changed()
        self._show()
        if not await wait_at_most(
            _RECORD_TIMEOUT_SECONDS, lambda: self._is_recorded, summary="Stop recording"
        ):
            workflow.logger.error("The end of %s is not recorded", start.execution_id)
        recording.cancel()
        await self._notifications.finish(within_seconds=_RECORD_TIMEOUT_SECONDS)
        return self._close(is_cancelled=is_cancelled)

    @workflow.query
    def packed_status(self) -> bytes:
        """The state of the portfolio, for `unpacked_portfolio`."""
        return packed_portfolio(self._state)

    @workflow.query
    def starts(self) -> dict[str, str]:
        """By PlanId, the packed starts of its plans."""
        return self._start.starts

    @model_signal
    def notification_problems(self, report: NotificationProblems) -> None:
        """Handle the notifier's report of channels that it does not reach."""
        if report.execution_id == self._start.execution_id:
            self._notifications.set_problems(report.problems)

    @property
    def _state(self) -> PortfolioState:
        return self._scheduler.state

    async def _read_speed(self) -> None:
        context = await workflow.execute_activity_method(
            PortfolioActivities.read_portfolio_context,
            self._start.execution_id,
            task_queue=WATCH_TASK_QUEUE,
            summary="Read the worker's settings",
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=READ_RETRY,
        )
        self._state.speed = context.speed
        self._mark_changed()

    async def _run_plans(self) -> None:
        """Start each plan when what it depends on is up, until all have ended."""
        for each in self._state.plans:
            if each.has_started and not each.status.is_settled:
                self._runs.begin(each)
        while not self._scheduler.is_over and used_share() < 1.0:
            for each in self._scheduler.ready():
                self._scheduler.request_start(each.plan_id)
                self._runs.begin(each)
            self._show()
            deadline = self._scheduler.next_deadline
            left = None if deadline is None else max(_MIN_TIMER_SECONDS, deadline - workflow.time())
            if not await wait_at_most(left, lambda: self._changed, summary="The deadline is due"):
                self._scheduler.tick(now=workflow.time())
                self._scheduler.touch(workflow.time())
            self._changed = False
            self._runs.raise_failures()
        if not self._scheduler.is_over:
            self._scheduler.cancel(
                "Temporal's history of this execution is full; its plans go on, and "
                f"`{self._state.continue_command}` follows them"
            )

    async def _cancel(self) -> None:
        """Cancel the executions that it started, as asked for in Temporal."""
        reason = shortened(workflow.cancellation_reason() or "Cancelled")
        self._messages.record_cancellation(reason)
        await self._runs.stop()
        self._scheduler.cancel(reason)
        self._mark_changed()
        own = [
            PlanExecution(plan_id=each.plan_id, execution_id=each.current_execution_id or "")
            for each in self._state.plans
            if each.has_started and not each.status.is_settled and not each.is_attached
        ]
        result = await workflow.execute_activity_method(
            PortfolioActivities.cancel_plans,
            PlansCancelRequest(
                executions=own, execution_type=self._start.execution_type, reason=reason
            ),
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Cancel {len(own)} executions",
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        for plan_id, report in result.reports.items():
            self._scheduler.report(plan_id, report)

    def _mark_changed(self) -> None:
        self._changed = True
        self._scheduler.touch(workflow.time())
        self._notifications.wake()

    @property
    def _is_recorded(self) -> bool:
        return self._recorded_revision >= self._state.revision

    async def _record(self) -> None:
        """Have the state written to the history, one write at a time.

        The activity reads it by query: in Temporal's history, each copy of a large portfolio would
        stay.
        """
        while True:
            await workflow.wait_condition(lambda: not self._is_recorded)
            info = workflow.info()
            request = PortfolioRecordRequest(
                workflow_id=info.workflow_id,
                run_id=info.run_id,
                has_starts=not self._are_starts_recorded,
            )
            try:
                revision = await workflow.execute_activity_method(
                    PortfolioActivities.record_portfolio,
                    request,
                    task_queue=HISTORY_TASK_QUEUE,
                    summary="Record the portfolio",
                    schedule_to_close_timeout=timedelta(days=1),
                    start_to_close_timeout=timedelta(minutes=2),
                    heartbeat_timeout=heartbeat_timeout(),
                    retry_policy=WRITE_RETRY,
                )
            except ActivityError as error:
                workflow.logger.error("Recording failed: %s", error)
                revision = self._state.revision
            else:
                self._are_starts_recorded = True
            self._recorded_revision = revision
            pause = slowed(self._record_pause)
            await wait_at_most(pause, lambda: self._state.is_over, summary="Gather changes")

    @property
    def _record_pause(self) -> float:
        """A record has the whole state, so those of a large portfolio are fewer."""
        return _RECORD_PAUSE_SECONDS * max(1.0, len(self._state.plans) / 20)

    def _show(self) -> None:
        state = self._state
        if state.status is not self._indexed_status:
            self._indexed_status = state.status
            workflow.upsert_search_attributes([STATUS_KEY.value_set(state.status)])
        rows = [
            f"| {each.plan_name} | {each.status} | {each.status_reason} |"
            for each in state.plans[:_PLANS_SHOWN]
        ]
        heading = f"**{state.execution_type} {state.status}** {state.status_reason}"
        table = ["| Plan | Status | |", "| --- | --- | --- |", *rows]
        workflow.set_current_details("\n".join([heading, "", *table]))

    def _close(self, *, is_cancelled: bool) -> str:
        state = self._state
        if is_cancelled:
            raise asyncio.CancelledError(state.status_reason)
        if state.status in (PlanStatus.FAILED, PlanStatus.CANCELLED):
            raise ApplicationError(
                f"{state.portfolio_name} {state.status}: {state.status_reason}",
                type=FailureType.PLAN_FAILED,
                non_retryable=True,
            )
        return state.status.value


def _refuse_unconfirmed(start: StartPortfolio) -> None:
    refusal = portfolio_refusal(start.portfolio_id, start.execution_type, start.confirmation)
    if refusal is not None:
        raise ApplicationError(refusal.text, type=FailureType.PLAN_REFUSED, non_retryable=True)
    missing = [
        each.plan_id
        for each in start.plans
        if each.plan_id not in start.starts and not each.has_started
    ]
    if missing:
        raise ApplicationError(
            f"it has no start of {', '.join(missing[:5])}",
            type=FailureType.PLAN_REFUSED,
            non_retryable=True,
        )
