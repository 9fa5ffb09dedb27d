"""Polls DRS's jobs for a whole worker: one call per poll for all plans."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass

from aws.drs.client import DrsClient
from aws.drs.gathered_reads import GatheredReads
from aws.drs.models import DAY_SECONDS, Job, JobLogItem, RecoveryInstance, epoch
from aws.errors import AwsError

# The factors of the poll interval while no server is expected to be up, and at most while
# calls fail.
SLOW = 3.0
_SLOWEST = 4.0
# After a hint the next poll comes as early as this share of the interval after the last one (1 s by
# default), however many hints there are; in a sandbox not in less than so many seconds.
_HINTED = 0.2
_MIN_HINTED_SECONDS = 0.1
# This many intervals (5 min by default) cover the difference of AWS's clock and ours, jobs that are
# listed late, and a server's status that changes after its job's end.
_MARGIN = 60.0


@dataclass(frozen=True)
class JobList:
    """The jobs of one account and Region.

    Attributes:
        jobs: newest first.
        time: when they were read (epoch seconds).
    """

    jobs: list[Job]
    time: float


@dataclass(frozen=True)
class _Request:
    job_ids: tuple[str, ...]
    since: float
    soon: bool


class JobPoller:
    """Polls the jobs of one account and Region, for all watches and launches of a worker.

    Each poll lists what may have changed since the last one: the jobs that ran then, and newer
    ones. A caller waits for the next poll. Polls are about `pause_seconds` apart, three times that
    while no caller expects a change soon, and up to four times that while calls fail.
    """

    def __init__(self, api: DrsClient, *, pause_seconds: float) -> None:
        self._api = api
        self._pause_seconds = pause_seconds
        self._backing_off = 1.0
        self._last = -1e9
        self._jitter = 1.0
        self._is_hinted = False
        # By the last poll's callers, who ask again.
        self._wanted: set[str] = set()
        self._requests: dict[asyncio.Future[JobList], _Request] = {}
        self._requested = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._jobs: dict[str, Job] = {}
        # The jobs created since then are known, as they were at `_time`.
        self._complete_since = float("inf")
        self._time = 0.0
        # By job ID: the time of the poll after which it was read, and the read.
        self._logs: dict[str, tuple[float, asyncio.Task[list[JobLogItem]]]] = {}
        self._instances = GatheredReads(self._read_instances)

    async def log(self, job_id: str) -> list[JobLogItem]:
        """A job's log, read once after each poll for all callers.

        Raises:
            AwsError: it could not be read; the next call reads it again.
        """
        after, reading = self._logs.get(job_id, (0.0, None))
        if reading is None or after < self._time or _has_failed(reading):
            reading = asyncio.create_task(self._api.job_log(job_id), context=Context())
            self._logs[job_id] = self._time, reading
        # A cancelled caller does not cancel the read for the others.
        return await asyncio.shield(reading)

    async def instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        """The recovery instances of servers, in one call for all that are looked up at a time.

        Raises:
            AwsError: they could not be read.
        """
        try:
            found = await self._instances.get(server_ids)
        except AwsError as error:
            if not error.kind.may_concern_a_part:
                raise
            # One server that DRS rejects must not hide the others.
            return await self._api.recovery_instances(server_ids)
        return [each for each in found if each.source_server_id in server_ids]

    async def _read_instances(self, server_ids: list[str]) -> list[RecoveryInstance]:
        reading = self._api.recovery_instances(server_ids)
        # In an empty context: nobody in particular acts.
        return await asyncio.create_task(reading, context=Context())

    async def jobs(self, job_ids: Sequence[str], *, soon: bool = True) -> list[Job]:
        """The jobs of these IDs that DRS has, from the next poll.

        Args:
            job_ids: the jobs.
            soon: whether one of them is expected to end soon.

        Raises:
            AwsError: that poll failed.
        """
        wanted = tuple(job_ids)
        listing = await self._request(_Request(wanted, float("inf"), soon))
        found = {job.job_id: job for job in listing.jobs}
        return [found[job_id] for job_id in wanted if job_id in found]

    async def listed(self, since: float, *, seen_after: float | None = None) -> JobList:
        """All jobs created since a moment.

        Args:
            since: epoch seconds.
            seen_after: not older than this (epoch seconds); None: about one pause.

        Raises:
            AwsError: the poll failed.
        """
        oldest = time.time() - self._pause_seconds if seen_after is None else seen_after
        if self._complete_since <= since and self._time >= oldest:
            return self._job_list()
        if seen_after is not None or since < self._complete_since:
            # A launch waits for it, and the regular poll would be too late.
            self._last = -1e9
        return await self._request(_Request((), since, soon=True))

    async def next(self, since: float) -> JobList:
        """All jobs created since a moment (epoch seconds), by the next poll.

        Raises:
            AwsError: that poll failed.
        """
        return await self._request(_Request((), since, soon=True))

    def look_soon(self, job_id: str) -> bool:
        """Make the next poll due, for callers that wait for it: a job may have changed.

        Returns:
            Whether a caller waits for this job.
        """
        self._is_hinted = True
        self._requested.set()
        wanted = {i for request in self._requests.values() for i in request.job_ids}
        return job_id in wanted | self._wanted

    async def _request(self, request: _Request) -> JobList:
        answer: asyncio.Future[JobList] = asyncio.get_running_loop().create_future()
        self._requests[answer] = request
        self._requested.set()
        if self._polling is None or self._polling.done():
            # In an empty context: it outlives the first caller.
            self._polling = asyncio.create_task(self._poll_while_requested(), context=Context())
        try:
            return await answer
        finally:
            self._requests.pop(answer, None)

    async def _poll_while_requested(self) -> None:
        while self._requests:
            await self._pause()
            requests, self._requests = self._requests, {}
            await self._poll(requests)

    async def _pause(self) -> None:
        """Wait until the next poll is due, which is earlier if a caller expects a change soon."""
        while True:
            self._requested.clear()
            slow = 1.0 if any(r.soon for r in self._requests.values()) else SLOW
            pause = self._pause_seconds * self._jitter * max(slow, self._backing_off)
            if self._is_hinted and self._backing_off == 1.0:
                pause = min(pause, max(self._pause_seconds * _HINTED, _MIN_HINTED_SECONDS))
            left = self._last + pause - time.monotonic()
            if left <= 0:
                return
            try:
                await asyncio.wait_for(self._requested.wait(), left)
            except TimeoutError:
                return

    async def _poll(self, requests: dict[asyncio.Future[JobList], _Request]) -> None:
        self._last, self._jitter = time.monotonic(), random.uniform(0.8, 1.2)
        self._is_hinted = False
        try:
            listing = await self._list(list(requests.values()))
        except Exception as error:
            self._backing_off = min(self._backing_off * 2, _SLOWEST)
            refused = isinstance(error, AwsError) and error.kind.may_concern_a_part
            if refused and len(requests) > 1:
                # One ID that DRS rejects must not hide the other jobs.
                await asyncio.gather(*(self._poll({a: r}) for a, r in requests.items()))
                return
            for answer in requests:
                if not answer.done():
                    answer.set_exception(error)
            return
        self._backing_off = 1.0
        for answer in requests:
            if not answer.done():
                answer.set_result(listing)

    async def _list(self, requests: Sequence[_Request]) -> JobList:
        now = time.time()
        since = min((r.since for r in requests), default=now)
        if self._complete_since == float("inf") or since < self._complete_since:
            # No jobs are known yet, or none from that time.
            since = min(since, now - DAY_SECONDS)
            self._complete_since = float("inf")
        else:
            since = min((*self._open_since(), self._time)) - _MARGIN * self._pause_seconds
        seen = {job.job_id: job for job in await self._api.jobs_from(since)}
        wanted = dict.fromkeys(job_id for r in requests for job_id in r.job_ids)
        self._wanted = set(wanted)
        if unlisted := [job_id for job_id in wanted if job_id not in seen]:
            seen |= {job.job_id: job for job in await self._api.jobs(unlisted)}
        # A running or requested job that DRS no longer returns is removed.
        over = {i: job for i, job in self._jobs.items() if job.is_over and i not in wanted}
        self._jobs = over | seen
        self._time, self._complete_since = now, min(self._complete_since, since)
        self._logs = {i: log for i, log in self._logs.items() if not log[1].done()}
        self._forget(before=now - 2 * DAY_SECONDS)
        return self._job_list()

    def _open_since(self) -> list[float]:
        """The creation times of the jobs that may still change."""
        ended_after = self._time - _MARGIN * self._pause_seconds
        return [
            epoch(job.creation_date_time) or 0.0
            for job in self._jobs.values()
            if job.is_running or (epoch(job.end_date_time) or 0.0) > ended_after
        ]

    def _forget(self, *, before: float) -> None:
        if self._complete_since < before:
            self._complete_since = before
            self._jobs = {
                job_id: job
                for job_id, job in self._jobs.items()
                if job.is_running or (epoch(job.creation_date_time) or before) >= before
            }

    def _job_list(self) -> JobList:
        newest_first = sorted(
            self._jobs.values(), key=lambda job: epoch(job.creation_date_time) or 0.0, reverse=True
        )
        return JobList(newest_first, self._time)


def _has_failed(task: asyncio.Task[list[JobLogItem]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
