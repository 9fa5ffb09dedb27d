"""Launching a wave's servers with DRS and watching until they are up.

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

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from activities.aws import AwsSessions, AwsTrouble, Trouble
from activities.drs_api import LAUNCH_ID_TAG, DrsApi, Job, RecoveryInstance, epoch
from activities.heartbeat import beat_now, heartbeating
from activities.job_watch import JobWatch, WatchedServer
from recovery.execution import ServerResult
from recovery.model import Model
from recovery.plan import Server, Target
from settings import Settings

LOOK_UP_SECONDS = 120.0
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

    launch_id: str
    reason: str


class WatchRequest(Model):
    """The servers of one wave to watch, each with its job.

    Attributes:
        until: epoch seconds after which watching ends whatever is still open.
    """

    target: Target
    servers: list[ServerResult]
    until: float


class WatchNews(Model):
    """Signal to the wave: the servers that changed, and what keeps us from seeing more.

    Attributes:
        trouble: why DRS cannot be asked at present; empty when it can.
    """

    servers: list[ServerResult] = []
    trouble: str = ""


class _LaunchMemory(Model):
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


class _WatchMemory(Model):
    """The watched servers, in the heartbeat, for the next attempt to go on from."""

    servers: list[WatchedServer]
    trouble: str = ""


class DrsActivities:
    """The activities that act on DRS."""

    def __init__(self, sessions: AwsSessions, settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._accounts: dict[Target, str] = {}

    @activity.defn
    async def launch(self, request: LaunchRequest) -> LaunchResult:
        """Ask DRS for one job, exactly once, after the guards.

        Raises:
            ApplicationError: retryable for what can pass (throttling, quota, conflict, network),
                not retryable for what cannot (validation, access, another account).
        """
        first = activity.info().attempt == 1
        memory = _remembered() or _LaunchMemory(unanswered=not first)
        async with heartbeating(lambda: memory):
            return await _Launch(self, request, memory).run()

    @activity.defn
    async def find_launch(self, request: LaunchRequest) -> LaunchResult | None:
        """Look for the job of a launch that was called off; None when there is none."""
        memory = _remembered() or _LaunchMemory()
        async with heartbeating(lambda: memory):
            return await _Launch(self, request, memory).find()

    @activity.defn
    async def watch(self, request: WatchRequest) -> list[ServerResult]:
        """Watch servers until each has failed, or is up and verified, or `until` has passed.

        Changes are signalled to the wave as they are seen. Trouble with DRS never ends the
        watch and never decides about a server.
        """
        memory = _WatchMemory(servers=[WatchedServer(result=s) for s in request.servers])
        if details := activity.info().heartbeat_details:
            memory = _WatchMemory.model_validate(details[0])
        async with heartbeating(lambda: memory):
            return await _Watch(self.api(request.target), request, memory, self._settings).run()

    def api(self, target: Target) -> DrsApi:
        """DRS in a target."""
        return DrsApi(self._sessions, target)

    async def account_of(self, target: Target) -> str:
        """The account we really act in; asked once a target.

        Raises:
            ApplicationError: not retryable, when it is not the account the plan names.
        """
        if target not in self._accounts:
            account = await self.api(target).account_id()
            if target.account_id and account != target.account_id:
                raise ApplicationError(
                    f"Nothing was launched in {target.region}: the plan names account "
                    f"{target.account_id}, but the worker acts in {account}. Correct AccountId "
                    "or RoleArn, or the worker's credentials",
                    type=Trouble.INVALID,
                    non_retryable=True,
                )
            self._accounts[target] = account
        return self._accounts[target]


class _Launch:
    """One attempt at one launch."""

    def __init__(
        self, activities: DrsActivities, request: LaunchRequest, memory: _LaunchMemory
    ) -> None:
        self._activities = activities
        self._api = activities.api(request.target)
        self._request = request
        self._memory = memory
        self._settings = activities._settings
        self._began = time.monotonic()
        self._refused: list[ServerResult] = []

    async def run(self) -> LaunchResult:
        try:
            account_id = await self._activities.account_of(self._request.target)
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
            raise _again(trouble, after=self._settings.scaled_poll_seconds) from trouble
        return _accepted(self._request, job, account_id=None) if job else None

    async def _look_for_job(self) -> Job | None:
        """Find the job that an earlier attempt may have got.

        After an unanswered call the job may appear only a while later.
        """
        if not self._memory.unanswered:
            return await find_job(self._api, self._request)
        if not self._memory.look_until:
            self._memory.look_until = time.time() + self._settings.absent_after_seconds
        await self._tell("Waiting to learn whether DRS accepted the launch")
        while True:
            if job := await find_job(self._api, self._request):
                return job
            if time.time() >= self._memory.look_until:
                break
            await asyncio.sleep(min(2.0, self._settings.absent_after_seconds / 4))
        self._memory.unanswered, self._memory.look_until = False, 0.0
        self._began = time.monotonic()
        return None

    async def _guard(self) -> list[Server]:
        """The servers that may be launched; the others are refused with the reason."""
        request, memory = self._request, self._memory
        ids = [s.source_server_id for s in request.servers]
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
            raise AwsTrouble(
                Trouble.THROTTLED if trouble.kind.can_pass else trouble.kind,
                "Nothing is launched before it is known whether these servers have a live "
                f"instance of a real recovery ({trouble})",
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
                f"recovery (job {instance.job_id}), which a launch would destroy"
            )
            self._refuse(server, reason)
        return allowed

    async def _ask(self, servers: list[Server]) -> Job | None:
        """Call StartRecovery once; servers that DRS does not know are left out and reported."""
        request = self._request
        while servers:
            if time.monotonic() - self._began > _LEASE_SECONDS:
                raise AwsTrouble(Trouble.THROTTLED, "AWS answers too slowly to launch safely")
            self._memory.unanswered = True
            beat_now(self._memory)
            try:
                job = await _to_its_end(
                    self._api.start_recovery(
                        servers, is_drill=request.is_drill, launch_id=request.launch_id
                    )
                )
            except AwsTrouble as trouble:
                self._memory.unanswered = not trouble.kind.is_refusal
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
        if not trouble.kind.can_pass:
            raise ApplicationError(str(trouble), type=trouble.kind, non_retryable=True) from trouble
        reason = f"Waiting for DRS: {trouble}"
        if trouble.kind is Trouble.QUOTA:
            reason = f"Waiting for quota: {trouble}"
        elif trouble.kind is Trouble.CONFLICT:
            reason = f"Waiting for another job: {await self._blocking_job()}"
        await self._tell(reason)
        poll = self._settings.scaled_poll_seconds
        after = poll if trouble.kind in (Trouble.QUOTA, Trouble.CONFLICT) else 2.0
        beat_now(self._memory)
        raise _again(trouble, after=after) from trouble

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
        if reason == self._memory.told:
            return
        news = LaunchWaits(launch_id=self._request.launch_id, reason=reason)
        if await _signal_wave("launch_waits", news):
            self._memory.told = reason


class _Watch:
    """The watching of one wave's servers."""

    def __init__(
        self, api: DrsApi, request: WatchRequest, memory: _WatchMemory, settings: Settings
    ) -> None:
        self._api = api
        self._request = request
        self._memory = memory
        self._settings = settings
        look_up = LOOK_UP_SECONDS / settings.speed
        self._watch = JobWatch(memory.servers, look_up_seconds=look_up)
        self._meant_to_run: dict[str, bool] = {}
        # Copies, because the watch changes its results in place.
        self._told = {s.source_server_id: s.model_copy() for s in request.servers}

    async def run(self) -> list[ServerResult]:
        delay = poll = self._settings.scaled_poll_seconds
        while True:
            trouble = ""
            try:
                await self._look()
                delay = poll
            except AwsTrouble as met:
                trouble = f"DRS cannot be asked at present: {met}"
                delay = min(delay * 2, poll * 4)
                activity.logger.warning(trouble)
            self._watch.settle_look_ups(now=time.time())
            if self._watch.is_finished or time.time() >= self._request.until:
                return self._watch.results
            await self._tell(trouble)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))

    async def _look(self) -> None:
        watch = self._watch
        worth_reading = []
        if open_jobs := watch.unfinished_jobs:
            for job in await self._api.jobs(open_jobs):
                if watch.see_job(job, now=time.time()):
                    worth_reading.append(job.job_id)
        for job_id in worth_reading:
            try:
                watch.see_log(job_id, await self._api.job_log(job_id))
            except AwsTrouble as trouble:
                activity.logger.warning("The log of %s cannot be read: %s", job_id, trouble)
        await self._verify()

    async def _verify(self) -> None:
        """Look launched servers' instances up; silence is no trouble, it is UNKNOWN."""
        servers = self._watch.unverified
        if not servers:
            return
        try:
            instances = await self._api.recovery_instances(servers)
            await self._learn_dispositions(instances)
        except AwsTrouble as trouble:
            activity.logger.warning("Recovery instances cannot be looked up: %s", trouble)
            return
        self._watch.see_instances(instances, meant_to_run=self._meant_to_run, now=time.time())

    async def _learn_dispositions(self, instances: Iterable[RecoveryInstance]) -> None:
        for instance in instances:
            server_id = instance.source_server_id
            stopped = instance.ec2_instance_state in ("STOPPED", "STOPPING")
            if server_id and stopped and server_id not in self._meant_to_run:
                self._meant_to_run[server_id] = await self._api.is_meant_to_run(server_id)

    async def _tell(self, trouble: str) -> None:
        """Signal what changed; what could not be signalled is told the next time."""
        self._memory.servers = list(self._watch.servers.values())
        changed = [
            s.model_copy() for s in self._watch.results if s != self._told.get(s.source_server_id)
        ]
        if not changed and trouble == self._memory.trouble:
            return
        if await _signal_wave("watch_news", WatchNews(servers=changed, trouble=trouble)):
            self._told.update({s.source_server_id: s for s in changed})
            self._memory.trouble = trouble


def _remembered() -> _LaunchMemory | None:
    """What the attempt before left, if it left anything."""
    details = activity.info().heartbeat_details
    return _LaunchMemory.model_validate(details[0]) if details else None


async def _signal_wave(name: str, news: Model) -> bool:
    """Signal the wave's workflow that runs this activity; False when Temporal did not take it."""
    info = activity.info()
    if info.workflow_id is None:
        return False
    handle = activity.client().get_workflow_handle(info.workflow_id)
    try:
        await handle.signal(name, news, rpc_timeout=timedelta(seconds=10))
    except RPCError as error:
        activity.logger.warning("The wave could not be told: %s", error)
        return False
    return True


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


def _again(trouble: AwsTrouble, *, after: float) -> ApplicationError:
    """An expected failure that Temporal tries again after some seconds, with jitter."""
    delay = max(trouble.retry_after or 0.0, after) * random.uniform(0.8, 1.2)
    return ApplicationError(
        str(trouble),
        type=trouble.kind,
        next_retry_delay=timedelta(seconds=delay),
        category=ApplicationErrorCategory.BENIGN,
    )
