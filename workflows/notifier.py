"""The notifier of an installation: sends what executions report, and reminds of open decisions."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from activities.notify.notify_activities import NotifyActivities
    from contract.notify import (
        DeliveryResult,
        NotificationProblems,
        NotifierInput,
        workflow_id_of,
    )
    from contract.temporal import HISTORY_TASK_QUEUE, NOTIFY_TASK_QUEUE
    from recovery.notify.events import Notification, NotifiedExecution
    from recovery.notify.notifier_state import NotifyUpdate
    from recovery.notify.outbox import Outbox
    from recovery.text_format import count
    from workflows.activity_options import READ_RETRY, WRITE_RETRY
    from workflows.signals import model_signal, signal_workflow
    from workflows.versioning import LONG_LIVED
    from workflows.waiting import wait_at_most

# A sender gives up after some seconds; the rest is for a worker that is busy.
_SEND_SECONDS = 60.0
# After that, a message is composed again, as things then are.
_DELIVER_SECONDS = 300.0
_CHECK_SECONDS = 600.0
_MIN_TIMER_SECONDS = 0.2
_MAX_EVENTS = 8000
_RECORDS_AT_ONCE = 20


@workflow.defn(versioning_behavior=LONG_LIVED)
class NotifierWorkflow:
    """Sends the messages of all executions; it never ends.

    It is apart from what it reports about: no execution waits for it. A channel that hangs or
    refuses holds back no other.
    """

    @workflow.init
    def __init__(self, start: NotifierInput) -> None:
        self._outbox = Outbox(start.state)
        self._sending: set[asyncio.Task[None]] = set()
        self._changed = False
        self._checked = workflow.time()

    @workflow.run
    async def run(self, start: NotifierInput) -> None:
        """Send until the history is long, then continue as new."""
        recording = asyncio.create_task(self._record())
        while True:
            self._start_check()
            # A long history ends once nothing is on the way, so nothing more is sent.
            due = [] if self._is_history_long else self._outbox.take(now=workflow.time())
            for message in due:
                task = asyncio.create_task(self._send(message))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            self._report_problems()
            if self._is_history_long and not self._sending:
                # What is not recorded yet is in the state.
                recording.cancel()
                workflow.continue_as_new(NotifierInput.of(self._outbox.state))
            await self._wait()

    @workflow.query
    def status(self) -> NotifierInput:
        """Open decisions, channels, and the last deliveries: more than 2 MB if not compressed."""
        return NotifierInput.of(self._outbox.state)

    @model_signal
    def notify(self, update: NotifyUpdate) -> None:
        """Handle a report of an execution."""
        self._outbox.apply(update, now=workflow.time())
        self._changed = True

    @property
    def _is_history_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or (
            info.get_current_history_length() > _MAX_EVENTS
        )

    async def _wait(self) -> None:
        """Wait until a message is due, an execution reports, or a message was sent."""
        self._changed = False
        due = None if self._is_history_long else self._outbox.next_time()
        times = [self._next_check] if self._outbox.state.executions else []
        times += [due] if due is not None else []
        left = max(_MIN_TIMER_SECONDS, min(times) - workflow.time()) if times else None
        await wait_at_most(left, lambda: self._changed, summary="The next message is due")

    async def _send(self, message: Notification) -> None:
        what = count(len(message.items), "item")
        try:
            result: DeliveryResult = await workflow.execute_activity_method(
                NotifyActivities.deliver,
                message,
                task_queue=NOTIFY_TASK_QUEUE,
                summary=f"Send {what} to {message.channel}",
                start_to_close_timeout=timedelta(seconds=_SEND_SECONDS),
                schedule_to_close_timeout=timedelta(seconds=_DELIVER_SECONDS),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=WRITE_RETRY,
            )
            error = result.error
        except ActivityError as failure:
            error = f"no worker sent it: {failure.cause or failure}"
        if error is None:
            self._outbox.delivered(message, now=workflow.time())
        else:
            self._outbox.failed(message, error, now=workflow.time())
        self._changed = True

    def _report_problems(self) -> None:
        """Report to executions which channels their notifications do not reach."""
        for execution, problems in self._outbox.changed_problems(now=workflow.time()):
            report = NotificationProblems(execution_id=execution.execution_id, problems=problems)
            signal = signal_workflow(workflow_id_of(execution), "notification_problems", report)
            task = asyncio.create_task(self._signal_sent(signal))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _signal_sent(self, signal: Awaitable[bool]) -> None:
        """Wait for a signal; an execution that has ended needs it no more."""
        await signal
        self._changed |= self._is_history_long

    async def _record(self) -> None:
        """Write deliveries to the history; nothing waits for it."""
        state = self._outbox.state
        while True:
            await workflow.wait_condition(lambda: bool(state.unrecorded))
            some = state.unrecorded[:_RECORDS_AT_ONCE]
            try:
                await workflow.execute_activity_method(
                    HistoryActivities.record_deliveries,
                    some,
                    task_queue=HISTORY_TASK_QUEUE,
                    summary=f"Record {count(len(some), 'message')}",
                    start_to_close_timeout=timedelta(minutes=2),
                    schedule_to_close_timeout=timedelta(hours=1),
                    heartbeat_timeout=heartbeat_timeout(),
                    retry_policy=WRITE_RETRY,
                )
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                workflow.logger.warning("Messages could not be recorded: %s", error)
                continue
            state.unrecorded = [each for each in state.unrecorded if each not in some]

    @property
    def _next_check(self) -> float:
        speeds = [each.speed for each in self._outbox.state.executions.values()]
        return self._checked + _CHECK_SECONDS / max(speeds, default=1.0)

    def _start_check(self) -> None:
        """Check in the background for executions that ended without a report."""
        state = self._outbox.state
        followed = [each.execution for each in state.executions.values() if not each.is_over]
        if followed and workflow.time() >= self._next_check:
            self._checked = workflow.time()
            task = asyncio.create_task(self._check(followed))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _check(self, followed: list[NotifiedExecution]) -> None:
        """Report the end of executions that did not, such as terminated ones."""
        try:
            ended = await workflow.execute_activity_method(
                NotifyActivities.ended_executions,
                followed,
                task_queue=NOTIFY_TASK_QUEUE,
                summary=f"Check {count(len(followed), 'execution')}",
                start_to_close_timeout=timedelta(seconds=_SEND_SECONDS),
                schedule_to_close_timeout=timedelta(seconds=_SEND_SECONDS),
                retry_policy=READ_RETRY,
            )
        except ActivityError as error:
            workflow.logger.warning("Executions could not be checked: %s", error)
            return
        for each in ended:
            self._outbox.end(each.execution_id, each.outcome, now=workflow.time())
        self._changed = True
