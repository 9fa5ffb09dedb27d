"""Reads DRS's running jobs for a launcher."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.watch.watch_activities import WatchActivities
    from contract.launch import RunningJobsRequest
    from contract.temporal import WATCH_TASK_QUEUE
    from recovery.launch.queue import LaunchQueue, RunningJobs
    from recovery.plan.model import Target
    from workflows.activity_options import LAUNCH_RETRY


class JobsReader:
    """Reads the running jobs of one account and Region, with the roles of those who launch there.

    DRS's jobs are the account's, so it suffices that one role can read them.
    """

    def __init__(self, queue: LaunchQueue, *, on_change: Callable[[], None]) -> None:
        """Create a reader.

        Args:
            queue: gets what is read.
            on_change: called after a change of the jobs.
        """
        self._queue = queue
        self._on_change = on_change
        # Whose role could read the jobs last.
        self._reader: Target | None = None
        self._watch: asyncio.Task[None] | None = None
        self._watched: RunningJobsRequest | None = None

    async def gather(self, targets: Sequence[Target]) -> None:
        """Read the running jobs, while launches gather that become ready together."""
        asked = workflow.time()
        polls, waited = self._queue.gather_time(asked)
        reads = {
            target: _read_jobs(
                RunningJobsRequest(
                    target=target,
                    accepted=self._queue.accepted,
                    gather_polls=polls,
                    waited_seconds=waited,
                    has_drills=self._queue.has_drills,
                )
            )
            for target in targets
        }
        while reads:
            await workflow.wait(reads.values(), return_when=asyncio.FIRST_COMPLETED)
            for target in [target for target, read in reads.items() if read.done()]:
                running = _in_temporals_time(await reads.pop(target), asked=asked)
                self._queue.update_running(running)
                if not running.error:
                    self._reader = target
                    return

    def watch(self, targets: Sequence[Target]) -> None:
        """Await a change of the running jobs, for launches that wait."""
        request = RunningJobsRequest(
            target=self._reader or targets[0],
            seen=list(self._queue.running.jobs),
            error=self._queue.running.error,
            accepted=self._queue.accepted,
            has_drills=self._queue.has_drills,
            recoveries=self._queue.running.recoveries,
            recoveries_error=self._queue.running.recoveries_error,
        )
        before = self._watched
        if before and self._watch is not None and not self._watch.done():
            # A job that started since is unknown to the running request, which would miss its end.
            if _awaited(before) == _awaited(request):
                return
            self._watch.cancel()
        self._watched = request
        self._watch = asyncio.create_task(self._await_change(request))

    async def _await_change(self, request: RunningJobsRequest) -> None:
        asked = workflow.time()
        try:
            running = await _read_jobs(request)
            self._queue.update_running(_in_temporals_time(running, asked=asked))
        except ActivityError:
            workflow.logger.info("A read of the running jobs was cancelled")
        finally:
            if request is self._watched:
                self._on_change()


def _awaited(request: RunningJobsRequest) -> tuple[object, ...]:
    """The jobs whose change is awaited, those that may become listed, and what else is known."""
    recoveries = request.has_drills, set(request.recoveries), request.recoveries_error
    return set(request.seen or ()), set(request.accepted), request.error, recoveries


def _in_temporals_time(running: RunningJobs, *, asked: float) -> RunningJobs:
    """With a read time that is possible: a worker's clock may be hours wrong."""
    read_time = min(workflow.time(), max(asked, running.time))
    return running.model_copy(update={"time": read_time})


def _read_jobs(request: RunningJobsRequest) -> workflow.ActivityHandle[RunningJobs]:
    return workflow.start_activity_method(
        WatchActivities.read_running_jobs,
        request,
        task_queue=WATCH_TASK_QUEUE,
        summary="Read running jobs" if request.seen is None else "Await a change of jobs",
        start_to_close_timeout=timedelta(hours=24),
        heartbeat_timeout=heartbeat_timeout(),
        retry_policy=LAUNCH_RETRY,
    )
