"""The launcher of one account and Region; all launches there go through it."""

import asyncio
from collections.abc import Iterable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.launch import (
        BatchProgress,
        BatchRequest,
        BatchResult,
        LaunchAnswer,
        LauncherInput,
        LaunchRequest,
        LaunchWaiting,
        QueueLaunches,
        WaveLaunches,
        WithdrawLaunches,
    )
    from recovery.launch.admission import Batch, QueuedLaunch
    from recovery.launch.queue import LaunchQueue, Waiting
    from recovery.plan.model import Target
    from workflows.launcher.batch_call import PlainBatch
    from workflows.launcher.isolation import IsolatedBatch, begin_guard
    from workflows.launcher.jobs_reader import JobsReader
    from workflows.launcher.wave_signals import WaveSignals
    from workflows.signals import model_signal
    from workflows.versioning import LONG_LIVED
    from workflows.waiting import wait_at_most

_IDLE_SECONDS = 3600.0
_DRAIN_SECONDS = 30.0
_MAX_WITHDRAWN_AHEAD = 1000


@workflow.defn(versioning_behavior=LONG_LIVED)
class LauncherWorkflow:
    """Makes the launches of all executions' waves in one account and Region.

    The first request starts it; it ends after some time without requests. It alone signals to
    waves what their launches wait for, and their results.
    """

    @workflow.init
    def __init__(self, start: LauncherInput) -> None:
        info = workflow.info()
        # Before a reset, the run may have sent launches that its history no longer has. This must
        # change no command, because the commands before the reset were made without it.
        self._was_reset = info.run_id != info.original_execution_run_id
        self._start = start
        self._requests = {request.launch_id: request for request in start.requests}
        self._answers = {answer.launch_id: answer for answer in start.answers}
        self._queue = LaunchQueue(start.queue)
        self._calls: dict[Batch, IsolatedBatch | PlainBatch] = {}
        self._batch_tasks: set[asyncio.Task[None]] = set()
        self._wave_signals = WaveSignals()
        self._jobs = JobsReader(self._queue, on_change=self._wake)
        self._changed = bool(start.requests)
        self._requests_seen = 0
        # Launches that their waves withdrew before a plan queued them.
        self._withdrawn_ahead = dict.fromkeys(start.withdrawn_ahead)
        self._is_idle = False

    @workflow.run
    async def run(self, start: LauncherInput) -> None:
        """Launch until no request came for an hour."""
        idle_check = asyncio.create_task(self._detect_idle())
        while await self._wait_for_work():
            if self._is_history_long:
                await self._continue_as_new()
            # Their waves know the deadline themselves, and search for their jobs.
            self._drop(self._queue.drop_overdue(workflow.time()))
            if self._queue.waiting:
                await self._jobs.gather(self._targets)
            for batch in self._queue.admit(workflow.time()):
                self._start_batch(batch)
            if self._queue.waiting:
                for waiting in self._queue.unreported(workflow.time()):
                    self._send_waiting(waiting)
                self._jobs.watch(self._targets)
            self._update_details()
        idle_check.cancel()
        await self._wave_signals.wait_until_sent()

    @model_signal
    def queue_launches(self, request_signal: QueueLaunches) -> None:
        """Handle a wave's request for launches.

        Queued launches are not changed; their wave gets again what they wait for.
        """
        known = [r.launch_id for r in request_signal.requests if r.launch_id in self._queue]
        for wave in request_signal.waves:
            for request in wave.requests:
                if self._takes(request):
                    self._requests[request.launch_id] = request
                    self._queue.add(self._queue_entry(request, wave))
        for waiting in self._queue.reported(known):
            self._send_waiting(waiting)
        self._requests_seen += 1
        self._changed = True

    @model_signal
    def withdraw_launches(self, request_signal: WithdrawLaunches) -> None:
        """Handle a wave's withdrawal of launches; it gets their results or their removal."""
        known = [i for i in request_signal.launch_ids if i in self._queue]
        dropped = self._queue.withdraw(known)
        for batch in self._batches_of(known):
            self._calls[batch].cancel()
        self._drop(dropped)
        unknown = [i for i in request_signal.launch_ids if i not in known]
        self._withdrawn_ahead |= dict.fromkeys(unknown)
        for oldest in list(self._withdrawn_ahead)[:-_MAX_WITHDRAWN_AHEAD]:
            del self._withdrawn_ahead[oldest]
        self._wave_signals.send_withdrawn(request_signal.wave_workflow_id, unknown, in_doubt=True)
        self._changed = True

    @model_signal
    def answer_launch(self, answer: LaunchAnswer) -> None:
        """Handle an operator's answer to whether DRS has the job of a launch."""
        if answer.launch_id not in self._queue:
            return
        self._answers[answer.launch_id] = answer
        batch = self._queue.batch_of(answer.launch_id)
        if batch is None:
            self._apply_answer(answer.launch_id)
        else:
            self._calls[batch].cancel()
        self._changed = True

    @model_signal
    def batch_progress(self, progress: BatchProgress) -> None:
        """Handle a running batch's signal of what its launches wait for."""
        for waiting in progress.waiting:
            self._report_waiting(waiting)
        launch_ids = [waiting.launch_id for waiting in progress.waiting]
        if self._queue.apply_progress(launch_ids, uses_quota=progress.uses_quota):
            self._changed = True

    def _takes(self, request: LaunchRequest) -> bool:
        """Whether a launch is queued: it is not yet, and its wave did not withdraw it before."""
        if not request.by_plan:
            self._withdrawn_ahead.pop(request.launch_id, None)
        known = self._requests, self._withdrawn_ahead
        return all(request.launch_id not in each for each in known)

    def _queue_entry(self, request: LaunchRequest, wave: WaveLaunches) -> QueuedLaunch:
        target = request.target
        return QueuedLaunch(
            launch_id=request.launch_id,
            server_ids=request.server_ids,
            wave=request.wave_workflow_id,
            share_key=f"{request.is_drill} {target.role_arn} {target.account_id}"
            f"{' isolated' if request.drill_settings else ''}",
            is_drill=request.is_drill,
            possibly_sent=request.possibly_sent,
            priority=wave.priority,
            remaining_seconds=wave.remaining_seconds,
            rto_launch_time=wave.rto_launch_time,
            launch_before=wave.launch_before,
            queued_time=workflow.time(),
        )

    async def _wait_for_work(self) -> bool:
        """Wait for a change; False after the idle time."""
        now = workflow.time()
        due = self._queue.next_time(now)
        seconds = None if due is None else max(0.0, due - now)
        if not await wait_at_most(seconds, lambda: self._changed or self._is_idle):
            return True
        self._changed = False
        return not self._is_idle

    async def _detect_idle(self) -> None:
        """Set `_is_idle` after an interval without requests, with one timer per interval."""
        while not self._is_idle:
            before = self._requests_seen
            await workflow.sleep(_IDLE_SECONDS)
            self._is_idle = not self._queue and before == self._requests_seen

    @property
    def _is_history_long(self) -> bool:
        info = workflow.info()
        length = info.get_current_history_length()
        return info.is_continue_as_new_suggested() or length > self._start.max_history_events

    async def _continue_as_new(self) -> None:
        """Continue as new, once no batch is running."""
        if self._batch_tasks and not await wait_at_most(
            _DRAIN_SECONDS, lambda: not self._batch_tasks, summary="Wait for running batches"
        ):
            for call in self._calls.values():
                call.cancel()
            await workflow.wait_condition(lambda: not self._batch_tasks)
        await self._wave_signals.wait_until_sent()
        workflow.continue_as_new(
            self._start.model_copy(
                update={
                    "requests": list(self._requests.values()),
                    "answers": list(self._answers.values()),
                    "queue": self._queue.state,
                    "withdrawn_ahead": list(self._withdrawn_ahead),
                }
            )
        )

    def _wake(self) -> None:
        self._changed = True

    @property
    def _targets(self) -> list[Target]:
        """The targets of the launches that wait: an account and Region, by different roles."""
        waiting = [self._requests[launch.launch_id] for launch in self._queue.waiting]
        return list(dict.fromkeys(request.target for request in waiting))

    def _start_batch(self, batch: Batch) -> None:
        requests = [
            self._requests[e.launch_id].model_copy(
                update={"possibly_sent": e.possibly_sent or self._was_reset}
            )
            for e in batch.launches
        ]
        running = self._queue.running
        read_after = workflow.time() if running.error else running.time
        request = BatchRequest(requests=requests, jobs_read_after=read_after)
        is_isolated = any(each.drill_settings for each in requests)
        call = IsolatedBatch(request) if is_isolated else PlainBatch(request)
        self._calls[batch] = call
        task = asyncio.create_task(self._await_batch(batch, call))
        self._batch_tasks.add(task)
        task.add_done_callback(self._batch_tasks.discard)

    async def _await_batch(self, batch: Batch, call: IsolatedBatch | PlainBatch) -> None:
        result = await call.run()
        del self._calls[batch]
        dropped = self._queue.finish(
            batch,
            job_id=result.job_id,
            settled=[each.launch_id for each in result.results],
            postponed={each.launch_id: each.job_ids for each in result.postponed},
            split=result.split,
            in_doubt=result.in_doubt,
            now=workflow.time(),
        )
        self._report_results(result)
        self._drop(dropped)
        if result.in_doubt:
            self._discard_used_answers(batch)
        for launch_id in batch.launch_ids:
            if launch_id in self._queue and launch_id in self._answers:
                self._apply_answer(launch_id)
        self._changed = True
        await begin_guard(result)

    def _apply_answer(self, launch_id: str) -> None:
        """Apply an operator's answer to a launch."""
        answer = self._answers.pop(launch_id)
        request = self._requests[launch_id]
        self._requests[launch_id] = request.model_copy(update={"answer": answer})
        self._queue.resend_answered(launch_id)

    def _discard_used_answers(self, batch: Batch) -> None:
        """Discard `launch_anyway` answers after their call, so that the next one searches the job.

        "There is no job" does not cover the call that was sent since. "It is this job" stays valid.
        """
        for launch_id in batch.launch_ids:
            request = self._requests.get(launch_id)
            if request and request.answer and request.answer.job_id is None:
                self._requests[launch_id] = request.model_copy(update={"answer": None})

    def _batches_of(self, launch_ids: Iterable[str]) -> list[Batch]:
        found = (self._queue.batch_of(launch_id) for launch_id in launch_ids)
        return list(dict.fromkeys(batch for batch in found if batch is not None))

    def _remove_request(self, launch_id: str) -> None:
        self._requests.pop(launch_id, None)
        self._answers.pop(launch_id, None)

    def _report_results(self, result: BatchResult) -> None:
        """Signal to each wave the results of its launches, or what they wait for."""
        self._wave_signals.send_results(result, self._requests)
        for each in result.results:
            self._remove_request(each.launch_id)
        for postponed in result.postponed:
            self._report_waiting(postponed)

    def _send_waiting(self, waiting: Waiting) -> None:
        launch = waiting.launch
        self._wave_signals.send_waiting(
            launch.wave, launch.launch_id, waiting.waiting_for, waiting.reason
        )

    def _report_waiting(self, waiting: LaunchWaiting) -> None:
        is_new = self._queue.report(waiting.launch_id, waiting.waiting_for, waiting.reason)
        if is_new and (request := self._requests.get(waiting.launch_id)):
            self._wave_signals.send_waiting(
                request.wave_workflow_id, waiting.launch_id, waiting.waiting_for, waiting.reason
            )

    def _drop(self, launches: Iterable[QueuedLaunch]) -> None:
        """Signal to waves that launches are removed from the queue, and remove their requests."""
        for launch in launches:
            self._wave_signals.send_withdrawn(launch.wave, [launch.launch_id], launch.possibly_sent)
            self._remove_request(launch.launch_id)

    def _update_details(self) -> None:
        """Update the details in the Web UI."""
        queue = self._queue
        quotas = queue.running.quotas
        workflow.set_current_details(
            f"**{len(queue.waiting)} launches wait**, {len(queue.batches)} batches are being sent; "
            f"{queue.jobs_in_use} of {quotas.jobs} jobs, {queue.servers_in_use} of "
            f"{quotas.servers} servers in jobs. {queue.running.error}"
        )
