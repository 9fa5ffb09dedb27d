"""The launcher of one account and Region: what is launched when, and in which jobs."""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from typing import Any

    from activities.heartbeat import HEARTBEAT_TIMEOUT_SECONDS
    from activities.launch.drs_activities import DrsActivities
    from contract.jobs import JobsInProgress, LookAtJobs
    from contract.launch import (
        LaunchAnswer,
        LaunchSettled,
        LaunchWaits,
        PackAnswer,
        PackRequest,
        Postponed,
    )
    from contract.launcher import AnswerLaunches, WantLaunches, WithdrawLaunches
    from contract.task_queues import WATCH_TASK_QUEUE
    from recovery.launch.admission import admit
    from workflows.signal_input import parsed
    from workflows.versioning import LONG_LIVED
from contract.launcher import Entry, LauncherStart, RecentJob

_IDLE_SECONDS = 600.0
_DRAIN_SECONDS = 30.0
# An accepted job that DRS has not listed after this time is none.
_UNLISTED_SECONDS = 300.0
# Of the pause between two looks at jobs: how long launches gather that become ready together, and
# how many times longer when the last job of the quota is at stake. A hundred waves do not become
# ready at one moment; whatever finds no job left waits until one ends, which takes minutes.
_GATHER = 0.05
_LONGEST_GATHER = 60.0
_HEARTBEAT = timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=30),
)


@dataclass(eq=False)
class _Flight:
    """A pack that DRS is asked for."""

    entries: list[Entry]
    task: asyncio.Task[None] | None = None
    handle: workflow.ActivityHandle[PackAnswer] | None = None
    withdrawn: set[str] = field(default_factory=set)
    answers: dict[str, LaunchAnswer] = field(default_factory=dict)

    @property
    def server_ids(self) -> list[str]:
        """The servers it is about."""
        return [i for entry in self.entries for i in entry.request.server_ids]

    def call_off(self) -> None:
        """Have it end; what became of it is told all the same."""
        if self.handle is not None:
            self.handle.cancel()


@workflow.defn(versioning_behavior=LONG_LIVED)
class LauncherWorkflow:
    """Launches what the waves of all executions want in one account and Region.

    It is started by whoever wants a launch, and ends when nothing was wanted for a while.
    """

    @workflow.init
    def __init__(self, start: LauncherStart) -> None:
        info = workflow.info()
        # A run that was reset may have asked for what it does not remember.
        self._was_reset = info.run_id != info.original_execution_run_id
        self._start = start
        self._entries: dict[str, Entry] = {}
        for entry in start.entries:
            self._add(entry)
        self._flights: list[_Flight] = []
        self._recent = {job.job_id: job for job in start.recent}
        self._quotas = start.quotas
        self._pause = start.pause_seconds
        self._view = JobsInProgress(time=0.0)
        self._watching: asyncio.Task[None] | None = None
        self._watched: LookAtJobs | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._changed = bool(self._entries)

    @workflow.run
    async def run(self, start: LauncherStart) -> None:
        """Launch until nothing was wanted for ten minutes."""
        while await self._something_to_do():
            if self._is_long:
                await self._begin_anew()
            self._drop_overdue()
            if self._queued():
                await self._look_at_jobs()
            waiting = self._launch_admitted()
            if waiting:
                self._tell_waiting(waiting)
                self._hear_of_changes()
            self._show()
        await workflow.wait_condition(lambda: not self._telling)

    @workflow.signal
    def want(self, *inputs: Any) -> None:
        """A wave wants launches; those that are known already stay as they are."""
        told = parsed(WantLaunches, inputs)
        if told is None:
            return
        self._quotas, self._pause = told.quotas, told.pause_seconds
        for request in told.requests:
            if request.launch_id not in self._entries:
                self._add(
                    Entry(
                        request=request,
                        priority=told.priority,
                        remaining=told.remaining,
                        launch_before=told.launch_before,
                        since=workflow.time(),
                    )
                )
        self._changed = True

    @workflow.signal
    def withdraw(self, *inputs: Any) -> None:
        """A wave no longer wants launches; it is told when they are out, or what they got."""
        told = parsed(WithdrawLaunches, inputs)
        if told is None:
            return
        asked = set(told.launch_ids)
        for flight in self._flights:
            flying = asked & {entry.launch_id for entry in flight.entries}
            if flying:
                flight.withdrawn |= flying
                flight.call_off()
            asked -= flying
        out = [self._entries.pop(i) for i in sorted(asked) if i in self._entries]
        for in_doubt in (True, False):
            ids = [e.launch_id for e in out if e.request.maybe_asked is in_doubt]
            self._tell_withdrawn(told.wave_workflow_id, ids, in_doubt=in_doubt)
        unknown = sorted(asked - {entry.launch_id for entry in out})
        self._tell_withdrawn(told.wave_workflow_id, unknown, in_doubt=True)
        self._changed = True

    @workflow.signal
    def answer(self, *inputs: Any) -> None:
        """An operator says whether DRS has the job of launches that are in doubt."""
        told = parsed(AnswerLaunches, inputs)
        if told is None:
            return
        asked = set(told.launch_ids)
        for flight in self._flights:
            flying = asked & {entry.launch_id for entry in flight.entries}
            if flying:
                flight.answers.update(dict.fromkeys(flying, told.answer))
                flight.call_off()
            asked -= flying
        for launch_id in asked & set(self._entries):
            _answer(self._entries[launch_id], told.answer)
        self._changed = True

    def _add(self, entry: Entry) -> None:
        if self._was_reset:
            entry.request = entry.request.model_copy(update={"maybe_asked": True})
        if entry.request.maybe_asked:
            entry.lane = entry.lane or _alone(entry)
        self._entries[entry.launch_id] = entry

    async def _something_to_do(self) -> bool:
        """Wait for it; False when nothing was wanted for a while."""
        now = workflow.time()
        is_idle = not self._entries and not self._flights
        seconds = _IDLE_SECONDS if is_idle else None
        if due := [e.not_before for e in self._queued() if e.not_before > now]:
            seconds = min(due) - now
        try:
            await workflow.wait_condition(lambda: self._changed, timeout=seconds)
        except TimeoutError:
            return bool(self._entries or self._flights)
        self._changed = False
        return True

    @property
    def _is_long(self) -> bool:
        info = workflow.info()
        length = info.get_current_history_length()
        return info.is_continue_as_new_suggested() or length > self._start.longest_history

    async def _begin_anew(self) -> None:
        """Continue in a new run, once nothing is on its way."""
        if self._flights:
            try:
                await workflow.wait_condition(
                    lambda: not self._flights,
                    timeout=_DRAIN_SECONDS,
                    timeout_summary="Let what is asked for be answered",
                )
            except TimeoutError:
                for flight in self._flights:
                    flight.call_off()
                await workflow.wait_condition(lambda: not self._flights)
        await workflow.wait_condition(lambda: not self._telling)
        workflow.continue_as_new(
            self._start.model_copy(
                update={
                    "entries": list(self._entries.values()),
                    "recent": list(self._recent.values()),
                    "quotas": self._quotas,
                    "pause_seconds": self._pause,
                }
            )
        )

    def _queued(self) -> list[Entry]:
        """What is not on its way, most urgent first."""
        flying = {entry.launch_id for flight in self._flights for entry in flight.entries}
        queued = [e for e in self._entries.values() if e.launch_id not in flying]
        return sorted(queued, key=lambda entry: entry.wish.order)

    def _drop_overdue(self) -> None:
        """Their waves know the plan's deadline themselves, and look what became of them."""
        now = workflow.time()
        for entry in self._queued():
            if entry.launch_before <= now:
                del self._entries[entry.launch_id]
                self._tell_withdrawn(
                    entry.request.wave_workflow_id,
                    [entry.launch_id],
                    in_doubt=entry.request.maybe_asked,
                )

    async def _look_at_jobs(self) -> None:
        """Learn which jobs are in progress, while launches gather that become ready together.

        The activity waits, because Temporal's timers are up to a second late.
        """
        gathering = LookAtJobs(
            target=self._target, asked_for=self._unlisted, gather_seconds=self._gather_seconds
        )
        self._see(await self._look(gathering))

    @property
    def _gather_seconds(self) -> float:
        """How long: the longer, the fewer jobs the quota leaves, but none left is no reason."""
        least = self._pause * _GATHER
        used = self._jobs_in_use / self._quotas.jobs
        if used >= 1:
            return least
        longest = least * math.pow(_LONGEST_GATHER, max(0.0, 2 * used - 1))
        waited = workflow.time() - min(entry.since for entry in self._queued())
        return max(least, longest - waited)

    @property
    def _unlisted(self) -> list[str]:
        return list(self._recent)

    @property
    def _target(self) -> Any:
        return next(iter(self._entries.values())).request.target

    async def _look(self, request: LookAtJobs) -> JobsInProgress:
        return await workflow.execute_activity_method(
            DrsActivities.look_at_jobs,
            request,
            task_queue=WATCH_TASK_QUEUE,
            summary="Await a change of jobs" if request.seen else "Look at jobs in progress",
            start_to_close_timeout=timedelta(hours=24),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )

    def _see(self, view: JobsInProgress) -> None:
        if view.time < self._view.time:
            return
        self._view = view
        for job in list(self._recent.values()):
            if job.job_id in view.listed or view.time > job.time + _UNLISTED_SECONDS:
                del self._recent[job.job_id]

    def _hear_of_changes(self) -> None:
        """Have changes of the jobs in progress told, for launches that wait for them."""
        request = LookAtJobs(
            target=self._target, seen=list(self._view.jobs), asked_for=self._unlisted
        )
        before = self._watched
        if before and self._watching is not None and not self._watching.done():
            # A job that has come meanwhile would end without a change from what was seen then.
            is_current = _awaits(before) == _awaits(request)
            if is_current:
                return
            self._watching.cancel()
        self._watched = request
        self._watching = asyncio.create_task(self._hear_of_change(request))

    async def _hear_of_change(self, request: LookAtJobs) -> None:
        try:
            self._see(await self._look(request))
        except ActivityError:
            workflow.logger.info("A look at jobs was called off")
        finally:
            if request is self._watched:
                self._changed = True

    def _launch_admitted(self) -> list[Entry]:
        """Ask for all that the quotas allow.

        Returns:
            What waits.
        """
        now = workflow.time()
        busy = {i for flight in self._flights for i in flight.server_ids}
        busy |= {i for job in self._recent.values() for i in job.server_ids}
        free: list[Entry] = []
        waiting = []
        for entry in self._queued():
            ids = set(entry.request.server_ids)
            held = any(job in self._view.jobs for job in entry.held_by)
            if held or entry.not_before > now or ids & busy:
                waiting.append(entry)
                continue
            busy |= ids
            free.append(entry)
        packs = admit(
            (entry.wish for entry in free),
            self._quotas,
            jobs=self._jobs_in_use,
            servers=self._servers_in_use,
        )
        admitted = {key for pack in packs for key in pack.keys}
        for pack in packs:
            flight = _Flight([self._entries[key] for key in pack.keys])
            self._flights.append(flight)
            flight.task = asyncio.create_task(self._launch(flight))
        return waiting + [entry for entry in free if entry.launch_id not in admitted]

    @property
    def _jobs_in_use(self) -> int:
        return len(self._view.jobs) + len(self._recent) + len(self._flights)

    @property
    def _servers_in_use(self) -> int:
        ours = [len(job.server_ids) for job in self._recent.values()]
        ours += [len(flight.server_ids) for flight in self._flights]
        return sum(self._view.jobs.values()) + sum(ours)

    async def _launch(self, flight: _Flight) -> None:
        requests = [entry.request for entry in flight.entries]
        waves = {request.wave_workflow_id for request in requests}
        flight.handle = workflow.start_activity_method(
            DrsActivities.launch_pack,
            PackRequest(requests=requests, seen_time=self._view.time),
            summary=f"Launch {len(flight.server_ids)} servers of {len(waves)} waves",
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        try:
            answer = await flight.handle
        except (ActivityError, asyncio.CancelledError):
            # Called off before it could say how far it had come.
            answer = PackAnswer(in_doubt=True)
        self._flights.remove(flight)
        self._take(flight, answer)
        self._changed = True

    def _take(self, flight: _Flight, answer: PackAnswer) -> None:
        """Take what became of a pack; what it did not settle is in the queue again."""
        settled = [self._entries.pop(i) for i in answer.settled if i in self._entries]
        if answer.job_id is not None:
            ids = [i for entry in settled for i in entry.request.server_ids]
            self._recent[answer.job_id] = RecentJob(
                job_id=answer.job_id, server_ids=ids, time=workflow.time()
            )
        left = [entry for entry in flight.entries if entry.launch_id in self._entries]
        postponed = {each.launch_id: each for each in answer.postponed}
        others = [entry for entry in left if entry.launch_id not in postponed]
        for entry in left:
            if each := postponed.get(entry.launch_id):
                self._postpone(entry, each)
            elif answer.in_doubt:
                entry.request = entry.request.model_copy(update={"maybe_asked": True})
                entry.lane = _alone(entry)
            if told := flight.answers.get(entry.launch_id):
                _answer(entry, told)
        if answer.divide:
            for number, entry in enumerate(others):
                entry.lane += "0" if number < len(others) // 2 else "1"
        for entry in left:
            if entry.launch_id in flight.withdrawn:
                del self._entries[entry.launch_id]
                self._tell_withdrawn(
                    entry.request.wave_workflow_id,
                    [entry.launch_id],
                    in_doubt=entry.request.maybe_asked,
                )

    def _postpone(self, entry: Entry, postponed: Postponed) -> None:
        entry.request = entry.request.model_copy(update={"maybe_asked": False})
        entry.held_by = postponed.job_ids
        entry.not_before = workflow.time() + self._pause
        entry.told = postponed.reason

    def _tell_waiting(self, waiting: Iterable[Entry]) -> None:
        """Tell waves what they wait for, when that is something else than before."""
        now = workflow.time()
        untold: dict[str, Entry] = {}
        for entry in waiting:
            if entry.held_by or entry.not_before > now:
                # The launch itself has told.
                continue
            reason = self._reason(entry)
            if entry.told.partition(":")[0] != reason.partition(":")[0]:
                entry.told = reason
                untold.setdefault(entry.request.wave_workflow_id or "", entry)
        for workflow_id, entry in untold.items():
            news = LaunchWaits(reason=entry.told, launch_id=entry.launch_id)
            self._tell(workflow_id, "launch_waits", news)

    def _reason(self, entry: Entry) -> str:
        quotas = self._quotas
        busy = {i for flight in self._flights for i in flight.server_ids}
        busy |= {i for job in self._recent.values() for i in job.server_ids}
        if busy & set(entry.request.server_ids):
            return "Waiting for another job: one of ours works on these servers"
        if self._jobs_in_use >= quotas.jobs:
            return f"Waiting for quota: {self._jobs_in_use} of {quotas.jobs} jobs are in progress"
        return (
            f"Waiting for quota: {self._servers_in_use} of {quotas.servers} servers are in jobs, "
            "and more urgent launches wait"
        )

    def _tell_withdrawn(
        self, wave_workflow_id: str | None, launch_ids: list[str], *, in_doubt: bool
    ) -> None:
        if launch_ids and wave_workflow_id:
            news = LaunchSettled(withdrawn=launch_ids, in_doubt=in_doubt)
            self._tell(wave_workflow_id, "launch_settled", news)

    def _tell(self, workflow_id: str, signal: str, news: LaunchWaits | LaunchSettled) -> None:
        """Signal a wave without waiting for it."""

        async def tell() -> None:
            try:
                await workflow.get_external_workflow_handle(workflow_id).signal(signal, news)
            except ApplicationError:
                workflow.logger.info("%s has ended already", workflow_id)

        task = asyncio.create_task(tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _show(self) -> None:
        """Tell the Web UI."""
        queued = self._queued()
        workflow.set_current_details(
            f"**{len(queued)} launches wait**, {len(self._flights)} packs are asked for; "
            f"{self._jobs_in_use} of {self._quotas.jobs} jobs, {self._servers_in_use} of "
            f"{self._quotas.servers} servers in jobs"
        )


def _awaits(request: LookAtJobs) -> tuple[set[str], set[str]]:
    """What a change is told from, and which jobs may become listed."""
    return set(request.seen or ()), set(request.asked_for)


def _alone(entry: Entry) -> str:
    """The lane of a launch that shares a job with its own wave only."""
    return f"alone {entry.request.wave_workflow_id} "


def _answer(entry: Entry, answer: LaunchAnswer) -> None:
    """Have a launch follow an operator's answer."""
    entry.request = entry.request.model_copy(update={"answer": answer})
    entry.lane = f"answered {entry.request.wave_workflow_id} "
    entry.not_before, entry.held_by = 0.0, []
