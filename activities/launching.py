"""Launching one job's servers, exactly once.

StartRecovery has no idempotency token, so a launch is known by its launch ID, a tag on the job:
before asking again we look for the job. A relaunch destroys a server's earlier instance, so
servers with a live instance of a real recovery are never asked for.
"""

import asyncio
import random
import time
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any, NoReturn

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.aws import AwsTrouble, Trouble
from activities.drs_api import LAUNCH_ID_TAG, DrsApi, Job, RecoveryInstance, epoch
from activities.heartbeat import beat_now
from activities.places import Places
from activities.wave_signals import signal_wave
from recovery.execution import ServerResult
from recovery.model import Model
from recovery.plan import Server, Target
from settings import Settings

GUARD_SECONDS = 120.0
# StartRecovery is asked within this time from an attempt's begin, or not at all: together with
# its read timeout that is less than the time for which the next attempt looks for the job.
_LEASE_SECONDS = 15.0
_LOOK_BACK_SECONDS = 300.0
_LIVE_UNLESS = ("TERMINATED", "SHUTTING-DOWN", "NOT_FOUND")


class LaunchRequest(Model):
    """One job to ask for.

    Attributes:
        launch_id: the job's one identifying tag, fixed in Temporal's history before the call.
        since: epoch seconds before which no job of this launch can exist.
        relaunch: servers that may be launched although a live recovery instance would be lost.
    """

    launch_id: str
    target: Target
    servers: list[Server]
    is_drill: bool
    since: float
    relaunch: list[str] = []


class LaunchResult(Model):
    """What became of a launch.

    Attributes:
        accepted_time: when DRS created the job (epoch seconds); None when no job was needed.
        servers: every server of the request: of the job, or failed with the reason.
    """

    account_id: str | None = None
    job_id: str | None = None
    accepted_time: float | None = None
    servers: list[ServerResult]


class LaunchWaits(Model):
    """Signal to the wave: DRS has not accepted the launch yet, for this reason."""

    reason: str


class LaunchMemory(Model):
    """What an attempt leaves to the next, in its heartbeat.

    Attributes:
        unanswered: StartRecovery was asked and its answer is not known.
        look_until: until when (epoch seconds) the job of such a call is looked for.
        guard_unread_since: since when live instances cannot be read.
        told: the reason for waiting that the wave was last told.
    """

    unanswered: bool = True
    look_until: float = 0.0
    guard_unread_since: float | None = None
    told: str = ""


class Launch:
    """One attempt at one launch."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        request: LaunchRequest,
        memory: LaunchMemory,
        *,
        in_doubt: bool,
    ) -> None:
        self._places = places
        self._api = places.api(request.target)
        self._request = request
        self.memory = memory
        # Whether a job may exist that we do not know of. The heartbeat says so throughout the
        # attempt, because the last one before a worker's death may not have left it.
        self._in_doubt = in_doubt
        memory.unanswered = True
        self._settings = settings
        self._began = time.monotonic()
        self._refused: list[ServerResult] = []

    async def run(self) -> LaunchResult:
        """Find the launch's job, or get one.

        Raises:
            ApplicationError: what could not be done now, or at all.
        """
        try:
            account_id = await self._places.account_of(self._request.target)
            job = await self._look_for_job()
            if job is None:
                servers = await self._guard()
                job = await self._ask(servers) if servers else None
        except AwsTrouble as trouble:
            await self._wait_for(trouble)
        if job is None:
            return LaunchResult(account_id=account_id, servers=self._refused)
        return _accepted(self._request, job, account_id=account_id, refused=self._refused)

    async def find(self) -> LaunchResult | None:
        """Look for the job without asking for one."""
        try:
            job = await self._look_for_job()
        except AwsTrouble as trouble:
            raise retry_later(trouble, after=self._settings.scaled_poll_seconds) from trouble
        return _accepted(self._request, job, account_id=None) if job else None

    async def _look_for_job(self) -> Job | None:
        """Find the job that an earlier attempt may have got.

        After an unanswered call the job may appear only a while later.
        """
        if not self._in_doubt:
            return await find_job(self._api, self._request)
        if not self.memory.look_until:
            self.memory.look_until = time.time() + self._settings.absent_after_seconds
        await self._tell("Waiting to learn whether DRS accepted the launch")
        while True:
            if job := await find_job(self._api, self._request):
                return job
            if time.time() >= self.memory.look_until:
                break
            await asyncio.sleep(min(2.0, self._settings.absent_after_seconds / 4))
        self._in_doubt, self.memory.look_until = False, 0.0
        self._began = time.monotonic()
        return None

    async def _guard(self) -> list[Server]:
        """The servers that may be launched; the others are refused with the reason."""
        request, memory = self._request, self.memory
        ids = [s.source_server_id for s in request.servers]
        if set(ids) <= set(request.relaunch):
            return list(request.servers)
        try:
            instances = await self._api.recovery_instances(ids)
        except AwsTrouble as trouble:
            now = time.time()
            memory.guard_unread_since = memory.guard_unread_since or now
            unread = now - memory.guard_unread_since
            if request.is_drill and (unread >= GUARD_SECONDS or not trouble.kind.can_pass):
                raise ApplicationError(
                    "Nothing was launched: whether these servers have a live instance of a real "
                    f"recovery could not be read ({trouble})",
                    type=trouble.kind,
                    non_retryable=True,
                ) from trouble
            # A recovery is never given up for it: it waits for the operator, who can restore the
            # access, or start anew with --relaunch, which names the servers and needs no look.
            raise AwsTrouble(
                Trouble.THROTTLED,
                "an operator's decision: nothing is launched before it is known whether these "
                f"servers have a live instance of a real recovery ({trouble})",
            ) from trouble
        memory.guard_unread_since = None
        live = live_recoveries(instances)
        allowed = []
        for server in request.servers:
            instance = live.get(server.source_server_id)
            if instance is None or server.source_server_id in request.relaunch:
                allowed.append(server)
                continue
            reason = (
                f"not launched: it has a live instance {instance.recovery_instance_id} of a real "
                f"recovery (job {instance.job_id}), which a launch would destroy; "
                "`--relaunch` launches it all the same"
            )
            self._refuse(server, reason)
        return allowed

    async def _ask(self, servers: list[Server]) -> Job | None:
        """Call StartRecovery once; servers that DRS does not know are left out and reported."""
        request = self._request
        while servers:
            if time.monotonic() - self._began > _LEASE_SECONDS:
                raise AwsTrouble(Trouble.THROTTLED, "AWS answers too slowly to launch safely")
            self._in_doubt = True
            try:
                job = await _to_its_end(
                    self._api.start_recovery(
                        servers, is_drill=request.is_drill, launch_id=request.launch_id
                    )
                )
            except AwsTrouble as trouble:
                self._in_doubt = not trouble.kind.is_refusal
                unknown = [s for s in servers if s.source_server_id == trouble.resource_id]
                if trouble.kind is not Trouble.UNKNOWN_SERVER or not unknown:
                    raise
                self._refuse(unknown[0], str(trouble))
                servers = [s for s in servers if s is not unknown[0]]
            else:
                return job
        return None

    def _refuse(self, server: Server, reason: str) -> None:
        result = ServerResult(source_server_id=server.source_server_id, impact=server.impact)
        self._refused.append(result.failed(reason, at=time.time()))

    async def _wait_for(self, trouble: AwsTrouble) -> NoReturn:
        """Tell the wave what the launch waits for, and have Temporal try again."""
        # A lasting trouble settles nothing while a job may exist that we do not know of.
        if not trouble.kind.can_pass and not self._in_doubt:
            raise ApplicationError(str(trouble), type=trouble.kind, non_retryable=True) from trouble
        reason = f"Waiting for DRS: {trouble}"
        if trouble.kind is Trouble.QUOTA:
            reason = f"Waiting for quota: {trouble}"
        elif trouble.kind is Trouble.CONFLICT:
            reason = f"Waiting for another job: {await self._blocking_job()}"
        await self._tell(reason)
        poll = self._settings.scaled_poll_seconds
        after = poll if trouble.kind in (Trouble.QUOTA, Trouble.CONFLICT) else 2.0
        self.memory.unanswered = self._in_doubt
        beat_now(self.memory)
        raise retry_later(trouble, after=after) from trouble

    async def _blocking_job(self) -> str:
        ids = {s.source_server_id for s in self._request.servers}
        try:
            jobs = await self._api.jobs_since(time.time() - 86_400)
        except AwsTrouble as trouble:
            return f"one that cannot be read ({trouble})"
        for job in jobs:
            if not job.is_over and (held := [s for s in job.server_ids if s in ids]):
                return f"{job.job_id} ({job.initiated_by or job.type}) works on {', '.join(held)}"
        return "one that works on these servers"

    async def _tell(self, reason: str) -> None:
        if reason == self.memory.told:
            return
        news = LaunchWaits(reason=reason)
        if await signal_wave("launch_waits", news):
            self.memory.told = reason


async def _to_its_end(asking: Coroutine[Any, Any, Job]) -> Job:
    """Await a call that must not be left in the middle: its job's ID would be lost."""
    task = asyncio.create_task(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task


async def find_job(api: DrsApi, request: LaunchRequest) -> Job | None:
    """The job that carries this launch's ID, or None.

    Raises:
        AwsTrouble: DescribeJobs did not answer, so nothing is known.
    """
    for job in await api.jobs_since(request.since - _LOOK_BACK_SECONDS):
        if job.tags.get(LAUNCH_ID_TAG) == request.launch_id:
            return job
    return None


def live_recoveries(instances: Iterable[RecoveryInstance]) -> dict[str, RecoveryInstance]:
    """By server, its live instance of a real recovery; what is not known to be a drill is real."""
    return {
        i.source_server_id: i
        for i in instances
        if i.source_server_id and not i.is_drill and i.ec2_instance_state not in _LIVE_UNLESS
    }


def _accepted(
    request: LaunchRequest,
    job: Job,
    *,
    account_id: str | None,
    refused: Iterable[ServerResult] = (),
) -> LaunchResult:
    results = {r.source_server_id: r for r in refused}
    for server in request.servers:
        server_id = server.source_server_id
        if server_id in results:
            continue
        result = ServerResult(source_server_id=server_id, impact=server.impact)
        if job.server_ids and server_id not in job.server_ids:
            # An adopted job may have been asked for without the servers that the guard refused.
            result = result.failed(
                f"not launched: {job.job_id} was asked without it", at=time.time()
            )
        else:
            result.recovery_job_id = job.job_id
        results[server_id] = result
    return LaunchResult(
        account_id=account_id,
        job_id=job.job_id,
        accepted_time=epoch(job.creation_date_time) or time.time(),
        servers=[results[s.source_server_id] for s in request.servers],
    )


def retry_later(trouble: AwsTrouble, *, after: float) -> ApplicationError:
    """An expected failure that Temporal tries again after some seconds, with jitter."""
    delay = max(trouble.retry_after or 0.0, after) * random.uniform(0.8, 1.2)
    return ApplicationError(
        str(trouble),
        type=trouble.kind,
        next_retry_delay=timedelta(seconds=delay),
        category=ApplicationErrorCategory.BENIGN,
    )
