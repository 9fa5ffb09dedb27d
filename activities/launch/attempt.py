"""One attempt to launch a batch: exactly one job.

StartRecovery has no idempotency token, so a launch is identified by its launch ID, a tag on the
job: before the call is sent again, the job is searched. Launches of several waves may share a
job, which then has a tag for each. A relaunch destroys a server's earlier instance, so servers with
a live instance of a real recovery are not launched. If it is unknown whether DRS has the job,
nothing is sent and an operator decides.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from temporalio.exceptions import ApplicationError

from activities.fence import confirm_attempt
from activities.heartbeat import send_heartbeat
from activities.launch.guard import refused_servers
from activities.launch.isolation import LaunchIsolation
from activities.launch.job_starter import JobStarter
from activities.launch.launch import Launch, described, names
from activities.retry import retried_later, retry_later
from activities.signals import signal_caller
from aws.drs.client import DrsClient
from aws.drs.launch_search import SearchResult, is_of_mode, is_of_other_mode, search
from aws.drs.models import Job
from aws.errors import AwsError, AwsErrorKind
from contract.launch import (
    BatchProgress,
    LaunchHeartbeat,
    LaunchRequest,
    LaunchResult,
    LaunchWaiting,
    PostponedLaunch,
)
from recovery.execution.wave import WaitingFor
from settings import Settings

# What fails for longer is reported as a matter for an operator.
_LASTING_SECONDS = 120.0
_ENDED = "not launched: the workflow of its plan is no longer open in Temporal"

JobListing = Callable[[float], Awaitable[list[Job]]]
EndedExecutions = Callable[[Iterable[str]], Awaitable[set[str]]]


class LaunchAttempt:
    """One attempt to launch a batch: launches of one target and type that share a job.

    Attributes:
        heartbeat: the heartbeat details, for the next attempt.
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
        isolation: LaunchIsolation | None = None,
        ended: EndedExecutions | None = None,
    ) -> None:
        """Prepare an attempt.

        Args:
            api: DRS in their target.
            settings: the worker's.
            requests: the launches; one with an operator's answer is alone.
            heartbeat: the details of the previous attempt's last heartbeat.
            in_doubt: whether an earlier attempt may have sent the call.
            listing: returns the jobs since a time, as read recently; None: reads them again.
            isolation: what is known of drills' launch settings; needed to launch.
            ended: returns which executions are no longer open; needed to launch.
        """
        first = requests[0]
        self._api = api
        self._listing = listing or self._api.jobs_since
        self._launches = [Launch(request) for request in requests]
        self._is_drill = first.is_drill
        self._answer = first.answer
        self._since = min(request.since for request in requests)
        self._account_id: str | None = None
        self.heartbeat = heartbeat
        # Whether an unknown job may exist. The heartbeat says so throughout the attempt, because
        # the last heartbeat before a worker's end may be lost.
        self._in_doubt = in_doubt
        heartbeat.unanswered = True
        self._settings = settings
        self._jobs: list[Job] = []
        self._isolation = isolation
        self._ended = ended
        if isolation is not None:
            isolation.begin(self._launches)
        self._starter = JobStarter(api, heartbeat, self._search_now, is_drill=first.is_drill)

    @property
    def split(self) -> bool:
        """Whether DRS refused the call because of one unnamed launch."""
        return self._starter.split

    @property
    def in_doubt(self) -> bool:
        """Whether DRS may have a job of the launches that are not settled."""
        return self._is_in_doubt or any(launch.undecided for launch in self._launches)

    @property
    def _is_in_doubt(self) -> bool:
        return self._in_doubt or self._starter.in_doubt

    @property
    def job_id(self) -> str | None:
        """The job of the launches, if they have one."""
        return next((m.first_job.job_id for m in self._launches if m.first_job is not None), None)

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
            await self._api.check(changes=True)
            self._account_id = await self._api.known_account()
            await self._adopt()
            await self._find_jobs()
            await self._refuse_live_servers()
            if self._ended is not None:
                await self._refuse_ended(self._ended)
            if self._isolation is not None:
                not_after = await self._isolation.check(self._open)
                self._isolation.finish(self._open)
                await self._starter.start(self._open, not_after=not_after)
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
            try:
                ((_, found),) = await self._search_in_doubt()
            except AwsError as error:
                if error.kind is AwsErrorKind.UNINITIALIZED:
                    return None
                raise
        launch.parts = found.parts
        if found.own is not None:
            launch.job = found.own
            return launch.result(None)
        for job in found.candidates:
            if is_of_mode(job, is_drill=self._is_drill):
                launch.taken_over.update(dict.fromkeys(job.server_ids, job))
        if not launch.parts and set(launch.taken_over) < set(launch.request.server_ids):
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
        for launch, seen in await self._search_now():
            launch.parts = seen.parts
            launch.job = job

    async def _find_jobs(self) -> None:
        """Find the launches' own jobs; launches with servers in other jobs are postponed."""
        if not self._open:
            return
        if self._in_doubt:
            try:
                found = await self._search_in_doubt()
            except AwsError as error:
                if error.kind is AwsErrorKind.UNINITIALIZED:
                    self._in_doubt = False
                    raise
                await self._ask_operator(f"DRS cannot be read ({error})")
            await self._settle_candidates(found)
        else:
            found = await self._search_once()
        self._in_doubt = False
        for launch, seen in found:
            if launch.undecided:
                continue
            launch.parts = seen.parts
            if seen.own is not None:
                launch.job = seen.own
            elif seen.blocking:
                launch.wait_for_jobs(seen.blocking)
            else:
                launch.taken_over = seen.launched_by_others

    async def _settle_candidates(self, found: list[tuple[Launch, SearchResult]]) -> None:
        """Ask the operator about ambiguous launches, once the others are settled."""
        ambiguous = [m for m, seen in found if seen.own is None and seen.candidates]
        if not ambiguous:
            return
        if len(ambiguous) < len(found):
            for launch in ambiguous:
                launch.undecided = True
            return
        jobs = {job.job_id: job for _, seen in found for job in seen.candidates}
        some = "; ".join(described(job) for job in list(jobs.values())[:3])
        await self._ask_operator(f"it may be {some}")

    async def _search(self, listing: JobListing) -> list[tuple[Launch, SearchResult]]:
        """Read the jobs once.

        Raises:
            AwsError: DescribeJobs failed.
        """
        self._jobs = jobs = await listing(self._since)
        launches = self._open
        in_batch = [i for launch in launches for i in launch.request.server_ids]

        def find() -> list[tuple[Launch, SearchResult]]:
            return [(m, search(jobs, m.request, batch_server_ids=in_batch)) for m in launches]

        # DescribeJobs may omit tags; they are read before a job counts as untagged.
        for job in [job for _, seen in find() for job in seen.candidates]:
            if not job.tags and job.arn:
                job.tags = await self._api.tags_of(job.arn)
        return find()

    async def _search_now(self) -> list[tuple[Launch, SearchResult]]:
        return await self._search(self._api.jobs_since)

    async def _search_once(self) -> list[tuple[Launch, SearchResult]]:
        """Read the jobs once; if that fails after an operator's `launch_anyway`, assume none."""
        try:
            return await self._search(self._listing)
        except AwsError:
            if self._answer is None or self._answer.job_id is not None:
                raise
            return [(launch, SearchResult()) for launch in self._open]

    async def _search_in_doubt(self) -> list[tuple[Launch, SearchResult]]:
        """Search the job of an unanswered call, which may appear with a delay.

        Raises:
            AwsError: DescribeJobs still failed at the end of the search.
        """
        search_seconds = self._settings.absent_after_seconds
        searched_before, started = self.heartbeat.searched_seconds, time.monotonic()
        if searched_before < search_seconds and not self._is_lasting:
            await self._report(
                WaitingFor.LAUNCH, "Waiting for DRS to show whether it accepted the launch"
            )
        while True:
            found, error = None, None
            try:
                found = await self._search_now()
            except AwsError as failed:
                if failed.kind is AwsErrorKind.UNINITIALIZED:
                    # An account without DRS has no job.
                    raise
                error = failed
            self.heartbeat.searched_seconds = searched_before + time.monotonic() - started
            is_search_over = self.heartbeat.searched_seconds >= search_seconds
            if found is not None and (is_search_over or all(seen.own for _, seen in found)):
                return found
            if error is not None and is_search_over:
                raise error
            await asyncio.sleep(min(2.0, search_seconds / 4))

    async def _ask_operator(self, evidence: str) -> NoReturn:
        """Launch nothing, ask the operator, and retry later; a replaced attempt does not ask."""
        try:
            await confirm_attempt(self.heartbeat)
        except AwsError as unconfirmed:
            after = self._settings.scaled_poll_seconds
            raise retry_later(unconfirmed, after=after) from unconfirmed
        sent_time = self.heartbeat.sent_time
        when = f" at {datetime.fromtimestamp(sent_time, UTC):%H:%M:%S} UTC" if sent_time else ""
        await self._report(
            WaitingFor.LAUNCH_DECISION,
            "Waiting for an operator's decision: whether DRS accepted the launch of {servers}"
            f"{when} is not known; {evidence}. Look in the DRS console; then send adopt-job "
            "with the job that has these servers, or launch-anyway if there is none",
        )
        send_heartbeat(self.heartbeat)
        error = AwsError(AwsErrorKind.IN_DOUBT, evidence)
        raise retry_later(error, after=self._settings.scaled_poll_seconds)

    @property
    def _open(self) -> list[Launch]:
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
        reasons = await refused_servers(
            self._api, ids, self._jobs, self.heartbeat, is_drill=self._is_drill
        )
        for launch, server_id in to_check:
            if reason := reasons.get(server_id):
                launch.refuse(server_id, reason)

    async def _refuse_ended(self, ended: EndedExecutions) -> None:
        """Refuse launches of plans whose workflow was terminated: a wave outlives its plan."""
        gone = await ended(launch.request.execution_id for launch in self._open)
        for launch in self._open:
            if launch.request.execution_id in gone:
                for server in launch.launchable:
                    launch.refuse(server.source_server_id, _ENDED)

    async def _retry_later(self, error: AwsError) -> NoReturn:
        """Report what the launch waits for, and let Temporal retry."""
        # A permanent error fails nothing while an unknown job may exist.
        if not error.kind.is_retryable and not self._is_in_doubt:
            raise ApplicationError(str(error), type=error.kind, non_retryable=True) from error
        if self._is_lasting:
            since = datetime.fromtimestamp(self.heartbeat.failing_since or 0.0, UTC)
            detail = (
                f"nothing could be launched since {since:%H:%M:%S} UTC: {error}. Remove the cause "
                "(the launch is tried again automatically), or cancel the wave (cancel-wave)"
            )
            await self._report(WaitingFor.OPERATOR, WaitingFor.OPERATOR.text(detail))
        else:
            self.heartbeat.failing_since = self.heartbeat.failing_since or time.time()
            await self._report(WaitingFor.LAUNCH, f"Waiting for DRS: {error}")
        self.heartbeat.unanswered = self._is_in_doubt
        send_heartbeat(self.heartbeat)
        raise retry_later(error, after=2.0) from error

    @property
    def _is_lasting(self) -> bool:
        """Whether attempts have failed for so long that an operator should know."""
        since = self.heartbeat.failing_since
        return since is not None and time.time() - since >= _LASTING_SECONDS

    async def _report(self, waiting_for: WaitingFor, reason: str) -> None:
        """Signal to the launcher why servers are not launched yet, once for each wave."""
        if reason == self.heartbeat.reported:
            return
        by_wave: dict[str, list[Launch]] = {}
        for launch in self._open:
            by_wave.setdefault(launch.request.wave_workflow_id, []).append(launch)
        is_searched = waiting_for is WaitingFor.LAUNCH_DECISION
        progress = BatchProgress(uses_quota=self._in_doubt and not is_searched)
        for launches in by_wave.values():
            servers = names(i for launch in launches for i in launch.request.server_ids)
            # An operator answers launch by launch.
            named = launches if waiting_for is WaitingFor.LAUNCH_DECISION else launches[:1]
            progress.waiting += [
                LaunchWaiting(
                    launch_id=launch.request.launch_id,
                    waiting_for=waiting_for,
                    reason=reason.replace("{servers}", servers),
                )
                for launch in named
            ]
        if await signal_caller("batch_progress", progress):
            self.heartbeat.reported = reason
