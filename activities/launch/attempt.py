"""One attempt to launch a batch: exactly one job.

StartRecovery has no idempotency token, so a launch is identified by its launch ID, a tag on the
job: before the call is sent again, the job is searched. Launches of several waves may share a
job, which then has a tag for each. A relaunch destroys a server's earlier instance, so servers with
a live instance of a real recovery are not launched. If it is unknown whether DRS has the job,
nothing is sent and an operator decides.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.caller_signals import signal_caller
from activities.heartbeat import heartbeat_details, send_heartbeat
from activities.launch.guard import refused_servers
from activities.retry import retried_later, retry_later
from aws.drs.client import DrsClient
from aws.drs.launch_search import SearchResult, is_of_mode, is_of_other_mode, search
from aws.drs.models import Job, epoch
from aws.errors import AwsError, AwsErrorKind
from contract.launch import (
    BatchProgress,
    LaunchHeartbeat,
    LaunchRequest,
    LaunchResult,
    LaunchWaiting,
    PostponedLaunch,
)
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server
from settings import Settings

# StartRecovery is sent within this time after Temporal confirmed that the attempt is the current
# one, or not at all. With the call's read timeout, this is less than the time until a next attempt
# has started and searched for the job.
_FENCE_SECONDS = 10.0

JobListing = Callable[[float], Awaitable[list[Job]]]


class _Launch:
    """One launch of the batch, and its state."""

    def __init__(self, request: LaunchRequest) -> None:
        self.request = request
        self.job: Job | None = None
        self.postponed: PostponedLaunch | None = None
        self.refused: dict[str, ServerResult] = {}
        self.taken_over: dict[str, Job] = {}
        # Whether DRS may have its job.
        self.undecided = False

    @property
    def is_open(self) -> bool:
        """Whether it may still be sent."""
        return self.job is None and self.postponed is None and not self.undecided

    @property
    def launchable(self) -> list[Server]:
        """The servers that are neither refused nor launched by another job."""
        excluded = {**self.refused, **self.taken_over}
        return [s for s in self.request.servers if s.source_server_id not in excluded]

    def refuse(self, server_id: str, reason: str) -> None:
        """Mark one of its servers as failed."""
        server = next(s for s in self.request.servers if s.source_server_id == server_id)
        result = ServerResult(source_server_id=server_id, impact=server.impact)
        self.refused[server_id] = result.failed(reason, at=time.time())

    def postpone(self, waiting_for: WaitingFor, reason: str, jobs: Iterable[Job] = ()) -> None:
        """Postpone it."""
        self.postponed = PostponedLaunch(
            launch_id=self.request.launch_id,
            waiting_for=waiting_for,
            reason=reason,
            job_ids=[job.job_id for job in jobs],
        )

    def wait_for_jobs(self, jobs: Sequence[Job], *, unknown: str = "") -> None:
        """Postpone it until other jobs with its servers have ended.

        Args:
            jobs: these jobs.
            unknown: what is known of a job that DRS does not list.
        """
        names = []
        for job in jobs[:3]:
            shared = [i for i in self.request.server_ids if i in job.server_ids]
            names.append(f"{job.job_id} ({job.initiated_by or job.type}) has {_names(shared)}")
        reason = f"Waiting for another job: {'; '.join(names) or unknown}"
        self.postpone(WaitingFor.OTHER_JOB, reason, jobs)

    def result(self, account_id: str | None) -> LaunchResult:
        """Every server with its job, or with the reason why it has none."""
        results = [self._result_of(server) for server in self.request.servers]
        watched = any(r.recovery_job_id for r in results)
        accepted = (epoch(self.job.creation_date_time) if self.job else None) or time.time()
        return LaunchResult(
            launch_id=self.request.launch_id,
            account_id=account_id,
            job_id=self.job.job_id if self.job else None,
            accepted_time=accepted if watched else None,
            servers=results,
        )

    def _result_of(self, server: Server) -> ServerResult:
        server_id, job = server.source_server_id, self.job
        if server_id in self.refused:
            return self.refused[server_id]
        result = ServerResult(source_server_id=server_id, impact=server.impact)
        if other_job := self.taken_over.get(server_id):
            own = self.request.launch_id.partition("/")[0] + "/"
            result.recovery_job_id = other_job.job_id
            result.taken_over = not any(i.startswith(own) for i in other_job.launch_ids)
        elif job is not None and (not job.server_ids or server_id in job.server_ids):
            result.recovery_job_id = job.job_id
        else:
            # An adopted job may have been started without the servers that the guard refused.
            requested = job.job_id if job else "the launch"
            result = result.failed(f"not launched: {requested} does not include it", at=time.time())
        return result


class LaunchAttempt:
    """One attempt to launch a batch: launches of one target and type that share a job.

    Attributes:
        heartbeat: the heartbeat details, for the next attempt.
        split: DRS refused the call because of one unnamed launch.
    """

    def __init__(
        self,
        api: DrsClient,
        settings: Settings,
        requests: Sequence[LaunchRequest],
        heartbeat: LaunchHeartbeat,
        *,
        in_doubt: bool,
        listing: JobListing | None = None,
    ) -> None:
        """Prepare an attempt.

        Args:
            api: DRS in their target.
            settings: the worker's.
            requests: the launches; one with an operator's answer is alone.
            heartbeat: the details of the previous attempt's last heartbeat.
            in_doubt: whether an earlier attempt may have sent the call.
            listing: returns the jobs since a time, as read recently; None: reads them again.
        """
        first = requests[0]
        self._api = api
        self._listing = listing or self._api.jobs_since
        self._launches = [_Launch(request) for request in requests]
        self._is_drill = first.is_drill
        self._answer = first.answer
        self._since = min(request.since for request in requests)
        self._account_id: str | None = None
        self.heartbeat = heartbeat
        self.split = False
        # Whether an unknown job may exist. The heartbeat says so throughout the attempt, because
        # the last heartbeat before a worker's end may be lost.
        self._in_doubt = in_doubt
        heartbeat.unanswered = True
        self._settings = settings

    @property
    def in_doubt(self) -> bool:
        """Whether DRS may have a job of the launches that are not settled."""
        return self._in_doubt or any(launch.undecided for launch in self._launches)

    @property
    def job_id(self) -> str | None:
        """The job of the launches, if they have one."""
        return next((m.job.job_id for m in self._launches if m.job is not None), None)

    @property
    def postponed(self) -> list[PostponedLaunch]:
        """The launches that must be sent later."""
        return [m.postponed for m in self._launches if m.postponed is not None]

    async def run(self) -> list[LaunchResult]:
        """Find the launches' job, or start one.

        Returns:
            The settled launches; the others are postponed, to be split, or in doubt.

        Raises:
            ApplicationError: retryable, or not if the launch failed.
        """
        try:
            self._account_id = await self._api.account_id()
            await self._adopt()
            await self._find_jobs()
            await self._refuse_live_servers()
            await self._start_recovery()
        except AwsError as error:
            await self._retry_later(error)
        return self.settled()

    def settled(self) -> list[LaunchResult]:
        """The results of the launches that are settled: with a job, or without need of one."""
        return [
            launch.result(self._account_id)
            for launch in self._launches
            if launch.job is not None or (launch.is_open and not launch.launchable)
        ]

    def failed(self, reason: str) -> list[LaunchResult]:
        """The results if no more calls can be sent: servers without a job have failed.

        Launches that are postponed or in doubt are not changed.
        """
        for launch in self._open:
            for server in launch.launchable:
                launch.refuse(server.source_server_id, reason)
        return self.settled()

    async def find(self) -> LaunchResult | None:
        """Search the job of one launch without starting one.

        Jobs that may be it are watched like jobs that are taken over.
        """
        (launch,) = self._launches
        with retried_later(after=self._settings.scaled_poll_seconds):
            ((_, found),) = await self._search_in_doubt()
        if found.own is not None:
            launch.job = found.own
            return launch.result(None)
        for job in found.candidates:
            if is_of_mode(job, is_drill=self._is_drill):
                launch.taken_over.update(dict.fromkeys(job.server_ids, job))
        if set(launch.taken_over) < set(launch.request.server_ids):
            return None
        return launch.result(None)

    async def _adopt(self) -> None:
        """Adopt the job that an operator named."""
        if self._answer is None or self._answer.job_id is None:
            return
        job_id = self._answer.job_id
        ours = {i for launch in self._launches for i in launch.request.server_ids}
        job = next(iter(await self._api.jobs([job_id])), None)
        mismatch = None
        if job is None:
            mismatch = f"DRS has no job {job_id} here"
        elif not ours.intersection(job.server_ids):
            mismatch = f"{job.job_id} has none of these servers"
        elif is_of_other_mode(job, is_drill=self._is_drill):
            mismatch = f"{job.job_id} is a {job.initiated_by}"
        if mismatch is not None:
            await self._ask_operator(f"it cannot be adopted: {mismatch}")
        for launch in self._launches:
            launch.job = job

    async def _find_jobs(self) -> None:
        """Find the launches' own jobs; launches with servers in other jobs are postponed."""
        if not self._open:
            return
        if self._in_doubt:
            try:
                found = await self._search_in_doubt()
            except AwsError as error:
                await self._ask_operator(f"DRS cannot be asked ({error})")
            await self._settle_candidates(found)
        else:
            found = await self._search_once()
        self._in_doubt = False
        for launch, seen in found:
            if launch.undecided:
                continue
            if seen.own is not None:
                launch.job = seen.own
            elif seen.blocking:
                launch.wait_for_jobs(seen.blocking)
            else:
                launch.taken_over = seen.launched_by_others

    async def _settle_candidates(self, found: list[tuple[_Launch, SearchResult]]) -> None:
        """Ask the operator about ambiguous launches, once the others are settled."""
        ambiguous = [m for m, seen in found if seen.own is None and seen.candidates]
        if not ambiguous:
            return
        if len(ambiguous) < len(found):
            for launch in ambiguous:
                launch.undecided = True
            return
        jobs = {job.job_id: job for _, seen in found for job in seen.candidates}
        names = "; ".join(_described(job) for job in list(jobs.values())[:3])
        await self._ask_operator(f"it may be {names}")

    async def _search(self, listing: JobListing) -> list[tuple[_Launch, SearchResult]]:
        """Read the jobs once.

        Raises:
            AwsError: DescribeJobs failed.
        """
        jobs = await listing(self._since)
        launches = self._open
        in_batch = [i for launch in launches for i in launch.request.server_ids]

        def find() -> list[tuple[_Launch, SearchResult]]:
            return [(m, search(jobs, m.request, batch_server_ids=in_batch)) for m in launches]

        # DescribeJobs may omit tags; they are read before a job counts as untagged.
        for job in [job for _, seen in find() for job in seen.candidates]:
            if not job.tags and job.arn:
                job.tags = await self._api.tags_of(job.arn)
        return find()

    async def _search_once(self) -> list[tuple[_Launch, SearchResult]]:
        """Read the jobs once; if that fails after an operator's `launch_anyway`, assume none."""
        try:
            return await self._search(self._listing)
        except AwsError:
            if self._answer is None or self._answer.job_id is not None:
                raise
            return [(launch, SearchResult()) for launch in self._open]

    async def _search_in_doubt(self) -> list[tuple[_Launch, SearchResult]]:
        """Search the job of an unanswered call, which may appear with a delay.

        Raises:
            AwsError: DescribeJobs still failed at the end of the search.
        """
        search_seconds = self._settings.absent_after_seconds
        searched_before, started = self.heartbeat.searched_seconds, time.monotonic()
        if searched_before < search_seconds:
            await self._report(
                WaitingFor.LAUNCH, "Waiting for DRS to show whether it accepted the launch"
            )
        while True:
            found, error = None, None
            try:
                found = await self._search(self._api.jobs_since)
            except AwsError as failed:
                error = failed
            self.heartbeat.searched_seconds = searched_before + time.monotonic() - started
            is_search_over = self.heartbeat.searched_seconds >= search_seconds
            if found is not None and (is_search_over or all(seen.own for _, seen in found)):
                return found
            if error is not None and is_search_over:
                raise error
            await asyncio.sleep(min(2.0, search_seconds / 4))

    async def _ask_operator(self, evidence: str) -> NoReturn:
        """Launch nothing, ask the operator, and retry later."""
        sent_time = self.heartbeat.sent_time
        when = f" at {datetime.fromtimestamp(sent_time, UTC):%H:%M:%S} UTC" if sent_time else ""
        await self._report(
            WaitingFor.LAUNCH_DECISION,
            "Waiting for an operator's decision: whether DRS accepted the launch of {servers}"
            f"{when} is not known; {evidence}. Look in the DRS console, then adopt_job the job "
            "that has these servers, or launch_anyway if there is none",
        )
        send_heartbeat(self.heartbeat)
        error = AwsError(AwsErrorKind.IN_DOUBT, evidence)
        raise retry_later(error, after=self._settings.scaled_poll_seconds)

    @property
    def _open(self) -> list[_Launch]:
        return [launch for launch in self._launches if launch.is_open]

    async def _refuse_live_servers(self) -> None:
        """Refuse servers that have a live instance of a real recovery."""
        to_check = [
            (launch, server.source_server_id)
            for launch in self._open
            for server in launch.launchable
            if server.source_server_id not in launch.request.relaunch
        ]
        ids = [server_id for _, server_id in to_check]
        reasons = await refused_servers(self._api, ids, self.heartbeat, is_drill=self._is_drill)
        for launch, server_id in to_check:
            if reason := reasons.get(server_id):
                launch.refuse(server_id, reason)

    async def _start_recovery(self) -> None:
        """Call StartRecovery; servers that DRS does not accept are excluded and reported."""
        while requested := [launch for launch in self._open if launch.launchable]:
            self._in_doubt = True
            self.heartbeat.sent_time, self.heartbeat.searched_seconds = time.time(), 0.0
            not_after = time.monotonic() + _FENCE_SECONDS
            try:
                await self._fence()
                job = await _finish_call(
                    self._api.start_recovery(
                        [server for launch in requested for server in launch.launchable],
                        is_drill=self._is_drill,
                        launch_ids=[launch.request.launch_id for launch in requested],
                        not_after=not_after,
                    )
                )
            except AwsError as error:
                self._in_doubt = not error.kind.had_no_effect
                if not await self._exclude(requested, error):
                    return
            else:
                self._in_doubt = False
                for launch in requested:
                    launch.job = job
                return

    async def _exclude(self, requested: list[_Launch], error: AwsError) -> bool:
        """Exclude what the call was refused for.

        Returns:
            Whether to send the rest at once.

        Raises:
            AwsError: the error concerns the whole call.
        """
        if error.kind is AwsErrorKind.QUOTA:
            for launch in requested:
                launch.postpone(WaitingFor.QUOTA, f"Waiting for quota: {error}")
            return False
        named = [m for m in requested if error.resource_id in m.request.server_ids]
        if error.kind is AwsErrorKind.UNKNOWN_SERVER and named and error.resource_id:
            named[0].refuse(error.resource_id, str(error))
            return True
        if error.kind is AwsErrorKind.CONFLICT:
            return await self._postpone_conflicting(requested, named, error)
        if error.kind.had_no_effect and not error.kind.is_retryable and len(requested) > 1:
            self.split = True
            return False
        raise error

    async def _postpone_conflicting(
        self, requested: list[_Launch], named: list[_Launch], error: AwsError
    ) -> bool:
        try:
            found = await self._search(self._api.jobs_since)
        except AwsError as failed:
            for launch in named or requested:
                launch.wait_for_jobs([], unknown=f"one that cannot be read ({failed})")
            return True
        for launch, seen in found:
            if seen.blocking and launch.launchable:
                launch.wait_for_jobs(seen.blocking)
        if not named and all(launch.is_open for launch in requested):
            if len(requested) > 1:
                self.split = True
                return False
            named = requested
        for launch in named:
            if launch.is_open:
                launch.wait_for_jobs([], unknown="one with these servers")
        return True

    async def _fence(self) -> None:
        """Have Temporal confirm that this attempt is the current one.

        A worker without a connection may have been replaced without noticing.

        Raises:
            AwsError: it was not confirmed, or was cancelled, so nothing was sent.
        """
        token = activity.info().task_token
        handle = activity.client().get_async_activity_handle(task_token=token)
        try:
            await handle.heartbeat(
                heartbeat_details(self.heartbeat), rpc_timeout=timedelta(seconds=_FENCE_SECONDS)
            )
        except AsyncActivityCancelledError as cancelled:
            # The cancellation (or a pause or reset by an operator in Temporal) has not reached
            # this attempt yet; until then, a CancelledError of our own would count as a failure.
            raise AwsError(
                AwsErrorKind.THROTTLED, "the launch was cancelled, so DRS was not called"
            ) from cancelled
        except RPCError as error:
            raise AwsError(
                AwsErrorKind.THROTTLED,
                f"Temporal did not confirm the launch, so DRS was not called: {error.message}",
            ) from error

    async def _retry_later(self, error: AwsError) -> NoReturn:
        """Report what the launch waits for, and let Temporal retry."""
        # A permanent error fails nothing while an unknown job may exist.
        if not error.kind.is_retryable and not self._in_doubt:
            raise ApplicationError(str(error), type=error.kind, non_retryable=True) from error
        await self._report(WaitingFor.LAUNCH, f"Waiting for DRS: {error}")
        self.heartbeat.unanswered = self._in_doubt
        send_heartbeat(self.heartbeat)
        raise retry_later(error, after=2.0) from error

    async def _report(self, waiting_for: WaitingFor, reason: str) -> None:
        """Signal to the launcher why servers are not launched yet, once for each wave."""
        if reason == self.heartbeat.reported:
            return
        by_wave: dict[str, list[_Launch]] = {}
        for launch in self._open:
            by_wave.setdefault(launch.request.wave_workflow_id, []).append(launch)
        is_searched = waiting_for is WaitingFor.LAUNCH_DECISION
        progress = BatchProgress(uses_quota=self._in_doubt and not is_searched)
        for launches in by_wave.values():
            names = _names(i for launch in launches for i in launch.request.server_ids)
            # An operator answers launch by launch.
            named = launches if waiting_for is WaitingFor.LAUNCH_DECISION else launches[:1]
            progress.waiting += [
                LaunchWaiting(
                    launch_id=launch.request.launch_id,
                    waiting_for=waiting_for,
                    reason=reason.replace("{servers}", names),
                )
                for launch in named
            ]
        if await signal_caller("batch_progress", progress):
            self.heartbeat.reported = reason


async def _finish_call(call: Coroutine[Any, Any, Job]) -> Job:
    """Await a call even if we are cancelled: otherwise its job's ID would be lost."""
    task = asyncio.create_task(call)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()


def _described(job: Job) -> str:
    what = ", ".join(t for t in (job.initiated_by or job.type, job.status, "untagged") if t)
    servers = _names(job.server_ids) or "servers unknown"
    return (
        f"{job.job_id} ({what}, created {job.creation_date_time or 'at an unknown time'}; "
        f"{servers})"
    )


def _names(ids: Iterable[str]) -> str:
    named = list(ids)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(named[:3]) + more
