"""The activities of a portfolio's workflow."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.access.audit_events import start_event
from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from activities.portfolio.plan_execution import (
    FoundExecution,
    cancel_cleanups,
    ended_report,
    find_execution,
    latest_execution,
    read_state,
    settled_execution,
)
from activities.portfolio.plan_start import start_plan_workflow
from contract.execution import StartExecution
from contract.identifiers import plan_workflow_id
from contract.portfolio.plans import (
    PlanExecution,
    PlansCancelRequest,
    PlansCancelResult,
    PlanStartOutcome,
    PlanStartRequest,
    PlanStartResult,
    PlanWatchRequest,
    PortfolioRecordRequest,
)
from contract.portfolio.start import PortfolioContext, unpacked_portfolio, unpacked_start
from contract.temporal import REPLAY_TIMEOUT, RPC_TIMEOUT
from recovery.access.binding import require_current, require_same
from recovery.access.grants import AccessRefusedError
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.portfolio.report import is_urgent_change, report_of
from recovery.portfolio.state import PlanReport
from settings import Settings
from storage.durations import learned_durations_in_time
from storage.history import HistoryError, HistoryTable
from storage.portfolios import PortfolioTable

_MIN_POLL_SECONDS = 0.5
_CANCEL_SECONDS = 60.0
_REFUSED = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED)


class PortfolioActivities:
    """Starts plans' executions exactly once, and reports what becomes of them."""

    def __init__(self, settings: Settings, table: HistoryTable, verifier: RequestVerifier) -> None:
        self._speed = settings.speed
        self._history = table
        self._portfolios = PortfolioTable(settings)
        self._verifier = verifier

    @activity.defn
    async def read_portfolio_context(self, execution_id: str) -> PortfolioContext:
        """What the workflow of a portfolio's execution needs to know of this worker."""
        return PortfolioContext(speed=self._speed)

    @activity.defn
    async def start_plan(self, request: PlanStartRequest) -> PlanStartResult:
        """Start a plan's execution, unless it was started before or another one runs.

        Raises:
            ApplicationError: retryable; Temporal did not answer.
        """
        start, client = unpacked_start(request.start), activity.client()
        plan_id = start.plan.plan_id
        async with heartbeating():
            try:
                if (refusal := self._refusal(start)) is not None:
                    return _result(PlanStartOutcome.REFUSED, start.execution_id, refusal)
                known = await _known_start(client, start)
                if request.replace_drill and start.execution_type is ExecutionType.RECOVERY:
                    known = await _without_drill(client, start, known)
                if known is not None:
                    return known
                start.portfolio, start.portfolio_time = request.portfolio, time.time()
                start.priority = request.priority
                start.learned = await learned_durations_in_time(self._history, start.plan)
                await _whole(start_plan_workflow(client, start))
            except WorkflowAlreadyStartedError as error:
                # Another attempt, or someone else, was faster; the next attempt sees what runs.
                raise ApplicationError(f"an execution of {plan_id} has just started") from error
            except RPCError as error:
                if error.status in _REFUSED:
                    text = f"Temporal refused the start: {error.message}"
                    return _result(PlanStartOutcome.REFUSED, start.execution_id, text)
                raise ApplicationError(f"Temporal did not answer: {error.message}") from error
        return _result(PlanStartOutcome.STARTED, start.execution_id)

    def _refusal(self, start: StartExecution) -> str | None:
        """Why this worker starts nothing for a start; the plan's activities verify it again."""
        if not self._verifier.is_required:
            return None
        try:
            grant = self._verifier.verified(start.signed)
            require_same(grant, start.subject, actor=start.started_by)
            require_current(grant, now=time.time())
        except AccessRefusedError as refused:
            event = start_event(plan_workflow_id(start.plan.plan_id))
            event.execution_id = start.execution_id
            self._verifier.report_refusal(event, refused)
            return f"{refused.code}: {refused}"
        return None

    @activity.defn
    async def watch_plan(self, request: PlanWatchRequest) -> PlanReport:
        """Await a change of a plan's execution.

        Once it has ended, await another execution of the plan, which continues or repeats it.

        Raises:
            ApplicationError: retryable; Temporal did not answer.
        """
        watch = _PlanWatch(activity.client(), request, self._speed)
        try:
            async with heartbeating(interval=request.heartbeat_seconds):
                return await watch.changed()
        except RPCError as error:
            raise ApplicationError(f"Temporal did not answer: {error.message}") from error

    @activity.defn
    async def cancel_plans(self, request: PlansCancelRequest) -> PlansCancelResult:
        """Cancel executions that run, and await their ends for up to a minute.

        Raises:
            ApplicationError: retryable; Temporal did not answer.
        """
        client = activity.client()
        try:
            async with heartbeating():
                for each in request.executions:
                    await _cancel(client, each, request.reason)
                found = await asyncio.gather(
                    *(_ended(client, each, request.execution_type) for each in request.executions)
                )
        except RPCError as error:
            raise ApplicationError(f"Temporal did not answer: {error.message}") from error
        plans = [each.plan_id for each in request.executions]
        return PlansCancelResult(
            reports={i: each for i, each in zip(plans, found, strict=True) if each is not None}
        )

    @activity.defn
    async def record_portfolio(self, request: PortfolioRecordRequest) -> int:
        """Write the state of a portfolio's workflow to the history.

        Returns:
            The revision that is written.

        Raises:
            ApplicationError: retryable; DynamoDB did not accept it, or the workflow did not answer.
        """
        handle = activity.client().get_workflow_handle(request.workflow_id, run_id=request.run_id)
        async with heartbeating():
            try:
                packed: bytes = await handle.query(
                    "packed_status", result_type=bytes, rpc_timeout=REPLAY_TIMEOUT
                )
                state = unpacked_portfolio(packed)
                starts: dict[str, str] | None = None
                if request.has_starts:
                    starts = await handle.query(
                        "starts", result_type=dict[str, str], rpc_timeout=REPLAY_TIMEOUT
                    )
                await self._portfolios.write_portfolio(state, starts)
            except (HistoryError, WorkflowQueryFailedError, RPCError) as error:
                raise ApplicationError(str(error)) from error
        return state.revision


async def _whole(starting: Coroutine[Any, Any, None]) -> None:
    """Await a call to Temporal to its end, also if this activity is cancelled meanwhile."""
    task = asyncio.ensure_future(starting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _result(outcome: PlanStartOutcome, execution_id: str, reason: str = "") -> PlanStartResult:
    return PlanStartResult(outcome=outcome, execution_id=execution_id, reason=reason)


async def _known_start(client: Client, start: StartExecution) -> PlanStartResult | None:
    """What makes a start superfluous or impossible; None if the plan can be started."""
    latest = await settled_execution(client, start.plan.plan_id)
    if latest is None:
        return None
    if latest.execution_id == start.execution_id:
        return _result(PlanStartOutcome.STARTED, start.execution_id)
    if latest.is_running:
        if latest.execution_type is start.execution_type:
            return _result(PlanStartOutcome.FOLLOWED, latest.execution_id)
        text = (
            f"{latest.execution_type or 'an execution'} {latest.execution_id} of it runs; it is "
            "started once that has ended"
        )
        if start.execution_type is ExecutionType.RECOVERY:
            text += f" (`drs-waves cancel {start.plan.plan_id}`)"
        return _result(PlanStartOutcome.HELD, latest.execution_id, text)
    # It may have ended, and a later one too.
    if await find_execution(client, start.execution_id) is not None:
        return _result(PlanStartOutcome.STARTED, start.execution_id)
    return None


async def _without_drill(
    client: Client, start: StartExecution, known: PlanStartResult | None
) -> PlanStartResult | None:
    """The same as `_known_start`, once a drill that runs, and clean-ups, are cancelled."""
    if known is not None and known.outcome is not PlanStartOutcome.HELD:
        return known
    plan_id = start.plan.plan_id
    await cancel_cleanups(client, plan_id)
    latest = await latest_execution(client, plan_id)
    if known is None or latest is None or latest.execution_type is not ExecutionType.DRILL:
        return known
    drill = PlanExecution(plan_id=plan_id, execution_id=known.execution_id)
    await _cancel(client, drill, "Replaced by a real recovery")
    await _ended(client, drill, ExecutionType.DRILL)
    return await _known_start(client, start)


class _PlanWatch:
    """One wait for a change of a plan's execution."""

    def __init__(self, client: Client, request: PlanWatchRequest, speed: float) -> None:
        self._client = client
        self._asked = request
        self._known = request.known
        self._poll = max(_MIN_POLL_SECONDS, request.poll_seconds / speed)
        self._quiet_until = time.monotonic() + request.quiet_seconds / speed
        self._seen: tuple[str, int] | None = None
        self._report: PlanReport | None = None

    async def changed(self) -> PlanReport:
        while True:
            report = await self._read()
            if report is not None and self._is_news(report):
                return report
            await asyncio.sleep(self._poll)

    def _is_news(self, report: PlanReport) -> bool:
        if self._known is not None and self._known.end_time is not None:
            return report.execution_id != self._known.execution_id
        if is_urgent_change(self._known, report):
            return True
        return report != self._known and time.monotonic() >= self._quiet_until

    async def _read(self) -> PlanReport | None:
        """What is known now; None if nothing has changed."""
        asked = self._asked
        latest = await latest_execution(self._client, asked.plan_id)
        if latest is None or not self._is_meant(latest):
            if self._known is not None and self._known.end_time is not None:
                return None
            latest = await find_execution(self._client, asked.execution_id)
            if latest is None:
                known = self._known or self._empty(asked.execution_id)
                return ended_report(known, None, asked.execution_type)
        if (latest.run_id, latest.length) != self._seen or self._report is None:
            self._report = await self._report_of(latest)
            self._seen = (latest.run_id, latest.length)
            if self._report.problem:
                self._seen = None
        if latest.is_running:
            return self._report
        return ended_report(self._report, latest, asked.execution_type)

    def _is_meant(self, found: FoundExecution) -> bool:
        """Whether an execution counts as the plan's: ours, or a later one of the same type."""
        if found.execution_id == self._asked.execution_id:
            return True
        is_later = found.start_time >= self._asked.since
        return is_later and found.execution_type is self._asked.execution_type

    async def _report_of(self, found: FoundExecution) -> PlanReport:
        state = await read_state(self._client, self._asked.plan_id, found.run_id)
        if not isinstance(state, str):
            return report_of(state, self._asked.awaited, now=time.time())
        known = self._known
        if known is None or known.execution_id != found.execution_id:
            known = self._empty(found.execution_id)
        return known.model_copy(update={"problem": state})

    def _empty(self, execution_id: str) -> PlanReport:
        return PlanReport(execution_id=execution_id, execution_type=self._asked.execution_type)


async def _cancel(client: Client, execution: PlanExecution, reason: str) -> None:
    latest = await latest_execution(client, execution.plan_id)
    if latest is None or not latest.is_running or latest.execution_id != execution.execution_id:
        return
    handle = client.get_workflow_handle(plan_workflow_id(execution.plan_id), run_id=latest.run_id)
    try:
        await handle.cancel(reason=reason, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _ended(
    client: Client, execution: PlanExecution, execution_type: ExecutionType
) -> PlanReport | None:
    """The report of an execution once it has ended, or after a minute."""
    until = time.monotonic() + _CANCEL_SECONDS
    while True:
        latest = await latest_execution(client, execution.plan_id)
        if latest is None or latest.execution_id != execution.execution_id:
            return None
        if not latest.is_running or time.monotonic() > until:
            break
        await asyncio.sleep(_MIN_POLL_SECONDS)
    state = await read_state(client, execution.plan_id, latest.run_id)
    report = PlanReport(execution_id=execution.execution_id, execution_type=execution_type)
    if isinstance(state, str):
        report = report.model_copy(update={"problem": state})
    else:
        report = report_of(state, [], now=time.time())
    if latest.is_running:
        text = "it has not confirmed the cancellation yet"
        return report.model_copy(update={"problem": text, "status": PlanStatus.IN_PROGRESS})
    return ended_report(report, latest, execution_type)
