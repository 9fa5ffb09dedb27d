"""Watching one wave's servers until each has failed, or is up and verified."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Protocol

from temporalio import activity

from activities.caller_signals import signal_caller
from activities.watch.steady_clock import SteadyClock
from aws.drs.client import DrsClient
from aws.drs.models import Job, JobLogItem, RecoveryInstance
from aws.drs.server_status import ServerStatusTracker
from aws.errors import AwsError
from contract.watch import ServersChanged, WatchMemory, WatchRequest
from recovery.execution.server import ServerResult
from settings import Settings

LOOK_UP_SECONDS = 120.0
_LOG_TRIES = 5


class Board(Protocol):
    """Where jobs are looked at."""

    async def jobs(self, job_ids: Sequence[str], /, *, soon: bool) -> list[Job]:
        """Those of the jobs that DRS knows, as the next look sees them."""

    async def log(self, job_id: str, /) -> list[JobLogItem]:
        """What a job's log says, read after the last look."""


class Watch:
    """The watching of one wave's servers."""

    def __init__(
        self,
        api: DrsClient,
        board: Board,
        request: WatchRequest,
        memory: WatchMemory,
        settings: Settings,
    ) -> None:
        self._api = api
        self._board = board
        self._request = request
        self._memory = memory
        self._settings = settings
        look_up = LOOK_UP_SECONDS / settings.speed
        self._watch = ServerStatusTracker(memory.servers, look_up_seconds=look_up)
        # Temporal's clock, which the wave's workflow uses too.
        self._clock = SteadyClock(activity.info().started_time)
        self._meant_to_run: dict[str, bool] = {}
        self._logs_to_read: dict[str, int] = {}
        # Copies, because the watch changes its results in place.
        self._reported = {s.source_server_id: s.model_copy() for s in request.servers}

    async def run(self) -> list[ServerResult]:
        """Watch; returns the servers as they were seen last."""
        while True:
            trouble = ""
            try:
                await self._look()
            except AwsError as met:
                trouble = f"DRS cannot be asked at present: {met}"
                activity.logger.warning(trouble)
            self._watch.settle_look_ups(now=self._clock.now())
            finished = self._watch.is_finished and not self._logs_to_read
            if finished or self._clock.now() >= self._request.until:
                return self._watch.results
            await self._report(trouble)
            if not self._watch.unfinished_jobs:
                # The looks at jobs have a pace of their own.
                await asyncio.sleep(self._settings.scaled_poll_seconds * random.uniform(0.8, 1.2))

    async def _look(self) -> None:
        """Look at jobs, logs and instances; what does not answer hides nothing of the others."""
        try:
            await self._look_at_jobs()
        finally:
            await self._verify()

    async def _look_at_jobs(self) -> None:
        watch = self._watch
        if open_jobs := watch.unfinished_jobs:
            for job in await self._jobs(open_jobs):
                if watch.see_job(job, now=self._clock.now()):
                    self._logs_to_read[job.job_id] = _LOG_TRIES
        for job_id in list(self._logs_to_read):
            await self._read_log(job_id)

    @property
    def _is_last_look(self) -> bool:
        """Whether time is up: then DRS is asked at once, and by itself."""
        return self._clock.now() >= self._request.until

    async def _jobs(self, job_ids: list[str]) -> list[Job]:
        now = self._clock.now()
        if self._is_last_look:
            return await self._api.jobs(job_ids)
        await self._api.check()
        return await self._board.jobs(job_ids, soon=now >= self._request.quiet_until)

    async def _read_log(self, job_id: str) -> None:
        """Learn times and reasons; a log that cannot be read is tried again, and not for ever."""
        try:
            # The board's log may be older than a look that was not the board's.
            read = self._api.job_log if self._is_last_look else self._board.log
            self._watch.see_log(job_id, await read(job_id))
        except AwsError as error:
            activity.logger.warning("The log of %s cannot be read: %s", job_id, error)
            self._logs_to_read[job_id] -= 1
            if self._logs_to_read[job_id] > 0:
                return
        del self._logs_to_read[job_id]

    async def _verify(self) -> None:
        """Look launched servers' instances up; silence is no trouble, it is UNKNOWN."""
        servers = self._watch.unverified
        if not servers:
            return
        try:
            instances = await self._api.recovery_instances(servers)
        except AwsError as error:
            activity.logger.warning("Recovery instances cannot be looked up: %s", error)
            self._watch.lookup_failed()
            return
        try:
            await self._learn_dispositions(instances)
        except AwsError as error:
            # It says nothing of the servers that run.
            activity.logger.warning("Launch configurations cannot be read: %s", error)
        self._watch.see_instances(instances, meant_to_run=self._meant_to_run, now=self._clock.now())

    async def _learn_dispositions(self, instances: Iterable[RecoveryInstance]) -> None:
        """Ask whether stopped servers are meant to be; one that says nothing is asked again."""
        for instance in instances:
            server_id = instance.source_server_id
            stopped = instance.ec2_instance_state in ("STOPPED", "STOPPING")
            if not server_id or not stopped or server_id in self._meant_to_run:
                continue
            runs = await self._api.is_meant_to_run(server_id)
            if runs is not None:
                self._meant_to_run[server_id] = runs

    async def _report(self, trouble: str) -> None:
        """Signal what changed; what could not be signalled is sent the next time."""
        self._memory.servers = list(self._watch.servers.values())
        changed = [
            s.model_copy()
            for s in self._watch.results
            if s != self._reported.get(s.source_server_id)
        ]
        if not changed and trouble == self._memory.error:
            return
        if await signal_caller("servers_changed", ServersChanged(servers=changed, error=trouble)):
            self._reported.update({s.source_server_id: s for s in changed})
            self._memory.error = trouble
