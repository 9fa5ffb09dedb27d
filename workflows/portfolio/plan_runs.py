"""Runs the plans of a portfolio: starts each one's execution once, and follows it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import (
        HEARTBEATS_PER_TIMEOUT,
        heartbeat_interval,
        heartbeat_timeout,
    )
    from activities.portfolio.portfolio_activities import PortfolioActivities
    from contract.portfolio.plans import PlanStartOutcome, PlanStartRequest, PlanWatchRequest
    from contract.portfolio.start import StartPortfolio
    from contract.temporal import WATCH_TASK_QUEUE
    from recovery.portfolio.scheduler import PortfolioScheduler
    from recovery.portfolio.state import MemberState, PlanReport
    from workflows.activity_options import READ_RETRY
    from workflows.history_share import slowed

_STARTS_AT_ONCE = 20
# Before an execution of the other type has ended, a plan is not started.
_HELD_SECONDS = 30.0
# Temporal is asked for about 20 executions a second.
_POLL_SECONDS, _POLL_SECONDS_PER_PLAN = 2.0, 0.05
_QUIET_SECONDS, _QUIET_SECONDS_PER_PLAN = 30.0, 6.0
# Each heartbeat of a follower is a write to this one workflow: at most 20 a second.
_HEARTBEAT_SECONDS_PER_PLAN = 0.05


def follower_heartbeat(open_plans: int) -> timedelta:
    """The interval of the heartbeats of each activity that follows a plan."""
    return max(heartbeat_interval(), timedelta(seconds=_HEARTBEAT_SECONDS_PER_PLAN * open_plans))


class PlanRuns:
    """Starts and follows the executions of plans, and reports to the scheduler.

    None is a child: each goes on whatever becomes of the portfolio. Their progress is read by
    activities, not reported by them, so that nothing is lost when one of the two is terminated,
    reset or taken over.
    """

    def __init__(
        self,
        start: StartPortfolio,
        scheduler: PortfolioScheduler,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self._start = start
        self._scheduler = scheduler
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_STARTS_AT_ONCE)

    def raise_failures(self) -> None:
        """Raise the error of a run that failed, which is a defect."""
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.result()

    def begin(self, member: MemberState) -> None:
        """Start a plan, or follow it if it has a report already."""
        self._tasks[member.plan_id] = asyncio.create_task(self._run_plan(member))

    async def _run_plan(self, member: MemberState) -> None:
        """Start a plan's execution once, and follow it and what continues it."""
        if member.report is None:
            execution_id = await self._started(member)
            if execution_id is None:
                return
        else:
            # It runs since an earlier execution of the portfolio.
            execution_id = member.report.execution_id
        while True:
            report = await self._watched(member, execution_id)
            execution_id = report.execution_id
            self._scheduler.report(member.plan_id, report)
            self._on_change()

    async def _started(self, member: MemberState) -> str | None:
        """The execution that was started or runs; None if there is none."""
        plan_id = member.plan_id
        async with self._slots:
            result = await workflow.execute_activity_method(
                PortfolioActivities.start_plan,
                PlanStartRequest(
                    start=self._start.starts[plan_id],
                    portfolio=self._start.execution_id,
                    priority=member.priority,
                    replace_drill=self._start.replace_drills,
                ),
                summary=f"Start {member.plan_name}"[:100],
                start_to_close_timeout=timedelta(minutes=2),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=READ_RETRY,
                # Else an execution might be started after a cancellation has looked for it.
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        match result.outcome:
            case PlanStartOutcome.HELD:
                self._scheduler.hold(plan_id, result.reason)
                self._on_change()
                pause = slowed(_HELD_SECONDS / self._scheduler.state.speed)
                await workflow.sleep(pause, summary=f"{member.plan_name} is held"[:100])
                self._scheduler.release(plan_id)
            case PlanStartOutcome.REFUSED:
                self._scheduler.refuse(plan_id, result.reason)
            case _:
                self._scheduler.begin(plan_id, result.execution_id)
                self._on_change()
                return result.execution_id
        self._on_change()
        return None

    async def _watched(self, member: MemberState, execution_id: str) -> PlanReport:
        open_plans = sum(not each.status.is_settled for each in self._scheduler.state.plans)
        heartbeat = follower_heartbeat(open_plans)
        return await workflow.execute_activity_method(
            PortfolioActivities.watch_plan,
            PlanWatchRequest(
                plan_id=member.plan_id,
                execution_id=execution_id,
                execution_type=self._start.execution_type,
                since=self._start.start_time,
                known=member.report,
                awaited=self._scheduler.awaited_waves(member.plan_id),
                poll_seconds=max(_POLL_SECONDS, _POLL_SECONDS_PER_PLAN * open_plans),
                quiet_seconds=slowed(max(_QUIET_SECONDS, _QUIET_SECONDS_PER_PLAN * open_plans)),
                heartbeat_seconds=heartbeat.total_seconds(),
            ),
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Follow {execution_id}"[:100],
            start_to_close_timeout=timedelta(days=30),
            heartbeat_timeout=heartbeat * HEARTBEATS_PER_TIMEOUT,
            retry_policy=READ_RETRY,
        )

    async def stop(self) -> None:
        """Stop following executions, and starting them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
